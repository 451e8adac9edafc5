package guestkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/internal/stdin"
	"github.com/guestkit/guestkit/target"
	"github.com/guestkit/guestkit/vacant"
)

// ConvertOptions says what Convert reads and writes. Nil copies one image into
// the format that the name of the output stands for.
type ConvertOptions struct {
	// Format says how the source is opened. With Unwrap a compressed one is
	// read as what it holds; a Snapshot in it is copied in place of the disk.
	Format *format.Options
	// Add are further disks of the same machine, which an OVA takes.
	Add []string
	// AddFormat are the options of those in Add in place of Format, by their place
	// in Add; one that is nil, or not there, leaves it to Format.
	AddFormat []*format.Options
	// Append are images whose disks follow that of the source, one after the other,
	// each at the next sector of 512 bytes.
	Append []string
	// MaxVirtualSize refuses larger disks, in bytes; 0 is no bound.
	MaxVirtualSize int64
	// Part is the part of the disk to copy; nil is all of it. A negative length
	// means up to the end.
	Part *convert.Range

	// Output says what is written. Its Path is the dst of Convert. Without a
	// Format, that of Platform or of the name is taken.
	Output convert.Output
	// Platform is one of target.Names: the output is laid out as it asks.
	Platform string
	// Backing makes the output an overlay of this file, a name relative to the
	// output, of the format BackingFormat: what the source has from the same
	// file is left there.
	Backing, BackingFormat string

	// SkipFree leaves out what of the disk nobody needs, which reads as zeros: see
	// package vacant.
	SkipFree bool

	// Bitmaps copies the dirty bitmaps of a qcow2 image as well.
	Bitmaps bool

	// Copy says how to copy; its Progress is told how far it is.
	Copy convert.Options

	// Stdin is read where the source is "-", and Stdout written where the output
	// is; nil refuses.
	Stdin  io.Reader
	Stdout io.Writer

	// Begin is told what is going to be done, before anything is written. An
	// error ends the conversion.
	Begin func(*Conversion) error
}

// A Conversion is what Convert does and, when it returns, what it has done.
type Conversion struct {
	Sources  []*format.Info  // the images that are read; several of a package
	Problems []error         // what is odd about them
	Output   *convert.Output // as it is written
	Stream   bool            // to Stdout
	Added    int64           // zeros that follow the disk, as the platform asks, in bytes
	// Vacant says, with SkipFree, what of each disk is left out, and which volumes
	// are kept whole and why.
	Vacant []*vacant.Report
	convert.Result
}

// Convert copies the disk of src into a new image at dst, which appears complete
// or not at all; a stream and a block device hold a part after a failure. The
// name "-" stands for Stdin and Stdout. A chain of images is flattened, all disks
// of a package are copied into a package, and what can be read only once is. It
// stops within a few MiB when ctx is done. The error wraps block.ErrOption where
// the options contradict each other or the image.
func Convert(ctx context.Context, src, dst string, o *ConvertOptions) (*Conversion, error) {
	if o == nil {
		o = &ConvertOptions{}
	}
	c := &conversion{o: o, out: o.Output, copy: o.Copy}
	c.Output, c.Stream = &c.out, dst == "-"
	if err := c.choose(src, dst); err != nil {
		return nil, err
	}
	if err := c.open(src); err != nil {
		return nil, err
	}
	defer c.close()
	if o.SkipFree {
		if err := c.skipFree(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.prepare(src); err != nil {
		return nil, err
	}
	if o.Begin != nil {
		if err := o.Begin(&c.Conversion); err != nil {
			return nil, err
		}
	}
	var err error
	if c.stream != nil {
		c.Result, err = c.copyStream(ctx)
	} else {
		c.Result, err = c.copyDisks(ctx)
	}
	return &c.Conversion, err
}

// A conversion is one call of Convert.
type conversion struct {
	Conversion
	o    *ConvertOptions
	out  convert.Output
	copy convert.Options

	platform *target.Target // nil if there is none
	images   []format.Image // all disks of a machine for a package, else one; none if stream is set
	stream   *format.Stream // a disk that is read once
	disks    []block.Device // what is copied of images
	bitmaps  io.Closer      // the file that they come from; nil without
}

// choose decides what is written, by what was asked and by the names.
func (c *conversion) choose(src, dst string) error {
	out := &c.out
	out.Path = dst
	if c.o.Platform != "" {
		var err error
		if c.platform, err = target.Named(c.o.Platform); err != nil {
			return err
		}
		if out.Format == "" && !c.Stream {
			if out.Format, err = c.platform.FormatFor(dst); err != nil {
				return err
			}
		}
	}
	switch {
	case out.Format == "" && c.Stream:
		out.Format = "raw"
	case out.Format == "":
		if out.Format = convert.FormatOf(dst); out.Format == "" {
			return problem.Option("the name %q tells no format; state one", dst)
		}
	default:
		if named := convert.FormatNamed(out.Format); named != "" {
			out.Format = named
		}
	}
	switch {
	case c.Stream && out.Format != "raw":
		return problem.Option("standard output takes raw images only")
	case c.Stream && out.SplitSize != 0:
		return problem.Option("standard output cannot be split into files")
	case c.Stream && c.o.Stdout == nil, src == "-" && c.o.Stdin == nil:
		return problem.Option("standard input and output are not for use here")
	case len(c.o.Add) > 0 && out.Format != "ova":
		return problem.Option("%s images hold one disk; an OVA takes several", out.Format)
	}
	return nil
}

// open opens the source: as a stream where that will do and saves reading it
// twice, or as one image, or as all the disks of a machine.
func (c *conversion) open(src string) error {
	o := c.o.Format
	if o == nil {
		o = &format.Options{}
	}
	seekable := c.out.Format == "ova" || c.platform != nil || c.o.SkipFree || len(c.o.Append) > 0 // of a known size
	if src == "-" {
		if src = stdin.Name(c.o.Stdin); src == "" {
			if seekable {
				if c.o.SkipFree {
					return problem.Option("a pipe can be read once only, and what is free must be found first; save it to a file")
				}
				return problem.Option("an OVA and the images of a platform need a disk of known size, and a pipe has none; save it to a file first")
			}
			return c.openStdin(o)
		}
	}
	var err error
	switch {
	case len(c.o.Append) > 0 && c.out.Format == "ova":
		return problem.Option("an OVA takes its disks side by side, not one after the other")
	case c.out.Format == "ova":
		err = c.openMachine(append([]string{src}, c.o.Add...), o)
	case !seekable && o.Snapshot == "":
		var s *format.Stream
		if s, err = format.OpenFileStream(src, o); err == nil && s != nil {
			if c.Stream || convert.Grows(c.out.Format) || s.Size() >= 0 {
				c.stream = s
				c.Sources = []*format.Info{s.Info()}
				return c.check()
			}
			s.Close()
		}
		fallthrough
	default:
		if err == nil {
			var img format.Image
			if img, err = format.OpenFile(src, o); err == nil {
				c.images = []format.Image{img}
				for _, path := range c.o.Append {
					if img, err = format.OpenFile(path, o); err != nil {
						break
					}
					c.images = append(c.images, img)
				}
			}
		}
	}
	if err != nil {
		c.close()
		return err
	}
	for _, img := range c.images {
		c.Sources = append(c.Sources, img.Info())
		c.Problems = append(c.Problems, img.Problems()...)
		c.disks = append(c.disks, img)
	}
	if len(c.o.Append) > 0 {
		c.disks = []block.Device{concat{block.Concat(wholeSectors(c.disks)...), c.images}}
	}
	if err := c.check(); err != nil {
		c.close()
		return err
	}
	return nil
}

func (c *conversion) openStdin(o *format.Options) error {
	if o.Snapshot != "" {
		return problem.Option("a stream has no snapshots")
	}
	s, err := format.OpenStream(c.o.Stdin, o)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	s.Info().Name = "-"
	c.stream = s
	c.Sources = []*format.Info{s.Info()}
	return c.check()
}

// openMachine opens the disks that a machine is made of: of a package all.
func (c *conversion) openMachine(paths []string, o *format.Options) error {
	for i, path := range paths {
		images, err := format.OpenFileDisks(path, pick(c.o.AddFormat, i-1, o))
		if err != nil {
			return err
		}
		c.images = append(c.images, images...)
	}
	return nil
}

// check holds what was opened to the options.
func (c *conversion) check() error {
	for _, i := range c.Sources {
		if most := c.o.MaxVirtualSize; most > 0 && i.VirtualSize > most {
			return fmt.Errorf("%s: %w: its disk has %d bytes, and %d are allowed", i.Name, block.ErrLimit, i.VirtualSize, most)
		}
	}
	if o := c.o.Format; o != nil && o.Disk != "" && c.Sources[0].Disk == "" {
		return problem.Option("a disk of an OVA or OVF is asked for, and %s is neither", c.Sources[0].Name)
	}
	return nil
}

func (c *conversion) close() error {
	if c.bitmaps != nil {
		c.bitmaps.Close()
	}
	if c.stream != nil {
		return c.stream.Close()
	}
	var errs []error
	for _, img := range c.images {
		errs = append(errs, img.Close())
	}
	return errors.Join(errs...)
}

// skipFree lays zeros over what nobody needs.
func (c *conversion) skipFree(ctx context.Context) error {
	for i, d := range c.disks {
		rep, err := vacant.Find(ctx, d)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Sources[i].Name, err)
		}
		c.Vacant = append(c.Vacant, rep)
		c.disks[i] = rep.Over(d)
	}
	return nil
}

// prepare makes the output and the disks fit for each other.
func (c *conversion) prepare(src string) error {
	out := &c.out
	out.File.Sources = append(out.File.Sources, c.paths()...)
	if err := out.SetBacking(c.o.Backing, c.o.BackingFormat); err != nil {
		return err
	}
	if err := out.KeepBacking(c.Sources[0], &c.copy); err != nil {
		return err
	}
	if c.o.Bitmaps {
		if err := c.takeBitmaps(src); err != nil {
			return err
		}
	}
	if p := c.o.Part; p != nil && c.stream == nil {
		if err := c.cut(p.Off, p.Len); err != nil {
			return err
		}
	}
	for i, d := range c.disks {
		if c.platform == nil {
			break
		}
		fit, err := c.platform.Plan(out, d)
		if err != nil {
			return err
		}
		c.Added += fit.Size() - d.Size()
		c.disks[i] = fit
	}
	if out.Format == "ova" {
		o := c.o.Format
		if o == nil {
			o = &format.Options{}
		}
		return out.TakeMachine(src, c.Sources[0], o)
	}
	return nil
}

// cut leaves a part of the disk.
func (c *conversion) cut(off, n int64) error {
	disk := c.disks[0]
	rest := disk.Size() - off
	if n < 0 {
		n = rest
	}
	if off < 0 || n < 0 || n > rest {
		return fmt.Errorf("%s: %w", c.Sources[0].Name, block.Errorf("", "disk", -1, block.ErrTruncated, "it ends at %d, before the end of the part to copy", disk.Size()))
	}
	c.disks[0] = part{block.Section(disk, off, n), disk}
	return nil
}

func (c *conversion) copyDisks(ctx context.Context) (convert.Result, error) {
	switch {
	case c.Stream:
		return convert.ToStream(ctx, c.disks[0], c.o.Stdout, &c.copy)
	case len(c.disks) > 1:
		return convert.ToOVA(ctx, c.disks, &c.out, &c.copy)
	}
	return convert.ToFile(ctx, c.disks[0], &c.out, &c.copy)
}

// copyStream copies a disk that is read once.
func (c *conversion) copyStream(ctx context.Context) (convert.Result, error) {
	var src convert.Stream = c.stream
	if p := c.o.Part; p != nil {
		var err error
		if src, err = cutStream(c.stream, p.Off, p.Len); err != nil {
			return convert.Result{}, err
		}
	}
	if c.Stream {
		return convert.StreamToStream(ctx, src, c.o.Stdout, &c.copy)
	}
	return convert.StreamToFile(ctx, src, &c.out, &c.copy)
}

// paths are the files that the output must not be.
func (c *conversion) paths() []string {
	var paths []string
	for _, info := range c.Sources {
		paths = append(append(append(paths, info.Name), info.Parts...), info.Files...)
		for _, below := range info.Chain {
			paths = append(append(paths, below.Name), below.Files...)
		}
	}
	return paths
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
	return &streamPart{&whole{io.LimitReader(s, n), s}, s, n}, nil
}

// whole reads a compressed file on to its end, where its checksum lies, when the
// part that is wanted has ended.
type whole struct {
	part io.Reader
	s    *format.Stream
}

func (w *whole) Read(p []byte) (int, error) {
	n, err := w.part.Read(p)
	if err == io.EOF && w.s.Info().Wrapper != "" {
		if _, err := io.Copy(io.Discard, w.s); err != nil {
			return n, err
		}
	}
	return n, err
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

// A part is a part of an image that still knows whether its file has changed,
// and is sound.
type part struct {
	block.Device
	img block.Device
}

func (r part) Changed() error {
	if c, ok := r.img.(interface{ Changed() error }); ok {
		return c.Changed()
	}
	return nil
}

// Overlap tells whether blocks of the image lie over each other in its file.
func (r part) Overlap(ctx context.Context) error {
	if o, ok := r.img.(interface{ Overlap(context.Context) error }); ok {
		return o.Overlap(ctx)
	}
	return nil
}

// Sound tells whether the checksums of what the image is packed in are right.
func (r part) Sound(ctx context.Context) error {
	if s, ok := r.img.(interface{ Sound(context.Context) error }); ok {
		return s.Sound(ctx)
	}
	return nil
}

// wholeSectors lets each disk but the last one end with a whole sector, since the
// next one begins with one.
func wholeSectors(disks []block.Device) []block.Device {
	var out []block.Device
	for i, d := range disks {
		out = append(out, d)
		if rest := -d.Size() & 511; rest > 0 && i < len(disks)-1 {
			out = append(out, block.Plain(bytes.NewReader(make([]byte, rest))))
		}
	}
	return out
}

// A concat is several disks, one behind the other.
type concat struct {
	block.Device
	images []format.Image
}

func (c concat) Changed() error {
	for _, img := range c.images {
		if err := (part{img: img}).Changed(); err != nil {
			return err
		}
	}
	return nil
}

// Overlap tells whether blocks of one of the images lie over each other in its file.
func (c concat) Overlap(ctx context.Context) error {
	for _, img := range c.images {
		if err := (part{img: img}).Overlap(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Sound tells whether the checksums of what the images are packed in are right.
func (c concat) Sound(ctx context.Context) error {
	for _, img := range c.images {
		if err := (part{img: img}).Sound(ctx); err != nil {
			return err
		}
	}
	return nil
}
