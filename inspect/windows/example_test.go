package windows_test

import (
	"context"
	"fmt"
	"log"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	gfs "github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/inspect/windows"
	"github.com/guestkit/guestkit/volume"
)

// The tree of the system's drive is all that is needed; package inspect adds the
// other drives.
func Example() {
	ctx := context.Background()
	disk, err := format.OpenFile("../../testdata/images/windows11.qcow2", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	tree, err := volume.Scan(ctx, []block.Device{disk}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tree.Close()
	for _, v := range tree.Leaves() {
		files, err := gfs.Open(v.Device, nil)
		if err != nil {
			continue
		}
		for _, place := range windows.Find(ctx, files, nil) {
			sys := system.New(place.Type)
			w := windows.Open(ctx, files, sys, nil)
			if err := w.Identify(files); err != nil {
				log.Fatal(err)
			}
			fmt.Println(sys.ProductName, sys.Hostname)
		}
		files.Close()
	}
	// Output: Windows 11 Pro DESKTOP-1A2B3C4
}
