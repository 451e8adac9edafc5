package format_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/format"
)

func ExampleProbe() {
	disk := make([]byte, 512)
	copy(disk, "QFI\xfb\x00\x00\x00\x03")
	d, err := format.Probe(bytes.NewReader(disk))
	fmt.Println(d.Format, err)

	copy(disk[0x40:], "\x7f\x10\xda\xbe") // as in a VDI image
	_, err = format.Probe(bytes.NewReader(disk))
	fmt.Println(err)
	// Output:
	// qcow2 <nil>
	// image: ambiguous format: it could be qcow2 (magic at 0x0) or vdi (image signature at 0x40); state its format
}

func ExampleOpen() {
	im, err := format.Open(bytes.NewReader(make([]byte, 1<<20)), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	info := im.Info()
	fmt.Println(info.Format, info.VirtualSize)
	// Output: raw 1048576
}
