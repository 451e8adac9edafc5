package volume_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume"
)

func ExampleScan() {
	f, err := os.Open("../partition/testdata/mbr.img.gz")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	disk, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}

	tree, err := volume.Scan(context.Background(), []block.Device{block.Plain(bytes.NewReader(disk))}, nil)
	if err != nil {
		panic(err)
	}
	for _, v := range tree.Volumes {
		fmt.Println(v.Name, v.Kind, v.Size)
	}
	// Output:
	// disk table 16777216
	// mbr1 partition 1048576
	// mbr2 partition 2097152
	// mbr3 extended 12582912
	// mbr5 partition 1048576
	// mbr6 partition 2097152
	// mbr7 partition 1048576
}
