package format

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/wrapped"
)

// A Stream is a raw disk that is read once, from its first byte to its last:
// from a pipe, or out of a compressed file that is decoded on the way. It is not
// safe for concurrent use.
type Stream struct {
	info Info
	r    io.Reader
	file *HostFile // nil if it is none of ours
	pos  int64
	size int64 // -1 if only the end tells
	max  int64
	tail []byte // the last bytes so far
}

// streamHead is how much of a stream is looked at before it is read: all that
// Probe knows marks in, but for the end.
const streamHead = discOff + 8

// OpenStream begins to read a disk from r, which is unpacked if it is gzip, xz,
// zstd or bzip2 and opts say Unwrap. The format is probed by the first bytes; a
// raw image it must be, since the tables of the other formats lie anywhere in a
// file (block.ErrUnsupported).
//
// Without a stated format, a disk whose last bytes are the footer of a fixed VHD
// or of a UDIF image, which nothing but the end tells from a raw one, fails at
// its end with block.ErrAmbiguous.
func OpenStream(r io.Reader, opts *Options) (*Stream, error) {
	if opts == nil {
		opts = &Options{}
	}
	s := &Stream{size: -1, max: opts.Wrapped.limits().WithDefaults().Size}
	s.info = Info{VirtualSize: -1, FileSize: -1, Allocated: -1, Stated: opts.Format != ""}
	format, wrapper := opts.Format, ""
	if opts.Unwrap {
		format, wrapper = splitFormat(opts.Format)
	}
	b, found, err := peek(r, format == "" || wrapper != "")
	if err != nil {
		return nil, err
	}
	if format == "" && found.Wrapper && opts.Unwrap && wrapped.Known(found.Format) {
		wrapper = found.Format
	}
	if wrapper != "" {
		z, err := wrapped.NewReader(wrapper, b, opts.Wrapped.limits())
		if err != nil {
			return nil, err
		}
		if b, found, err = peek(z, format == ""); err != nil {
			return nil, err
		}
		if found.Wrapper {
			return nil, block.Errorf(wrapper, "file", -1, block.ErrUnsupported, "it holds a file of the type %s, which is no image", found.Format)
		}
	}
	if format == "" {
		format = found.Format
	}
	d, name, err := stated(format)
	switch {
	case isContent(format): // a raw disk, called by what it holds
		name = format
	case found.Wrapper:
		return nil, block.Errorf("", "image", 0, block.ErrUnsupported, "a file of the type %s is no image; unpack it first", found.Format)
	case err != nil:
		return nil, err
	case d.name != "raw":
		return nil, block.Errorf(d.name, "stream", -1, block.ErrUnsupported, "its tables lie anywhere in the file, and a stream is read once; save it to a file first")
	}
	s.info.Format, s.info.Wrapper, s.r = name, wrapper, b
	return s, nil
}

// peek looks at the first bytes of r and probes them if it should.
func peek(r io.Reader, probe bool) (*bufio.Reader, Detection, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(streamHead)
	var d Detection
	switch {
	case err != nil && err != io.EOF:
		return nil, d, err
	case len(head) == 0:
		return nil, d, block.Errorf("", "image", 0, block.ErrCorrupt, "the stream is empty")
	case probe:
		w := &window{size: int64(len(head)), head: head[:min(len(head), headLen)]}
		if len(head) == streamHead {
			w.disc = head[discOff:]
		}
		d, err = w.probe()
		return b, d, err
	}
	return b, d, nil
}

// OpenFileStream opens the compressed file at path for one pass, if what it
// holds is a raw disk. Otherwise it returns nil and no error: OpenFile is the
// way.
func OpenFileStream(path string, opts *Options) (*Stream, error) {
	if opts == nil || !opts.Unwrap {
		return nil, nil
	}
	src, err := PathSource(path, opts)
	if err != nil {
		return nil, err
	}
	f, ok := src.(*HostFile)
	if !ok { // in parts
		return nil, src.Close()
	}
	s, err := f.stream(opts)
	if s == nil || err != nil {
		f.Close()
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return nil, err
	}
	return s, nil
}

// stream is OpenFileStream for an open file, which the Stream takes over.
func (h *HostFile) stream(o *Options) (*Stream, error) {
	_, wrapper := splitFormat(o.Format)
	if o.Format == "" {
		found, err := Probe(h)
		if err != nil || !wrapped.Known(found.Format) {
			return nil, nil // OpenFile will say what is wrong
		}
		wrapper = found.Format
	}
	if wrapper == "" {
		return nil, nil
	}
	s, err := OpenStream(io.NewSectionReader(h, 0, h.Size()), o)
	if errors.Is(err, block.ErrUnsupported) || errors.Is(err, block.ErrAmbiguous) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if s.size, err = wrapped.Stated(wrapper, h); err != nil {
		return nil, block.Locate(wrapper, "file", 0, err)
	}
	if s.size > s.max {
		return nil, block.Errorf(wrapper, "file", -1, block.ErrLimit, "it unpacks to %d bytes, at most %d are allowed", s.size, s.max)
	}
	s.file = h
	s.info.Name, s.info.FileSize, s.info.Allocated, s.info.VirtualSize = h.Name(), h.Size(), h.Allocated(), s.size
	return s, nil
}

// Info returns what is known of the disk. Sizes that are not known are -1.
func (s *Stream) Info() *Info { return &s.info }

// Size returns the size of the disk in bytes, -1 if only its end will tell. A
// file that states one is held to it by whoever reads it.
func (s *Stream) Size() int64 { return s.size }

// Read implements io.Reader.
func (s *Stream) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.pos += int64(n); s.pos > s.max {
		return 0, block.Errorf("", "stream", s.max, block.ErrLimit, "the disk has more than %d bytes", s.max)
	}
	if m := n - tailLen; m >= 0 {
		s.tail = append(s.tail[:0], p[m:n]...)
	} else {
		s.tail = append(s.tail, p[:n]...)
		s.tail = append(s.tail[:0], s.tail[max(0, len(s.tail)-tailLen):]...)
	}
	if err == io.EOF && !s.info.Stated {
		if ferr := s.footer(); ferr != nil {
			return n, ferr
		}
	}
	return n, err
}

// footer looks for the end of another format.
func (s *Stream) footer() error {
	w := &window{size: s.pos, tail: s.tail}
	for _, m := range marks() {
		if text, off, ok := m.look(w); ok && m.role == tail {
			return block.Errorf("", "stream", off, block.ErrAmbiguous, "it began as a raw disk and ends with the mark of another format, %s (%s); state its format, or save it to a file first", m.format, text)
		}
	}
	return nil
}

// Changed returns an error that wraps block.ErrChanged if the file is not what
// it was when it was opened.
func (s *Stream) Changed() error {
	if s.file == nil {
		return nil
	}
	return s.file.Changed()
}

// Close closes the file, if OpenFileStream has opened one.
func (s *Stream) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
