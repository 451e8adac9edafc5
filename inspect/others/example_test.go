package others_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/guestkit/guestkit/inspect/others"
	"github.com/guestkit/guestkit/inspect/system"
)

// Any tree will do: that of a disk image, of a folder, of an archive.
func Example() {
	ctx := context.Background()
	tree := fstest.MapFS{
		"bin/freebsd-version":     {Data: []byte("#!/bin/sh\nUSERLAND_VERSION=\"14.1-RELEASE-p5\"\n"), Mode: 0o755},
		"etc/freebsd-update.conf": {}, "etc/rc.conf": {Data: []byte("hostname=\"beastie\"\n")},
		"boot/kernel/kernel": {}, "etc/fstab": {},
	}
	for _, place := range others.Find(ctx, tree, nil) {
		sys := system.New(place.Type)
		if err := others.Identify(ctx, tree, sys, nil); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(sys.Type, sys.Version, sys.Hostname)
	}
	// Output: freebsd 14.1-RELEASE-p5 beastie
}
