package block_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

func ExampleSection() {
	disk := block.Plain(strings.NewReader("table|partition one|partition two"))
	part := block.Section(disk, 6, 13)
	b, _ := block.ReadBytes(part, 0, part.Size(), 1<<20)
	fmt.Printf("%s\n", b)
	// Output: partition one
}

func ExampleExtents() {
	base := strings.NewReader(strings.Repeat("x", 100))
	o := block.NewOverlay(base, 100, 16)
	if err := o.Set(40, 20, nil, 0); err != nil { // a log says: these are zeros
		fmt.Println(err)
	}
	for e, err := range block.Extents(o.Device(), 0, 100) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Off, e.Len, e.Zero)
	}
	// Output:
	// 0 40 false
	// 40 20 true
	// 60 40 false
}

func ExampleError() {
	err := error(block.Errorf("qcow2", "L1 table", 0x30000, block.ErrLimit, "%d MiB, at most 32 are read", 512))
	fmt.Println(err)
	fmt.Println(errors.Is(err, block.ErrLimit))
	// Output:
	// qcow2: L1 table at offset 0x30000: limit exceeded: 512 MiB, at most 32 are read
	// true
}
