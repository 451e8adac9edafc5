package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
)

// The exit codes of compare, which are those of qemu-img compare.
const (
	compareDiffer = 1
	compareFailed = 2
)

type compareDoc struct {
	Schema string `json:"schema"`
	A      string `json:"a"`
	B      string `json:"b"`
	Same   bool   `json:"same"`
	Offset *int64 `json:"offset,omitempty"` // the first byte that differs
	SizeA  int64  `json:"size_a"`
	SizeB  int64  `json:"size_b"`
}

func newCompare(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compare [flags] A B",
		Short: "Tell whether two images hold the same disk",
		Long: `Compares the disks of two images of any formats, and says where they differ
first. A longer disk is the same if its rest is zeros, unless --strict. With
--skip-free blocks that the filesystems of a disk call free are zeros as well.

Exit codes: 0 they are the same, 1 they differ, 2 the comparison failed.`,
		Example: `  guestkit compare disk.vmdk disk.qcow2`,
		Args:    args(2, 2, "two images"),
	}
	var formatB string
	var strict, skipFree bool
	src := a.sourceFlags(cmd)
	show := a.progressFlag(cmd)
	a.jsonFlag(cmd)
	for _, name := range []string{"add", "image", "source"} { // there are two
		cmd.Flags().MarkHidden(name)
	}
	ignoredFlags(cmd, "T")
	cmd.Flags().VarP((*formatFlag)(&formatB), "second-format", "F", "take the second image to be of this `FORMAT`")
	cmd.Flags().BoolVarP(&strict, "strict", "s", false, "disks of different sizes differ; what is allocated is not compared")
	skipFreeFlag(cmd, &skipFree)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		how, err := a.newProgress(*show)
		if err != nil {
			return err
		}
		if src.image != "" || len(src.disks) > 0 {
			return usagef("compare takes two images as its arguments, without --image and --add")
		}
		for _, name := range []string{src.format, formatB} {
			if err := knownFormat(name); err != nil {
				return err
			}
		}
		for i := range args {
			if args[i], err = a.stdin(args[i]); err != nil {
				return err
			}
		}
		failed := func(err error) error { return &exitError{code: compareFailed, err: err} }
		o := src.options()
		x, err := openSource(args[0], o, a)
		if err != nil {
			return failed(err)
		}
		defer x.Close()
		o.Format = formatB
		y, err := openSource(args[1], o, a)
		if err != nil {
			return failed(err)
		}
		defer y.Close()
		if err := src.chosen(x.Info(), y.Info()); err != nil {
			return err
		}
		p, err := a.skipFree(x, skipFree)
		if err != nil {
			return failed(err)
		}
		q, err := a.skipFree(y, skipFree)
		if err != nil {
			return failed(err)
		}
		d, err := convert.Compare(a.ctx, p, q, strict, how.callback())
		how.end()
		if err != nil {
			return failed(err)
		}
		doc := compareDoc{Schema: schema("compare"), A: shownImage(args[0]), B: shownImage(args[1]), Same: d == nil, SizeA: x.Size(), SizeB: y.Size()}
		text := "the disks are the same"
		if d != nil {
			doc.Offset = &d.Off
			text = fmt.Sprintf("the disks differ at byte %d (%#x)", d.Off, d.Off)
			if d.SizeA != d.SizeB {
				text += fmt.Sprintf("; their sizes are %d and %d bytes", d.SizeA, d.SizeB)
			}
		}
		if a.json {
			if err := a.document(doc); err != nil {
				return err
			}
		} else if !a.quiet {
			a.out.Printf("%s\n", text)
		}
		if d != nil {
			return exit(compareDiffer)
		}
		return nil
	}
	return cmd
}
