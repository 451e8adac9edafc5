package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/qcow2"
)

func newBitmap(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bitmap [flags] IMAGE BITMAP",
		Short: "Add, remove, clear, enable, disable and merge the bitmaps of a qcow2 image",
		Long: `Changes a persistent dirty bitmap of a qcow2 image in place. Several flags are
done in the order in which they stand: all of them or none.
--merge sets what is set in another bitmap: of the image itself, or with -b of
another qcow2 image. Without a flag the bitmap's dirty ranges are listed.

Interrupted at any moment, the image is as before or as after. A bitmap that was in
use when the image was left, so that its bits may be wrong, can only be removed.`,
		Example: `  guestkit bitmap --add disk.qcow2 backup0
  guestkit bitmap --add --disable -g 64k disk.qcow2 backup1
  guestkit bitmap --merge backup1 disk.qcow2 backup0
  guestkit bitmap disk.qcow2 backup0`,
		Args: args(2, 2, "an image and a bitmap"),
	}
	src := a.storedFlags(cmd)
	var actions []qcow2.BitmapAction // in the order of the flags
	f := cmd.Flags()
	for _, x := range [][2]string{{"add", "add the bitmap, enabled"}, {"remove", "remove it"}, {"clear", "clear its bits"}, {"enable", "let it track writes"}, {"disable", "let it track writes no more"}} {
		f.BoolFunc(x[0], x[1], func(text string) error {
			on, err := strconv.ParseBool(text)
			if on {
				actions = append(actions, qcow2.BitmapAction{Do: x[0]})
			}
			return err
		})
	}
	f.Func("merge", "set what is set in the bitmap `NAME`; repeatable", func(name string) error {
		actions = append(actions, qcow2.BitmapAction{Do: "merge", From: name})
		return nil
	})
	granularity := new(sizeFlag)
	f.VarP(granularity, "granularity", "g", "with --add: the bytes that a bit stands for (default: those of a cluster, 4K to 64K)")
	source := f.StringP("source-file", "b", "", "with --merge: the qcow2 `FILE` that has the other bitmap")
	sourceFormat := f.StringP("source-format", "F", "", "the `FORMAT` of that file, which is qcow2")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		path, name := args[0], args[1]
		var other format.Source
		if *source != "" {
			if *sourceFormat != "" && *sourceFormat != "qcow2" {
				return usagef("only qcow2 images have bitmaps, not %s", *sourceFormat)
			}
			if err := a.usable(*source); err != nil {
				return err
			}
			var err error
			if other, err = src.bytes(*source); err != nil {
				return err
			}
			defer other.Close()
		}
		if len(actions) == 0 {
			return a.listBitmap(src, path, name)
		}
		for i := range actions {
			switch x := &actions[i]; {
			case x.Do == "add":
				x.Granularity = int64(*granularity)
			case x.Do == "merge" && other != nil:
				x.Source = other
			}
		}
		var words []string
		for _, x := range actions {
			words = append(words, strings.TrimSpace(x.Do+" "+x.From))
		}
		return a.inPlace(path, src, func(s *convert.Storage) (string, error) {
			return fmt.Sprintf("bitmap %q: %s", name, strings.Join(words, ", ")), qcow2.ChangeBitmap(a.ctx, s, name, actions)
		})
	}
	return cmd
}

// listBitmap prints the ranges that a bitmap says were written to.
func (a *app) listBitmap(src *source, path, name string) error {
	path, err := a.stdin(path)
	if err == nil {
		err = a.usable(path)
	}
	if err != nil {
		return err
	}
	f, err := src.bytes(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := qcow2.OpenBitmap(f, name, nil)
	if err != nil {
		return pathError(path, err)
	}
	total := int64(0)
	for r, err := range b.Ranges() {
		if err != nil {
			return pathError(path, err)
		}
		a.out.Printf("%d+%d\n", r.Off, r.Len)
		total += r.Len
	}
	a.note("%s of the disk in granules of %s", terminal.Size(total), terminal.Size(b.Granularity))
	return nil
}
