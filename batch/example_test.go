package batch_test

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/batch"
)

// Two images at a time; the results come one by one, and are sorted by nobody.
func Example() {
	ctx := context.Background()
	var find batch.Find
	images := find.Images(ctx, []string{"../testdata/images/debian12-bios.qcow2"})
	err := batch.Run(ctx, images, 2,
		func(ctx context.Context, img batch.Image) error {
			if img.Err != nil {
				return img.Err
			}
			guest, err := guestkit.Open(img.Path, nil)
			if err != nil {
				return err
			}
			return guest.Close()
		},
		func(img batch.Image, err error) error {
			fmt.Println(filepath.Base(img.Path), err)
			return nil
		})
	fmt.Println(err)
	// Output:
	// debian12-bios.qcow2 <nil>
	// <nil>
}
