package btrfs_test

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/btrfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A filesystem of several devices is given all of them, in any order.
func Example() {
	device := bytes.NewReader(testimg.Gunzip("testdata/single.img.gz"))
	fsys, err := btrfs.Open([]block.Reader{device}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	fmt.Println(fsys.Info().Type)
	b, err := fs.ReadFile(fsys, "@/home/user") // "@" is a subvolume
	fmt.Printf("%d bytes, %v\n", len(b), err)
	// Output:
	// btrfs
	// 7 bytes, <nil>
}
