package ext4_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/vfs"
)

func Example() {
	f, err := os.Open("testdata/plain.img.gz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	image, err := io.ReadAll(z)
	if err != nil {
		fmt.Println(err)
		return
	}
	fsys, err := ext4.Open(bytes.NewReader(image), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	info := fsys.Info()
	fmt.Println(info.Type, info.BlockSize, info.Size)
	b, err := fs.ReadFile(fsys, "f")
	fmt.Printf("%s %v\n", b, err)
	fi, err := fsys.Lstat("a")
	if err != nil {
		fmt.Println(err)
		return
	}
	target, err := fsys.ReadLink("a")
	st, _ := vfs.StatOf(fi)
	fmt.Println(fi.Mode().Type(), target, err, st.Nlink)
	// Output:
	// ext4 1024 8388608
	// gggggg <nil>
	// L--------- b <nil> 1
}
