package udf_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/fs/udf"
	"github.com/guestkit/guestkit/internal/testimg"
)

func Example() {
	fsys, err := udf.Open(bytes.NewReader(testimg.Gunzip("testdata/hd.img.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	fmt.Println(fsys.Info().Type, fsys.Info().Version)
	// Output: udf 2.01
}
