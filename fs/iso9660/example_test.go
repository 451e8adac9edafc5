package iso9660_test

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/guestkit/guestkit/fs/iso9660"
	"github.com/guestkit/guestkit/internal/testimg"
)

// The names and modes of Rock Ridge are read where there are any.
func Example() {
	fsys, err := iso9660.Open(bytes.NewReader(testimg.Gunzip("testdata/rockridge.img.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	fi, err := fs.Stat(fsys, "deep/0/1/2/3/4/5/6/7/8")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fsys.Info().Type, fi.Mode())
	// Output: iso9660 drwxr-xr-x
}
