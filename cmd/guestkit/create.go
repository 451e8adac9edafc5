package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
)

func newCreate(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create [flags] FILE [SIZE]",
		Short: "Make an empty image, or an overlay of another one",
		Long: `Makes an image with an empty disk, or an overlay: a disk that reads as its
backing file until something is written to it. An overlay takes its size from
the backing file if none is given. Overlays are qcow2, vmdk or vhd
images; the latter two lie over images of their own format.`,
		Example: `  guestkit create -f qcow2 disk.qcow2 10G
  guestkit create -b base.qcow2 -F qcow2 top.qcow2
  guestkit create -b base.vhd changes.vhd`,
	}
	var l layout
	var force, unsafe bool
	l.flags(cmd, "format", "f")
	cmd.Flags().StringVarP(&l.format, "output-format", "O", "", "the same as --format: write this `FORMAT`")
	backing, backingFormat := backingFlags(cmd, "b", "make an overlay (qcow2, vmdk, vhd) of this `FILE`, a name relative to the new image")
	forceFlag(cmd, &force)
	cmd.Flags().BoolVarP(&unsafe, "unsafe", "u", false, "do not look at the backing file of a qcow2 image whose size is stated")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if l.wantsHelp() {
			return l.help(a, strings.Join(words[:min(1, len(words))], ""))
		}
		if err := args(1, 2, "a file and a size")(cmd, words); err != nil {
			return err
		}
		out, err := l.output(words[0])
		if err != nil {
			return err
		}
		if err := backingFile(*backing); err != nil {
			return err
		}
		if err := out.SetBacking(*backing, *backingFormat); err != nil {
			return err
		}
		out.File.Replace, out.File.Removed = force, a.removed
		text := l.size()
		if len(words) > 1 {
			text = words[1]
		}
		size, err := newDiskSize(out, text, unsafe && out.Format == "qcow2")
		if err != nil {
			return err
		}
		a.tidies.Store(true)
		if err := convert.Create(out, size); err != nil {
			return hint(pathError(out.Path, err), "--force replaces it", os.ErrExist)
		}
		if !a.quiet {
			a.out.Printf("%s: %s, %s\n", out.Path, out.Format, terminal.Size(size))
		}
		return nil
	}
	return cmd
}

// newDiskSize is the size that text asks for; without one it is that of the
// backing file, which need not be there if it is unsafe and not asked.
func newDiskSize(out *convert.Output, text string, unsafe bool) (int64, error) {
	size := int64(-1)
	if text != "" {
		var err error
		if size, err = parseSize(text); err != nil {
			return 0, err
		}
	}
	if path := out.BackingPath(); path != "" {
		_, stated := out.Backing()
		if stated == "" {
			return 0, usagef("state the format of the backing file with -F")
		}
		if unsafe && size >= 0 {
			return size, nil
		}
		info, _, err := format.DescribeFile(path, &format.Options{Format: stated})
		if err != nil {
			return 0, err
		}
		if size < 0 {
			size = info.VirtualSize
		}
	}
	if size < 0 {
		return 0, usagef("no size is given")
	}
	return size, nil
}
