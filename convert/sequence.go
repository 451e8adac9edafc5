package convert

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/problem"
)

// A Stream is a disk that is read once, from its first byte to its last, such as
// a *format.Stream. If it has Changed() error, it is asked before the commit.
type Stream interface {
	io.Reader
	// Size is the size of the disk in bytes, -1 if only its end will tell.
	Size() int64
}

// StreamToFile copies src into an image file, which appears complete or not at
// all. Where the size of src is not known, the format must be one that Grows.
// Salvage has no effect: behind a fault of a stream nothing is known.
func StreamToFile(ctx context.Context, src Stream, out *Output, opts *Options) (Result, error) {
	known := *out
	size := src.Size()
	if size < 0 {
		if !Grows(out.Format) {
			return Result{}, problem.Class(block.ErrUnsupported, "format %q needs the disk size up front, and the size of this stream is unknown", out.Format)
		}
		known.growing, size = true, math.MaxInt64
	}
	o, err := known.open(size)
	if err != nil {
		return Result{}, err
	}
	defer o.Close()
	s := newSequence(src, out.Verify)
	res, err := s.run(ctx, o.target, opts)
	if err != nil {
		return res, err
	}
	if out.Verify {
		if err := o.verifySum(ctx, s, out); err != nil {
			return res, err
		}
	}
	if err := o.commit(); err != nil {
		return res, err
	}
	res.File = o.size()
	return res, nil
}

// StreamToStream copies src to w as a raw image. After an error, w has a part of
// it.
func StreamToStream(ctx context.Context, src Stream, w io.Writer, opts *Options) (Result, error) {
	return newSequence(src, false).run(ctx, &stream{w: w, size: max(src.Size(), 0)}, opts)
}

// ahead is how many pieces are read ahead.
const ahead = 3

// A sequence makes a Stream look like a disk to the pipeline: it reads ahead in
// a goroutine of its own, and hands each piece to the worker that has its job.
type sequence struct {
	src  Stream
	size int64 // -1 until it is known
	sum  hash.Hash
	free chan []byte
	full chan piecePart

	mu     sync.Mutex
	pieces map[int64][]byte // that were planned and not read
}

type piecePart struct {
	b   []byte
	err error
}

func newSequence(src Stream, summed bool) *sequence {
	s := &sequence{src: src, size: src.Size(), free: make(chan []byte, ahead), full: make(chan piecePart, ahead), pieces: map[int64][]byte{}}
	if summed {
		s.sum = sha256.New()
	}
	return s
}

// Size bounds the disk. It is the size once that is known.
func (s *sequence) Size() int64 {
	if s.size < 0 {
		return math.MaxInt64
	}
	return s.size
}

// run is Run for a sequence.
func (s *sequence) run(ctx context.Context, t Target, opts *Options) (Result, error) {
	if opts == nil {
		opts = &Options{}
	}
	grow := s.size < 0
	r := newRun(s, t, opts)
	if grow {
		r.res.Size = 0 // what progress says of a size that is not known
	}
	for range ahead {
		s.free <- make([]byte, r.piece)
	}
	stop := make(chan struct{})
	defer close(stop)
	go s.read(stop)
	if err := r.copy(ctx); err != nil {
		return r.result(), err
	}
	if c, ok := s.src.(interface{ Changed() error }); ok {
		if err := c.Changed(); err != nil {
			return r.result(), err
		}
	}
	r.res.Size = s.size
	if g, ok := t.(Grower); ok && grow {
		if err := g.SetSize(s.size); err != nil {
			return r.result(), err
		}
	}
	return r.result(), t.Commit()
}

// read fills pieces until the stream ends. It may be left behind in a read that
// does not return, with nobody who waits for it.
func (s *sequence) read(stop <-chan struct{}) {
	for {
		var b []byte
		select {
		case b = <-s.free:
		case <-stop:
			return
		}
		n, err := io.ReadFull(s.src, b[:cap(b)])
		if s.sum != nil {
			s.sum.Write(b[:n])
		}
		s.full <- piecePart{b[:n], err} // it has room for all pieces that there are
		if err != nil {
			return
		}
	}
}

// plan hands out each piece as it comes.
func (s *sequence) plan(ctx context.Context, emit func(span) error) error {
	for off := int64(0); ; {
		var p piecePart
		select {
		case p = <-s.full:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		n := int64(len(p.b))
		ended := p.err == io.EOF || p.err == io.ErrUnexpectedEOF // of ReadFull
		switch {
		case p.err != nil && !ended:
			return readError(off, p.err)
		case s.size >= 0 && n > s.size-off:
			return block.Errorf("", "stream", off, block.ErrCorrupt, "it goes on past the %d bytes that its disk has", s.size)
		case s.size >= 0 && ended && off+n < s.size:
			return block.Errorf("", "stream", off+n, block.ErrTruncated, "it ends before the %d bytes that its disk has", s.size)
		}
		if n > 0 {
			s.mu.Lock()
			s.pieces[off] = p.b
			s.mu.Unlock()
			if err := emit(span{class: classData, off: off, n: n}); err != nil {
				return err
			}
			off += n
		}
		if ended {
			s.size = off
			return nil
		}
	}
}

var errNotNext = errors.New("a stream is read once, in the pieces in which it comes")

// ReadAt takes a piece that was planned.
func (s *sequence) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	b := s.pieces[off]
	delete(s.pieces, off)
	s.mu.Unlock()
	if b == nil || len(b) != len(p) {
		return 0, errNotNext
	}
	copy(p, b)
	s.free <- b
	return len(p), nil
}

// Extent is never asked for; plan stands in its place.
func (s *sequence) Extent(int64) (block.Extent, error) { return block.Extent{}, errNotNext }

// verifySum compares the sum of what was read from the stream with the image
// that was written, before it has its name.
func (o *opened) verifySum(ctx context.Context, s *sequence, out *Output) error {
	im, err := o.reopen(out, s.size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	defer im.Close()
	if im.Size() < s.size {
		return fmt.Errorf("%w: it has %d bytes of %d", ErrVerify, im.Size(), s.size)
	}
	sum := sha256.New()
	b := make([]byte, plainPiece)
	for off := int64(0); off < s.size; off += int64(len(b)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b = b[:min(plainPiece, s.size-off)]
		if err := block.ReadFull(im, b, off); err != nil {
			return fmt.Errorf("verifying the output: %w", err)
		}
		sum.Write(b)
	}
	if string(sum.Sum(nil)) != string(s.sum.Sum(nil)) {
		return ErrVerify
	}
	return nil
}

// reopen opens the image that was written; a raw one has size bytes.
func (o *opened) reopen(out *Output, size int64) (format.Image, error) {
	if !out.Device {
		end, err := o.file.(io.Seeker).Seek(0, io.SeekEnd)
		if err != nil {
			return nil, err
		}
		size = end
	}
	if o.split != nil {
		return format.Open(o.split.reader(), &format.Options{Format: out.Format})
	}
	r := sized{o.file, size}
	if _, ok := o.target.(*tarGz); ok {
		return reopenTarGz(r)
	}
	return format.Open(r, &format.Options{Format: out.Format, Opener: o.sibling})
}
