package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/internal/terminal"
)

func newCat(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cat [flags] IMAGE PATH…",
		Short: "Print files of the guest",
		Long: `Prints files of the guest, byte for byte; on a terminal, control characters are
shown escaped. Links are followed inside the guest. 'ls' says which files there
are, and which guest or volume a PATH means.`,
		Example: `  guestkit cat disk.qcow2 /etc/os-release
  guestkit cat --volume gpt1 disk.qcow2 /EFI/BOOT/BOOTX64.EFI > loader.efi
  guestkit cat windows.vhdx 'C:\Windows\win.ini'`,
	}
	src := a.sourceFlags(cmd)
	volume := src.volumeFlag(cmd)
	number := cmd.Flags().BoolP("number", "n", false, "number the lines")
	cmd.ValidArgsFunction = src.completePaths(volume)
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
		if *number {
			w = &numbered{w: w}
		}
		code := exitDone
		for _, arg := range paths {
			p, err := t.path(arg)
			if err == nil {
				err = guestError(p, a.copyFile(w, t, p))
			}
			var out *outputError
			if errors.As(err, &out) || a.ctx.Err() != nil {
				return err
			}
			if err != nil {
				code = a.sayError(err, code)
			}
		}
		a.warn(t.Problems())
		a.noteTime()
		return exit(code)
	}
	return cmd
}

var errIsDir = errors.New("it is a directory")

// copyFile writes the content of a file of the guest to w.
func (a *app) copyFile(w io.Writer, t *guestTree, p string) error {
	f, err := t.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if fi.IsDir() {
		return errIsDir
	}
	buf := make([]byte, 256<<10)
	for {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return &outputError{werr}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// An outputError is a failure to write, which is no fault of the guest's file.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

// numbered writes lines with their numbers, as cat -n does: on from one file to the
// next.
type numbered struct {
	w      io.Writer
	n      int64
	inside bool // a line
	buf    []byte
}

func (l *numbered) Write(p []byte) (int, error) {
	l.buf = l.buf[:0]
	for rest := p; len(rest) > 0; {
		if !l.inside {
			l.n++
			l.buf = fmt.Appendf(l.buf, "%6d\t", l.n)
		}
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		l.buf = append(l.buf, line...)
		l.inside = line[len(line)-1] != '\n'
		rest = rest[len(line):]
	}
	if _, err := l.w.Write(l.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}
