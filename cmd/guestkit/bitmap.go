package main

import (
	"fmt"
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
done in the order add, merge, clear, enable, disable, remove: all of them or none.
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
	f := cmd.Flags()
	do := map[string]*bool{}
	for _, x := range [][2]string{{"add", "add the bitmap, enabled"}, {"remove", "remove it"}, {"clear", "clear its bits"}, {"enable", "let it track writes"}, {"disable", "let it track writes no more"}} {
		do[x[0]] = f.Bool(x[0], false, x[1])
	}
	merge := f.StringArray("merge", nil, "set what is set in the bitmap `NAME`; repeatable")
	granularity := new(sizeFlag)
	f.VarP(granularity, "granularity", "g", "with --add: the bytes that a bit stands for (default: those of a cluster, 4K to 64K)")
	source := f.StringP("source-file", "b", "", "with --merge: the qcow2 `FILE` that has the other bitmap")
	sourceFormat := f.StringP("source-format", "F", "", "the `FORMAT` of that file, which is qcow2")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		path, name := args[0], args[1]
		var actions []qcow2.BitmapAction
		add := func(word string) {
			if *do[word] {
				actions = append(actions, qcow2.BitmapAction{Do: word, Granularity: int64(*granularity)})
			}
		}
		if *do["enable"] && *do["disable"] {
			return usagef("--enable and --disable exclude each other")
		}
		add("add")
		var other *format.HostFile
		if *source != "" {
			if *sourceFormat != "" && *sourceFormat != "qcow2" {
				return usagef("only qcow2 images have bitmaps, not %s", *sourceFormat)
			}
			if err := a.usable(*source); err != nil {
				return err
			}
			var err error
			if other, err = format.OpenHostFile(*source); err != nil {
				return err
			}
			defer other.Close()
		}
		for _, m := range *merge {
			b := qcow2.BitmapAction{Do: "merge", From: m}
			if other != nil {
				b.Source = other
			}
			actions = append(actions, b)
		}
		for _, word := range []string{"clear", "enable", "disable", "remove"} {
			add(word)
		}
		if len(actions) == 0 {
			return a.listBitmap(path, name)
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
func (a *app) listBitmap(path, name string) error {
	path, err := a.stdin(path)
	if err == nil {
		err = a.usable(path)
	}
	if err != nil {
		return err
	}
	f, err := format.OpenHostFile(path)
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
