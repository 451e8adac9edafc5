package exfat_test

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/guestkit/guestkit/fs/exfat"
	"github.com/guestkit/guestkit/internal/testimg"
)

// Names are found in any case.
func Example() {
	fsys, err := exfat.Open(bytes.NewReader(testimg.Gunzip("testdata/small.img.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	b, err := fs.ReadFile(fsys, "DEEP/A/b/c/d/E")
	fmt.Printf("%s: %d bytes, %v\n", fsys.Info().Type, len(b), err)
	// Output: exfat: 4 bytes, <nil>
}
