package qed_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/qed"
)

func ExampleOpen() {
	file, _ := build("d.z", 3*4096, nil) // the bytes of an image
	im, err := qed.Open(bytes.NewReader(file), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	fmt.Println(im.Info().ClusterSize, im.Size())
	// Output: 4096 12288
}
