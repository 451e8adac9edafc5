package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/internal/terminal"
)

func newCat(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cat IMAGE PATH…",
		Short: "Print files of the guest",
		Long: `Prints files of the guest, byte for byte; on a terminal, control characters are
shown escaped. Links are followed inside the guest. 'ls' says which files there
are, and which guest or volume a PATH means.`,
		Example: `  guestkit cat disk.qcow2 /etc/os-release
  guestkit cat --volume gpt1 disk.qcow2 /EFI/BOOT/BOOTX64.EFI > loader.efi`,
	}
	src := a.sourceFlags(cmd)
	volume := volumeFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		disks, paths, err := src.one(args)
		if err != nil {
			return err
		}
		if len(paths) == 0 {
			return usagef("no PATH in the guest is given")
		}
		t, err := src.tree(disks, *volume)
		if err != nil {
			return err
		}
		defer t.Close()
		var w io.Writer = a.raw
		if a.outTerminal {
			text := terminal.NewTextWriter(a.raw)
			defer text.Close()
			w = text
		}
		for _, arg := range paths {
			if err := a.cat(w, t, guestPath(arg)); err != nil {
				return err
			}
		}
		a.warn(t.Problems())
		a.noteTime()
		return nil
	}
	return cmd
}

var errIsDir = errors.New("it is a directory")

// cat copies one file.
func (a *app) cat(w io.Writer, t *guestTree, p string) error {
	f, err := t.Open(p)
	if err != nil {
		return guestError(p, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return guestError(p, err)
	}
	if fi.IsDir() {
		return guestError(p, errIsDir)
	}
	buf := make([]byte, 256<<10)
	for {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return guestError(p, err)
		}
	}
}
