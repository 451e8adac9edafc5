package squashfs_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/fs/squashfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

func Example() {
	fsys, err := squashfs.Open(bytes.NewReader(testimg.Gunzip("testdata/zstd.img.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	target, err := fsys.ReadLink("attrs/link")
	fmt.Println(fsys.Info().Type, fsys.Info().Version, target, err)
	// Output: squashfs 4.0 x <nil>
}
