package vhdx_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/vhdx"
)

func ExampleOpen() {
	file, _ := build("d..", 3*blockSize, nil, nil) // the bytes of an image
	im, err := vhdx.Open(bytes.NewReader(file), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	fmt.Println(im.Info().Subformat, im.Size(), im.SectorSize())
	// Output: dynamic 3145728 512
}
