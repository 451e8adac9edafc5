// Walk lists the files of a guest that are larger than a MiB, without mounting it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/fs/vfs"
)

func main() {
	if err := walk(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func walk(ctx context.Context, disks []string) error {
	guest, err := guestkit.OpenDisks(disks, nil)
	if err != nil {
		return err
	}
	defer guest.Close()
	report, err := guest.Inspect(ctx)
	if err != nil {
		return err
	}
	for _, system := range report.Systems {
		fsys, err := system.FS()
		if err != nil {
			return err
		}
		root, err := vfs.Find(fsys, ".", false)
		if err != nil {
			return err
		}
		fmt.Println(system.ProductName)
		err = vfs.Walk(ctx, root, nil, func(n *vfs.Node, err error) error {
			if err == nil && n.Stat().Mode.IsRegular() && n.Stat().Size > 1<<20 {
				fmt.Printf("  /%s  %d\n", n.Path(), n.Stat().Size)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
