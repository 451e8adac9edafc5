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
		Args: args(1, 2, "a file and a size"),
	}
	var l layout
	var backing, backingFormat string
	var force bool
	l.flags(cmd, "format", "f")
	cmd.Flags().StringVarP(&backing, "backing", "b", "", "make an overlay (qcow2, vmdk, vhd) of this `FILE`, a name relative to the new image")
	cmd.Flags().StringVarP(&backingFormat, "backing-format", "F", "", "the `FORMAT` of the backing file, which must be stated for qcow2")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		out, err := l.output(args[0])
		if err != nil {
			return err
		}
		if err := setBacking(out, backing, backingFormat); err != nil {
			return err
		}
		out.File.Replace = force
		size := int64(-1)
		text := l.size()
		if len(args) > 1 {
			text = args[1]
		}
		if text != "" {
			if size, err = parseSize(text); err != nil {
				return err
			}
		}
		if name, stated := backingOf(out); name != "" {
			if stated == "" {
				return usagef("state the format of the backing file with -F")
			}
			info, _, err := format.DescribeFile(besideOutput(out, name), &format.Options{Format: stated})
			if err != nil {
				return err
			}
			if size < 0 {
				size = info.VirtualSize
			}
		}
		if size < 0 {
			return usagef("no size is given")
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

// size is what -o size=… says.
func (l *layout) size() string {
	for _, list := range l.options {
		for _, kv := range splitOptions(list) {
			if v, ok := strings.CutPrefix(kv, "size="); ok {
				return v
			}
		}
	}
	return ""
}
