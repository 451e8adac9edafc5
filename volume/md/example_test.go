package md_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/md"
)

// Members of several arrays may be given at once, in any order.
func Example() {
	var members []*md.Member
	for _, device := range devices("raid5-left-symmetric") {
		m, err := md.Open(block.Plain(bytes.NewReader(device)))
		if err != nil {
			fmt.Println(err)
			return
		}
		members = append(members, m)
	}
	for _, a := range md.Assemble(members[1:]) { // one is missing
		fmt.Println(a.Level, a.Layout, a.Disks, a.Missing, a.Err)
		_, err := block.ReadBytes(a.Device, 0, 4096, 4096)
		fmt.Println(err)
	}
	// Output:
	// raid5 left-symmetric 4 [0] <nil>
	// <nil>
}

// devices are the members of an array in testdata.
func devices(array string) (out [][]byte) {
	f, err := os.Open("testdata/arrays.tar.zst")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		panic(err)
	}
	defer z.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		} else if err != nil {
			panic(err)
		}
		if strings.HasPrefix(h.Name, array+"/m") {
			b, err := io.ReadAll(r)
			if err != nil {
				panic(err)
			}
			out = append(out, b)
		}
	}
}
