package ufs_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/fs/ufs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// The order of bytes is found out.
func Example() {
	for _, image := range []string{"testdata/ufs1-be.img.gz", "testdata/ufs2-le.img.gz"} {
		fsys, err := ufs.Open(bytes.NewReader(testimg.Gunzip(image)), nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(fsys.Info().Type, fsys.Info().Version)
		fsys.Close()
	}
	// Output:
	// ufs 1
	// ufs 2
}
