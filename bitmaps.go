package guestkit

import (
	"context"
	"fmt"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/qcow2"
)

// takeBitmaps lets the output have the bitmaps of the source when it gets its name.
// It opens the source again, as the file that holds them.
func (c *conversion) takeBitmaps(src string) error {
	from, whole := c.Sources[0], c.o.Part == nil && len(c.Sources) == 1 && (c.o.Format == nil || c.o.Format.Snapshot == "")
	switch {
	case !whole || from.Format != "qcow2" || from.Wrapper+from.Disk != "" || c.out.Format != "qcow2" || c.Stream || c.out.Device:
		return problem.Option("bitmaps are copied with all of one qcow2 image, into another one in a file")
	case c.out.Qcow2.Version == 2:
		return problem.Option("version 2 of qcow2 has no bitmaps")
	}
	var list []format.Bitmap
	for _, b := range from.Bitmaps {
		if b.InUse {
			c.Problems = append(c.Problems, fmt.Errorf("bitmap %q was in use when the image was left; it is not copied", b.Name))
			continue
		}
		list = append(list, b)
	}
	f, err := format.PathSource(src, c.o.Format)
	if err != nil {
		return err
	}
	c.bitmaps = f
	c.out.Finish = func(ctx context.Context, s *convert.Storage) error {
		for _, b := range list {
			do := []qcow2.BitmapAction{{Do: "add", Granularity: b.Granularity}, {Do: "merge", From: b.Name, Source: f}}
			if !b.Auto {
				do = append(do, qcow2.BitmapAction{Do: "disable"})
			}
			if err := qcow2.ChangeBitmap(ctx, s, b.Name, do); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}
