package vacant_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vacant"
)

func ExampleFind() {
	disk := block.Plain(bytes.NewReader(testimg.Gunzip("../fs/ext4/testdata/ext4.img.gz")))
	found, err := vacant.Find(context.Background(), disk)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range found.Volumes {
		fmt.Println(v.Name, v.Type, v.Free() > 0, v.Err)
	}
	over := found.Over(disk) // what is free reads as zeros
	fmt.Println(over.Size() == disk.Size())
	// Output:
	// disk ext4 true <nil>
	// true
}
