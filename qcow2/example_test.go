package qcow2_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

func ExampleOpen() {
	f, err := os.Open("testdata/overlay.qcow2.gz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := io.ReadAll(z)
	if err != nil {
		fmt.Println(err)
		return
	}
	image := strings.NewReader(string(b))

	_, err = qcow2.Open(image, nil) // follows no reference
	fmt.Println(err)

	im, err := qcow2.Open(image, &qcow2.Options{Opener: func(ref block.Ref) (block.Device, error) {
		fmt.Println("opening the", ref.Kind, ref.Name, "of the format", ref.Format)
		return block.Plain(strings.NewReader("what lies behind")), nil
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	buf := make([]byte, 20)
	if _, err := im.ReadAt(buf, 0); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", buf)
	// Output:
	// qcow2: backing file: reference refused: "backing.raw", and no file that an image names may be opened
	// opening the backing file backing.raw of the format raw
	// "what lies behind\x00\x00\x00\x00"
}
