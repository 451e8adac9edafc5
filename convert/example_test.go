package convert_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/qcow2"
)

func ExampleToFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	disk := append([]byte("boot sector"), make([]byte, 10<<20-11)...)
	src := block.Plain(bytes.NewReader(disk))
	out := &convert.Output{Path: filepath.Join(dir, "disk.qcow2"), Format: "qcow2",
		Qcow2: qcow2.Layout{Compression: "zstd"}, Verify: true}
	res, err := convert.ToFile(context.Background(), src, out, &convert.Options{Compress: true})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d KiB of data, %d KiB of zeros left out\n", res.Data>>10, res.Zero>>10)
	// Output: 64 KiB of data, 10176 KiB of zeros left out
}
