package linux_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/guestkit/guestkit/inspect/linux"
	"github.com/guestkit/guestkit/inspect/system"
)

// Any tree will do: that of a disk image, os.DirFS of a container's root, a tar.
func Example() {
	ctx := context.Background()
	tree := fstest.MapFS{
		"etc/os-release": {Data: []byte("ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME=\"Alpine Linux v3.20\"\n")},
		"etc/hostname":   {Data: []byte("box\n")},
		"bin/busybox":    {}, "usr/bin/env": {},
	}
	for _, place := range linux.Find(ctx, tree, nil) {
		sys := system.New(place.Type)
		if err := linux.Identify(ctx, tree, sys, nil); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(sys.Distro, sys.Version, sys.Family, sys.Hostname)
		fmt.Println("by", sys.Because("distro")[0].Path)
	}
	// Output:
	// alpine 3.20.3 alpine box
	// by /etc/os-release
}
