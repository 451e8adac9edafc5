package main

import (
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/pattern"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/qcow2"
)

func newResize(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resize [flags] IMAGE SIZE",
		Short: "Grow or shrink the disk of a raw or qcow2 image",
		Long: `Gives the disk of an image another size: a number of bytes like 20G, or what is
added (+10G) or taken away (-10G). Partitions and filesystems on it stay as they
are. What is new reads as zeros, also over a larger backing file. Interrupted at
any moment, the image has its old size or the new one.`,
		Example: `  guestkit resize disk.qcow2 +10G
  guestkit resize --shrink disk.raw 5G
  guestkit resize --shrink disk.raw -10G`,
		Args: args(2, 2, "an image and a size"),
	}
	src := a.storedFlags(cmd)
	var shrink bool
	cmd.Flags().BoolVar(&shrink, "shrink", false, "let the disk become smaller; what lies past its new end is lost")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.resize(args[0], args[1], src, shrink) }
	return cmd
}

func (a *app) resize(path, text string, src *source, shrink bool) error {
	if err := src.check(); err != nil {
		return err
	}
	if err := plainFile(path); err != nil { // one that is in use is refused
		return err
	}
	info, _, err := format.DescribeFile(path, &format.Options{Format: src.format})
	if err != nil {
		return err
	}
	size, err := newSize(info.VirtualSize, text)
	if err != nil {
		return err
	}
	f, err := convert.OpenStorage(path)
	if err != nil {
		return err
	}
	defer f.Close()
	a.tidies.Store(true)
	switch info.Format {
	case "raw":
		err = convert.ResizeRaw(f, size, &convert.ResizeOptions{Shrink: shrink})
	case "qcow2":
		err = a.resizeQcow2(f, path, info, size, shrink, src)
	default:
		return usagef("cannot resize %s images; convert to raw or qcow2 first", info.Format)
	}
	if err != nil {
		return pathError(path, err)
	}
	if !a.quiet {
		a.out.Printf("%s: %s, it was %s\n", path, terminal.Size(size), terminal.Size(info.VirtualSize))
	}
	return nil
}

// resizeQcow2 opens what lies behind an overlay, so that it does not show where
// the disk grows.
func (a *app) resizeQcow2(f qcow2.Storage, path string, info *format.Info, size int64, shrink bool, src *source) error {
	o := &qcow2.ResizeOptions{Shrink: shrink}
	if info.Backing != nil && size > info.VirtualSize {
		img, err := format.OpenFile(path, src.storedAs("qcow2"))
		if err != nil {
			return err
		}
		defer img.Close()
		below := img.Info().Chain[0]
		backing, err := format.OpenFile(below.Name, src.storedAs(below.Format))
		if err != nil {
			return err
		}
		defer backing.Close()
		o.Backing = backing
	}
	return qcow2.Resize(a.ctx, f, size, o)
}

// newSize is the size that text asks for a disk of the size old.
func newSize(old int64, text string) (int64, error) {
	if text == "" || text[0] != '+' && text[0] != '-' {
		return parseSize(text)
	}
	n, err := parseSize(text[1:])
	switch {
	case err != nil:
		return 0, err
	case text[0] == '-' && n > old:
		return 0, usagef("the disk has %d bytes; it cannot shrink by %s", old, text[1:])
	case text[0] == '-':
		return old - n, nil
	case n > math.MaxInt64-old:
		return 0, usagef("%q is too large", text)
	}
	return old + n, nil
}

var lessSize = pattern.Of(`^-[0-9.]+([KMGTPEkmgtpe]i?)?[Bb]?$`)

// resizeArgs lets "resize IMAGE -10G" be written as qemu-img takes it: what looks
// like a flag is the size, and goes where no flag is looked for.
func resizeArgs(args []string) []string {
	if !slices.Contains(args, "resize") || slices.Contains(args, "--") {
		return args
	}
	i := slices.IndexFunc(args, lessSize().MatchString)
	if i < 0 {
		return args
	}
	return append(slices.Delete(slices.Clone(args), i, i+1), "--", args[i])
}
