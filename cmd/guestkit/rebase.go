package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
)

func newRebase(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebase [flags] -b BASE [-F FORMAT] IMAGE",
		Short: "Put an overlay upon another backing file, in place",
		Long: `Changes the backing file of a qcow2 overlay, or the parent of a differencing VHD, VHDX
or VDI or a delta VMDK, which is of the same format. A VDI tells its parent by its UUID,
and finds it in its own folder or one that is allowed. What the disk reads does not
change: where the new backing file differs from the old one and nothing lies over it,
it is copied into the image. -b "" makes an image without a backing file, as 'guestkit
flatten' does.

With -u the name alone is changed, as after the backing file was moved. The new chain
must open all the same, be of the stated format and not come back to the image; and
where the old backing file is still at hand, what would change the disk is refused
unless --force.

Interrupted at any moment, the image lies upon the old backing file or the new one.`,
		Example: `  guestkit rebase -b base2.qcow2 -F qcow2 top.qcow2
  guestkit rebase -u -b moved/base.qcow2 -F qcow2 top.qcow2
  guestkit rebase -b "" top.qcow2`,
		Args: args(1, 1, "an image"),
	}
	src := a.storedFlags(cmd)
	name, stated := backingFlags(cmd, "b", "the new backing `FILE`, a name relative to the image; \"\" for none")
	var unsafe, force bool
	f := cmd.Flags()
	f.BoolVarP(&unsafe, "unsafe", "u", false, "change the name alone")
	f.BoolVar(&force, "force", false, "take what changes the disk (with -u), or what internal snapshots show")
	a.progressFlag(cmd)
	ignoredFlags(cmd, "tT")
	forceShare(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if !f.Changed("backing") {
			return usagef("state the new backing file with -b; -b \"\" is none")
		}
		if err := backingFile(*name); err != nil {
			return err
		}
		return a.rebase(args[0], src, &block.RebaseOptions{Backing: *name, BackingFormat: *stated, Unsafe: unsafe, Force: force})
	}
	return cmd
}

func (a *app) rebase(path string, src *source, o *block.RebaseOptions) error {
	if err := plainFile(path); err != nil {
		return err
	}
	info, _, err := format.DescribeFile(path, src.stored())
	if err != nil {
		return err
	}
	if info.Backing != nil {
		// The chain is opened from the image, by its rules.
		old, err := openBelow(path, info.Format, src)
		switch {
		case err == nil:
			defer old.Close()
			o.Old = old
		case !o.Unsafe:
			return err
		case !errors.Is(err, block.ErrParent) && !o.Force:
			return fmt.Errorf("%w; --force goes on without it", err)
		default:
			a.warn([]error{fmt.Errorf("the old backing file cannot be compared with the new one: %w", err)})
		}
	}
	if o.Backing != "" {
		if info.Format == "qcow2" && format.HasProtocol(o.Backing) {
			return usagef("the name %q would be read as one with a protocol; write ./ before it", o.Backing)
		}
		below := o.Backing
		if !filepath.IsAbs(below) {
			below = filepath.Join(filepath.Dir(path), below)
		}
		if err := a.usable(below); err != nil {
			return err
		}
		if o.BackingFormat == "" && info.Format == "qcow2" {
			return usagef("state the format of the backing file with -F")
		}
		o.BackingFormat = cmp.Or(o.BackingFormat, info.Format)
		if err := knownFormat(o.BackingFormat); err != nil {
			return err
		}
		if err := formatFits(below, o.BackingFormat); err != nil && !o.Force {
			return fmt.Errorf("%w; --force takes it all the same", err)
		}
		next, err := format.OpenFile(below, src.storedAs(o.BackingFormat))
		if err != nil {
			return err
		}
		defer next.Close()
		if err := notInChain(path, append([]*format.Info{next.Info()}, next.Info().Chain...)); err != nil {
			return err
		}
		if info.Format == "vdi" && next.Info().Format == "vdi" {
			if err := foundBy(path, below, next.Info().ID, src); err != nil {
				return err
			}
		}
		o.New = next
	}
	return a.inPlaceOf(path, src, overlayFormats(), func(s *convert.Storage, name string) (string, error) {
		said := fmt.Sprintf("its backing file is %s", o.Backing)
		if o.Backing == "" {
			said = "it has no backing file"
		}
		return said, overlays[name].rebase(a.ctx, s, o, src)
	})
}

func newFlatten(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flatten [flags] IMAGE",
		Short: "Copy all that lies behind an overlay into it, in place",
		Long: `Makes an overlay an image that needs no other one: what it shows of the images behind
it is copied into it, as 'guestkit rebase -b ""' does. Those are not changed.
Interrupted at any moment, the disk reads the same. Into a new image of any format:
'guestkit convert IMAGE OUTPUT'.`,
		Example: `  guestkit flatten top.qcow2`,
		Args:    args(1, 1, "an image"),
	}
	src := a.storedFlags(cmd)
	a.progressFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.rebase(args[0], src, &block.RebaseOptions{}) }
	return cmd
}

// openBelow opens the disk of the backing file of an image.
func openBelow(path, name string, src *source) (format.Image, error) {
	img, err := format.OpenFile(path, src.storedAs(name))
	if err != nil {
		return nil, err
	}
	defer img.Close()
	if len(img.Info().Chain) == 0 {
		return nil, fmt.Errorf("%s: %w", path, block.ErrParent)
	}
	below := img.Info().Chain[0]
	return format.OpenFile(below.Name, src.storedAs(below.Format))
}

// formatFits refuses a file that is plainly of another format than is stated.
func formatFits(path, stated string) error {
	f, err := format.OpenHostFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	found, err := format.Probe(f)
	if err != nil || found.Format == stated || stated == "vpc" && found.Format == "vhd" {
		return nil
	}
	if stated == "raw" || found.Format != "raw" {
		return fmt.Errorf("%s: %w: it looks like %s, not %s", path, block.ErrRefused, found.Format, stated)
	}
	return nil // which opening it tells
}

// foundBy refuses a parent of a VDI that the image at path would not find: it names it
// by its UUID, which is looked for in folders.
func foundBy(path, below, id string, src *source) error {
	found, err := format.VDIParent(path, id, src.storedAs("vdi"))
	if err != nil {
		return err
	}
	want, err := os.Stat(below)
	if err != nil {
		return err
	}
	if fi, err := os.Stat(found); err != nil || !os.SameFile(fi, want) {
		return fmt.Errorf("%s: %w: its UUID %s is that of %s as well, which %s would lie upon", below, block.ErrRefused, id, found, path)
	}
	return nil
}

// notInChain refuses a chain that comes back to the image.
func notInChain(path string, chain []*format.Info) error {
	own, err := os.Stat(path)
	if err != nil {
		return err
	}
	for _, i := range chain {
		if fi, err := os.Stat(i.Name); err == nil && os.SameFile(own, fi) {
			return fmt.Errorf("%s: %w: it would lie behind itself", path, block.ErrLoop)
		}
	}
	return nil
}
