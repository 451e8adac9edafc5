package vdi_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/vdi"
)

func ExampleOpen() {
	file, _ := build("d.z", 3*64<<10, nil) // the bytes of an image
	im, err := vdi.Open(bytes.NewReader(file), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	fmt.Println(im.Info().Subformat, im.Size())
	// Output: dynamic 196608
}
