package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/ova"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vdi"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vhdx"
	"github.com/guestkit/guestkit/vmdk"
)

// An Output says what image file to write, and where.
type Output struct {
	Path   string
	Format string // one of Formats

	// How images of each format are laid out. Their Size is that of the disk
	// and their Name that of the file, whatever it says here.
	Raw   raw.Layout
	Qcow2 qcow2.Layout
	VMDK  vmdk.Layout
	VHD   vhd.Layout
	VHDX  vhdx.Layout
	VDI   vdi.Layout
	OVA   ova.Layout // its disks are laid out as VMDK says

	// SplitSize cuts a raw image into files of that many bytes, but for the last
	// one: Path.001, Path.002 and so on, and none is called Path. 0 does not.
	SplitSize int64

	File FileOptions
	// Device writes to the block device at Path, which is not absent after a
	// failure. It must not be in use.
	Device bool
	// Verify reads the image again and compares it with the source before it
	// gets its name.
	Verify bool
	// Finish, if it is not nil, may add to an image in one file that ToFile has
	// copied, before it is verified and gets its name.
	Finish func(ctx context.Context, s *Storage) error

	growing bool // what open is given is but a bound of the size
}

// ToFile copies src into an image file, which appears complete or not at all.
// Where the data of src does not fit onto the file system, the error wraps
// ErrSpace and nothing was begun.
func ToFile(ctx context.Context, src block.Device, out *Output, opts *Options) (Result, error) {
	if err := out.fits(ctx, src, opts); err != nil {
		return Result{}, err
	}
	o, err := out.open(src.Size())
	if err != nil {
		return Result{}, err
	}
	defer o.Close()
	res, err := Run(ctx, src, o.target, opts)
	if err != nil {
		return res, err
	}
	if out.Finish != nil {
		if err := o.finish(ctx, out.Finish); err != nil {
			return res, err
		}
	}
	if out.Verify {
		if err := o.verify(ctx, src, out, opts, res); err != nil {
			return res, err
		}
	}
	if err := o.commit(); err != nil {
		return res, err
	}
	res.File = o.size()
	return res, nil
}

// Create makes an empty image file with a disk of size bytes: of zeros, or of
// what its backing file holds.
func Create(out *Output, size int64) error {
	o, err := out.open(size)
	if err != nil {
		return err
	}
	defer o.Close()
	if o.writer.clears {
		if err := o.target.Zero(0, size); err != nil {
			return err
		}
	}
	if err := o.target.Commit(); err != nil {
		return err
	}
	return o.commit()
}

// hostFile is a File or a device.
type hostFile interface {
	sink
	io.ReaderAt
	io.Closer
	Commit() error
}

// An opened output is its target and the files beneath.
type opened struct {
	writer *writer
	target Target
	file   hostFile
	beside []besideFile
	split  *split // nil if the image is not cut into parts
}

// A besideFile is a further file of the image, under the name by which the
// image calls it.
type besideFile struct {
	*File
	name string
}

func (out *Output) open(size int64) (*opened, error) {
	w, err := writerOf(out.Format)
	if err != nil {
		return nil, err
	}
	o := &opened{writer: w}
	if out.Device && !w.device {
		return nil, problem.Class(block.ErrUnsupported, "a device takes raw images only")
	}
	if err := out.namesFiles(); err != nil {
		return nil, err
	}
	path, err := out.first()
	if err != nil {
		return nil, err
	}
	if !out.Device {
		if err := out.recover(path); err != nil {
			return nil, err
		}
	}
	if out.Device {
		least := size
		if out.growing {
			least = 0 // a write past the end of the device will fail
		}
		o.file, err = openDevice(out.Path, least, &out.File)
	} else {
		o.file, err = CreateFile(path, &out.File)
	}
	if err != nil {
		return nil, err
	}
	o.target, err = w.start(out, size, o.file, func(name string) (sink, error) {
		f, err := CreateFile(besidePath(out.Path, name), &out.File)
		if err != nil {
			return nil, err
		}
		o.beside = append(o.beside, besideFile{f, name})
		return f, nil
	})
	if err != nil {
		o.target = nil
		o.Close()
		return nil, err
	}
	if t, ok := o.target.(splitTarget); ok {
		o.split = t.parts
	}
	return o, nil
}

// recover puts right what a run that was killed has left of a set of this name.
func (out *Output) recover(path string) error {
	path, err := resolve(path)
	if err != nil {
		return err
	}
	dirs := []string{filepath.Dir(path)}
	if name := out.Qcow2.DataFile; out.Format == "qcow2" && name != "" {
		if dir := filepath.Dir(besidePath(path, name)); dir != dirs[0] {
			dirs = append(dirs, dir)
		}
	}
	return recoverSet(path, dirs, &out.File)
}

// namesFiles refuses names that a qcow2 image would not say of other files.
func (out *Output) namesFiles() error {
	for _, name := range []string{out.Qcow2.Backing, out.Qcow2.DataFile} {
		switch {
		case format.HasProtocol(name):
			return badOption("the name %q would be read as one with a protocol; write ./ before it", name)
		case name != "" && filepath.Clean(besidePath(out.Path, name)) == filepath.Clean(out.Path):
			return badOption("%q is the image itself", name)
		}
	}
	return nil
}

// besidePath is where a file lies that an image names: relative to the image.
func besidePath(image, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(image), name)
}

// commit gives the files their names, the image itself last: all of them, or
// none.
func (o *opened) commit() error {
	main, ok := o.file.(*File)
	if !ok {
		return o.file.Commit()
	}
	s := &set{main: main}
	for _, f := range o.beside {
		s.beside = append(s.beside, f.File)
	}
	if o.split != nil {
		var err error
		if s.old, err = replacedParts(main, 1+len(o.beside)); err != nil {
			return err
		}
	}
	if len(s.beside)+len(s.old) == 0 {
		return main.Commit()
	}
	return s.commit()
}

// finish gives the main file to do.
func (o *opened) finish(ctx context.Context, do func(context.Context, *Storage) error) error {
	f, ok := o.file.(*File)
	if !ok {
		return nil
	}
	return do(ctx, &Storage{File: f.File, size: sizeOf(f)})
}

// size is that of all files together.
func (o *opened) size() int64 {
	n := sizeOf(o.file)
	for _, f := range o.beside {
		n += sizeOf(f.File)
	}
	return n
}

// sizeOf is the size of a file or device, 0 where that cannot be told.
func sizeOf(f hostFile) int64 {
	s, ok := f.(io.Seeker)
	if !ok {
		return 0
	}
	n, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return 0
	}
	return n
}

func (o *opened) Close() error {
	var errs []error
	if o.target != nil {
		errs = append(errs, o.target.Close())
	}
	for _, f := range o.beside {
		errs = append(errs, f.Close())
	}
	return errors.Join(append(errs, o.file.Close())...)
}

// ErrVerify says that what was written does not read like the source.
var ErrVerify = errors.New("the output differs from the source")

// verify compares the files with the source, before they have their names.
func (o *opened) verify(ctx context.Context, src block.Device, out *Output, opts *Options, res Result) error {
	if len(res.Lost) > 0 || opts != nil && opts.KeepDepth > 0 {
		return nil // it differs as it should, or needs its backing file
	}
	im, err := o.reopen(out, src.Size())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	defer im.Close()
	d, err := Compare(ctx, src, im, !o.writer.rounds, nil)
	switch {
	case err != nil:
		return fmt.Errorf("verifying the output: %w", err)
	case d != nil:
		return fmt.Errorf("%w at %#x", ErrVerify, d.Off)
	}
	return nil
}

// sibling opens a file beside the image that was just written.
func (o *opened) sibling(ref block.Ref) (block.Device, error) {
	for _, f := range o.beside {
		if f.name == ref.Name {
			n, err := f.Seek(0, io.SeekEnd)
			return block.Plain(sized{f, n}), err
		}
	}
	return nil, block.ErrRefused
}

// sized is a file as a block.Reader.
type sized struct {
	io.ReaderAt
	size int64
}

func (s sized) Size() int64 { return s.size }

func (s sized) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, s.size)
	if len(q) == 0 {
		return 0, eof
	}
	n, err := s.ReaderAt.ReadAt(q, off)
	if n == len(q) {
		err = eof
	}
	return n, err
}

// ToStream copies src to w as a raw image, from the first byte to the last. A
// stream cannot be taken back: after an error, w has a part of it.
func ToStream(ctx context.Context, src block.Device, w io.Writer, opts *Options) (Result, error) {
	t := &stream{w: w, size: src.Size()}
	return Run(ctx, src, t, opts)
}

// stream is a Target that is written in order.
type stream struct {
	w         io.Writer
	pos, size int64
}

func (s *stream) Granularity() int64 { return 4096 }

func (s *stream) WriteAt(p []byte, off int64) (int, error) {
	if err := s.Zero(s.pos, off-s.pos); err != nil {
		return 0, err
	}
	n, err := s.w.Write(p)
	s.pos += int64(n)
	return n, err
}

func (s *stream) Zero(off, n int64) error {
	for end := off + n; s.pos < end; {
		m, err := s.w.Write(zeros[:min(end-s.pos, int64(len(zeros)))])
		s.pos += int64(m)
		if err != nil {
			return err
		}
	}
	return nil
}

// SetSize tells the size of a disk that was not known.
func (s *stream) SetSize(size int64) error { s.size = size; return nil }

func (s *stream) Commit() error { return s.Zero(s.pos, s.size-s.pos) }
func (s *stream) Close() error  { return nil }
