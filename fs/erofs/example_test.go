package erofs_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/fs/erofs"
	"github.com/guestkit/guestkit/internal/testimg"
)

func Example() {
	fsys, err := erofs.Open(bytes.NewReader(testimg.Gunzip("testdata/plain.img.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	xs, err := fsys.Xattrs("attrs/link")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s %s\n", fsys.Info().Type, xs[0].Name, xs[0].Value)
	// Output: erofs: trusted.on-link y
}
