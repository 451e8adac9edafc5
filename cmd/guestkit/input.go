package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
)

// An input is what convert reads: an image, or a disk that is read once.
type input struct {
	info   *format.Info
	img    format.Image
	stream *format.Stream
	all    []format.Image // all disks of a machine, img first
}

func (in *input) Close() error {
	switch {
	case in.stream != nil:
		return in.stream.Close()
	case in.all == nil:
		return in.img.Close()
	}
	var errs []error
	for _, img := range in.all {
		errs = append(errs, img.Close())
	}
	return errors.Join(errs...)
}

// openMachine opens the disks that a machine is made of: of a package all.
func (a *app) openMachine(paths []string, o *format.Options) (*input, error) {
	in := &input{all: []format.Image{}}
	for _, path := range paths {
		err := plainFile(path)
		var images []format.Image
		if err == nil {
			images, err = format.OpenFileDisks(path, o)
		}
		if err != nil {
			in.Close()
			return nil, err
		}
		in.all = append(in.all, images...)
	}
	for _, img := range in.all {
		a.note("opened %s: %s, %s", shownName(img.Info()), formatName(img.Info()), terminal.Size(img.Size()))
		a.warn(img.Problems())
	}
	in.img, in.info = in.all[0], in.all[0].Info()
	return in, nil
}

// devices are the disks of a machine.
func (in *input) devices() []block.Device {
	var out []block.Device
	for _, img := range in.all {
		out = append(out, img)
	}
	return out
}

// openInput opens what convert reads. Where the size of the disk may be told at
// the end, a compressed file is not decoded to find it out.
func (a *app) openInput(path string, o *format.Options, grows bool) (*input, error) {
	if path == "-" {
		if path = regularStdin(a.in); path == "" {
			return a.openStdin(o)
		}
	}
	if err := plainFile(path); err != nil {
		return nil, err
	}
	if o.Snapshot == "" {
		s, err := format.OpenFileStream(path, o)
		if err != nil {
			return nil, err
		}
		if s != nil && (grows || s.Size() >= 0) {
			a.note("opened %s: %s", path, formatName(s.Info()))
			return &input{info: s.Info(), stream: s}, nil
		}
		if s != nil {
			s.Close()
		}
	}
	return a.openDisk(path, o)
}

// openDisk opens an image that can be read at any offset.
func (a *app) openDisk(path string, o *format.Options) (*input, error) {
	img, err := openSource(path, o, a)
	if err != nil {
		return nil, err
	}
	return &input{info: img.Info(), img: img}, nil
}

// regularStdin is a name of standard input if that is a file that can be read
// at any offset, as with "<disk.qcow2", else "".
func regularStdin(r io.Reader) string {
	const name = "/dev/stdin"
	f, ok := r.(*os.File)
	if !ok {
		return ""
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return ""
	}
	if named, err := os.Stat(name); err != nil || !os.SameFile(fi, named) {
		return ""
	}
	return name
}

// openStdin opens standard input to be read once.
func (a *app) openStdin(o *format.Options) (*input, error) {
	if o.Snapshot != "" {
		return nil, usagef("a stream has no snapshots")
	}
	s, err := format.OpenStream(a.in, o)
	if err != nil {
		return nil, pathError("standard input", err)
	}
	s.Info().Name = "-"
	a.note("opened standard input: %s", formatName(s.Info()))
	return &input{info: s.Info(), stream: s}, nil
}

// cutStream passes over off bytes and ends after n, or at the end if n is
// negative.
func cutStream(s *format.Stream, off, n int64) (convert.Stream, error) {
	size := s.Size()
	if m, err := io.CopyN(io.Discard, s, off); errors.Is(err, io.EOF) {
		return nil, block.Errorf("", "stream", m, block.ErrTruncated, "it ends before the offset %d", off)
	} else if err != nil {
		return nil, err
	}
	if size >= 0 {
		size = max(size-off, 0)
	}
	if n < 0 {
		return &streamPart{s, s, size}, nil
	}
	if size >= 0 {
		n = min(n, size)
	}
	return &streamPart{io.LimitReader(s, n), s, n}, nil
}

// A streamPart is a part of a stream that still knows whether its file has
// changed.
type streamPart struct {
	io.Reader
	s    *format.Stream
	size int64
}

func (p *streamPart) Size() int64    { return p.size }
func (p *streamPart) Changed() error { return p.s.Changed() }

// formatName is the format of an image, with what is around it: "raw in xz".
func formatName(i *format.Info) string {
	if i.Wrapper != "" {
		return i.Format + " in " + i.Wrapper
	}
	return i.Format
}

// paths are the files that an output must not be.
func (in *input) paths() []string {
	infos := []*format.Info{in.info}
	for _, img := range in.all {
		infos = append(infos, img.Info())
	}
	var paths []string
	for _, info := range infos {
		paths = append(append(append(paths, info.Name), info.Parts...), info.Files...)
		for _, below := range info.Chain {
			paths = append(append(paths, below.Name), below.Files...)
		}
	}
	return paths
}

// openSource opens the image of a command that reads one.
func openSource(path string, o *format.Options, a *app) (format.Image, error) {
	if err := plainFile(path); err != nil {
		return nil, err
	}
	img, err := format.OpenFile(path, o)
	if err != nil {
		var several *format.DisksError
		if errors.As(err, &several) {
			err = fmt.Errorf("%w; choose with --disk", err)
		}
		return nil, err
	}
	if err := fits(path, img.Size(), o); err != nil {
		img.Close()
		return nil, err
	}
	a.note("opened %s: %s, %s", shownName(img.Info()), formatName(img.Info()), terminal.Size(img.Size()))
	if f, err := os.Open(path); err == nil {
		if convert.InUse(f) {
			a.warn([]error{pathError(path, errors.New("a running QEMU has it open for writing; what is read may be inconsistent"))})
		}
		f.Close()
	}
	a.warn(img.Problems())
	a.noteFiles(img.Info())
	return img, nil
}

// noteFiles says with --verbose what was opened besides the file of an image.
func (a *app) noteFiles(i *format.Info) {
	for _, name := range i.Files {
		a.note("opened %s, which holds a part of the disk", name)
	}
	for _, below := range i.Chain {
		a.note("opened %s, which lies behind it: %s, %s", below.Name, below.Format, terminal.Size(below.VirtualSize))
		for _, name := range below.Files {
			a.note("opened %s, which holds a part of that", name)
		}
	}
}

// ranged is a part of an image that still knows whether its file has changed,
// and is sound.
type ranged struct {
	block.Device
	img format.Image
}

func (r ranged) Changed() error {
	if c, ok := r.img.(interface{ Changed() error }); ok {
		return c.Changed()
	}
	return nil
}

// Overlap tells whether blocks of the image lie over each other in its file.
func (r ranged) Overlap(ctx context.Context) error {
	if o, ok := r.img.(interface{ Overlap(context.Context) error }); ok {
		return o.Overlap(ctx)
	}
	return nil
}
