package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/qcow2"
)

func newCommit(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "commit [flags] IMAGE",
		Short: "Write what an overlay holds into its backing file, in place",
		Long: `Writes what a qcow2 overlay holds into its backing file, a qcow2 or raw image, or a
differencing VHD, VHDX or VDI or a delta VMDK into its parent, and empties the overlay;
with -d the overlay stays as it is. -b names an image further down the chain: what lies
between is written into it as well, the overlay stays as it is, and the images between
are of no use any more. Other images upon the backing file are of no use either; of
VHDXs, VDIs and VMDKs their identities tell that. Internal snapshots of the overlay read
the backing file as well: an overlay that has some is refused unless --force.

Interrupted at any moment, the overlay reads the same, and a qcow2 backing file without
an external data file is as before or holds all of it. Others may hold a part; commit
again then.`,
		Example: `  guestkit commit top.qcow2
  guestkit commit -d top.qcow2
  guestkit commit -b base.qcow2 top.qcow2`,
		Args: args(1, 1, "an image"),
	}
	src := a.storedFlags(cmd)
	var keep, force bool
	var base string
	cmd.Flags().BoolVarP(&keep, "keep", "d", false, "do not empty the overlay")
	cmd.Flags().StringVarP(&base, "base", "b", "", "write into this `FILE` of the chain; the overlay is not emptied")
	cmd.Flags().BoolVar(&force, "force", false, "take what changes internal snapshots of the overlay")
	a.progressFlag(cmd)
	ignoredFlags(cmd, "tr")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.commit(args[0], base, src, keep || base != "", force)
	}
	return cmd
}

func (a *app) commit(path, base string, src *source, keep, force bool) error {
	return a.inPlaceOf(path, src, overlayFormats(), func(top *convert.Storage, name string) (string, error) {
		img, err := format.OpenFile(path, src.storedAs(name))
		if err != nil {
			return "", err
		}
		defer img.Close()
		chain := img.Info().Chain
		if len(chain) == 0 {
			return "", usagef("%s has no backing file", path)
		}
		depth := 1
		if base != "" {
			if depth = behindAt(base, chain); depth == 0 {
				return "", usagef("%s is none of the %d images behind %s", base, len(chain), path)
			}
		}
		below := chain[depth-1]
		for _, above := range append([]*format.Info{img.Info()}, chain[:depth-1]...) {
			if n := len(above.Snapshots); n > 0 && !force {
				return "", fmt.Errorf("%w: the disk of the %d snapshots in %s would change, which read %s as well (--force takes that)", block.ErrRefused, n, above.Name, below.Name)
			}
		}
		if name == "qcow2" && below.Format != "qcow2" && below.Format != "raw" {
			return "", usagef("%s is a %s image; commit writes into qcow2 and raw ones", below.Name, below.Format)
		}
		f, err := convert.OpenStorage(below.Name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		if into := overlays[name].commit; into != nil {
			child := top
			if depth > 1 {
				if child, err = convert.OpenStorage(chain[depth-2].Name); err != nil {
					return "", err
				}
				defer child.Close()
			}
			err = into(a.ctx, f, child, img, depth, src)
		} else {
			err = a.commitInto(f, below, img, depth, src)
		}
		if err != nil {
			return "", pathError(below.Name, err)
		}
		said := fmt.Sprintf("its data is in %s", below.Name)
		if keep {
			return said, nil
		}
		return said + ", and it is empty", overlays[name].empty(a.ctx, top, src)
	})
}

func (a *app) commitInto(f *convert.Storage, below *format.Info, img format.Image, depth int, src *source) error {
	if below.Format == "raw" {
		return convert.CommitRaw(a.ctx, f, img, depth)
	}
	base, err := format.OpenFile(below.Name, src.storedAs("qcow2"))
	if err != nil {
		return err
	}
	defer func() { base.Close() }()
	if img.Size() > base.Size() {
		o := &qcow2.ResizeOptions{}
		if c := base.Info().Chain; len(c) > 0 {
			under, err := format.OpenFile(c[0].Name, src.storedAs(c[0].Format))
			if err != nil {
				return err
			}
			defer under.Close()
			o.Backing = under
		}
		if err := qcow2.Resize(a.ctx, f, img.Size(), o); err != nil {
			return err
		}
		base.Close()
		if base, err = format.OpenFile(below.Name, src.storedAs("qcow2")); err != nil {
			return err
		}
	}
	d := &withData{Storage: f, src: src}
	defer d.close()
	return qcow2.CommitInto(a.ctx, d, img, base, depth)
}

// behindAt finds a file in a chain: 1 is the first one, 0 none.
func behindAt(path string, chain []*format.Info) int {
	want, err := os.Stat(path)
	for i, c := range chain {
		if fi, err2 := os.Stat(c.Name); err == nil && err2 == nil && os.SameFile(want, fi) {
			return i + 1
		}
	}
	return 0
}
