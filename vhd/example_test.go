package vhd_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/vhd"
)

func ExampleOpen() {
	file, _ := build("d..d", 4*blockSize, 3, nil) // the bytes of an image
	im, err := vhd.Open(bytes.NewReader(file), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	fmt.Println(im.Info().Subformat, im.Size(), im.Info().Creator)
	// Output: dynamic 262144 win
}
