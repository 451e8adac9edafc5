package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// Options says how to copy. The zero value copies all of the disk as it reads,
// whatever chain of images it comes from, and leaves out zeros.
type Options struct {
	// Compress asks a target that can for compressed pieces.
	Compress bool
	// KeepDepth leaves what comes from an image at that depth or deeper
	// (block.Extent.Depth) to the backing file of the target; 0 copies all.
	KeepDepth int
	// Sparse is the shortest run of zero bytes in what is read that is left
	// out, rounded up to the target's granularity; 0 means 4096, and a
	// negative value writes all.
	Sparse int64
	// NoClone reads and writes even where files could share blocks, or the
	// kernel copy them.
	NoClone bool
	// Salvage goes on where the source cannot be read, with zeros, and where its
	// blocks lie over each other. The Result says what is lost.
	Salvage bool
	// Workers is how many pieces are worked on at once; 0 means two for each
	// processor that Go uses.
	Workers int
	// Memory bounds the buffers, in bytes, and what compresses them; 0 means
	// 64 MiB. One piece is worked on whatever it needs. The target and the
	// source have bounds of their own.
	Memory int64
	// MaxOutput bounds how many bytes of the disk are written: a small image
	// may claim to be full of data. 0 means no bound.
	MaxOutput int64
	// Progress is told how far the copy is, by one goroutine at a time.
	Progress func(Progress)
}

// Progress says how far a copy is, in bytes of the disk. Total is 0 while the
// size of a stream is not known.
type Progress struct {
	Done, Total int64
}

// A Range is a part of a disk in bytes.
type Range struct{ Off, Len int64 }

// A Result says what was done, in bytes of the disk.
type Result struct {
	Size   int64
	File   int64   // of all files of the output together, once they have their names; 0 of a stream
	Data   int64   // written
	Zero   int64   // left out as zeros
	Kept   int64   // left to the backing file of the target
	Cloned int64   // the part of Data that shares blocks with the source
	Lost   []Range // unreadable, and zeros now (Salvage)
	// Overlap says that blocks of the source lie over each other in its file, so
	// that the data of some is not theirs (Salvage).
	Overlap error
	// Unsound says that what the source is packed in has a checksum that is wrong
	// (Salvage).
	Unsound error
}

// How much of the disk is worked on at once. What is copied as it is goes in
// pieces that stay in the processor's cache between being read and written.
const (
	plainPiece    = 256 << 10
	piece         = 1 << 20
	inKernelPiece = 16 << 20
)

// Run copies src into t and commits it. When it returns an error, t is not
// committed; the caller closes t in any case. It stops within a few MiB when ctx
// is done. If src has Changed() error, it is asked before the commit; if it has
// Overlap(context.Context) error, as images of package format, it is asked first
// whether its blocks lie over each other; if it has Sound(context.Context) error,
// as they have, it is asked before the commit whether the checksums of what it is
// packed in are right.
func Run(ctx context.Context, src block.Device, t Target, opts *Options) (Result, error) {
	if opts == nil {
		opts = &Options{}
	}
	r := newRun(src, t, opts)
	if o, ok := src.(interface{ Overlap(context.Context) error }); ok {
		if err := o.Overlap(ctx); err != nil && (!opts.Salvage || !errors.Is(err, block.ErrCorrupt)) {
			return r.result(), err
		} else if err != nil {
			r.res.Overlap = err
		}
	}
	if err := r.copy(ctx); err != nil {
		return r.result(), err
	}
	if err := sound(ctx, src); err != nil && (!opts.Salvage || !errors.Is(err, block.ErrCorrupt)) {
		return r.result(), err
	} else if err != nil {
		r.res.Unsound = err
	}
	if c, ok := src.(interface{ Changed() error }); ok {
		if err := c.Changed(); err != nil {
			return r.result(), err
		}
	}
	return r.result(), t.Commit()
}

// sound asks a disk whether the checksums of what it is packed in are right.
func sound(ctx context.Context, d block.Device) error {
	if s, ok := d.(interface{ Sound(context.Context) error }); ok {
		return s.Sound(ctx)
	}
	return nil
}

// A run is one copy.
type run struct {
	src    block.Device
	t      Target
	placer Placer  // t, nil if it is none
	enc    Encoder // t, nil if nothing is to be compressed
	cloner Cloner  // t, nil if nothing is to be cloned
	copier Copier  // t, nil if nothing is to be copied by the kernel
	o      Options
	gran   int64 // of the target
	unit   int64 // of the plan
	piece  int64
	turns  *turns

	mu     sync.Mutex
	res    Result
	lost   lostRanges
	failed int64 // number of the first job that failed
	err    error
	stop   context.CancelFunc

	noClone atomic.Bool // it was tried, and cannot be done
	noCopy  atomic.Bool
	probed  chan bool // from a probe: whether it has shown if files can share blocks
}

func newRun(src block.Device, t Target, opts *Options) *run {
	r := &run{src: src, t: t, o: *opts, gran: t.Granularity(), failed: math.MaxInt64, probed: make(chan bool, 1)}
	r.unit = r.gran
	r.placer, _ = t.(Placer)
	if e, ok := t.(Encoder); ok && (opts.Compress || r.placer == nil) {
		r.enc, r.unit = e, e.EncodeSize()
	}
	r.piece = max(plainPiece, r.unit)
	if r.enc != nil {
		r.piece = max(piece, r.unit)
	}
	if !opts.NoClone && r.enc == nil {
		r.cloner, _ = t.(Cloner)
		if opts.Sparse < 0 { // otherwise the bytes are looked at anyway
			r.copier, _ = t.(Copier)
		}
	}
	if r.o.Sparse == 0 {
		r.o.Sparse = 4096
	}
	workers := r.o.Workers
	if workers <= 0 {
		workers = 2 * runtime.GOMAXPROCS(0)
	}
	memory := r.o.Memory
	if memory <= 0 {
		memory = 64 << 20
	}
	each := r.piece
	if r.enc != nil {
		each *= 2
	}
	if m, ok := r.enc.(interface{ EncodeMemory() int64 }); ok {
		each += m.EncodeMemory()
	}
	r.o.Workers = int(max(1, min(int64(workers), memory/each)))
	r.turns = newTurns(r.o.Workers)
	r.res.Size = src.Size()
	return r
}

// A job is a span of at most a piece with its place in the order.
type job struct {
	span
	seq   int64
	probe bool // the first attempts to share blocks, which are small
}

// copy runs the pipeline.
func (r *run) copy(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	r.stop = cancel
	jobs := make(chan job)
	var wg sync.WaitGroup
	for range r.o.Workers {
		wg.Go(func() {
			w := &worker{run: r}
			for j := range jobs {
				if err := w.do(j); err != nil {
					r.fail(j.seq, err)
				}
			}
		})
	}
	err := r.plan(ctx, jobs)
	close(jobs)
	if err != nil {
		r.turns.stop()
	}
	wg.Wait()
	if r.err != nil {
		return r.err
	}
	if err := parent.Err(); err != nil {
		return context.Cause(parent)
	}
	return err
}

// fail notes the failure that is first in the order, and ends the copy.
func (r *run) fail(seq int64, err error) {
	r.mu.Lock()
	if seq < r.failed && !errors.Is(err, errStopped) {
		r.failed, r.err = seq, err
	}
	r.mu.Unlock()
	r.stop()
	r.turns.stop()
}

// errStopped is what a worker returns that another one's failure has stopped.
var errStopped = errors.New("stopped")

// plan cuts spans into jobs and hands them to the workers.
func (r *run) plan(ctx context.Context, jobs chan<- job) error {
	var seq int64
	known := false
	send := func(s span, probe bool) error {
		select {
		case jobs <- job{s, seq, probe}:
			seq++
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p := &planner{src: r.src, unit: r.unit, keep: r.o.KeepDepth, salvage: r.o.Salvage}
	p.emit = func(s span) error {
		if !r.inKernel() {
			s.host = nil
		}
		if s.class != classData {
			return send(s, false)
		}
		for s.n > 0 {
			part := s
			most := r.piece
			if s.host != nil {
				most = max(most, inKernelPiece)
			}
			part.n = min(s.n, most-s.off%most)
			probe := s.host != nil && !known
			if probe {
				part.n = min(part.n, r.unit)
			}
			if err := send(part, probe); err != nil {
				return err
			}
			s.off, s.n, s.hostOff = s.off+part.n, s.n-part.n, s.hostOff+part.n
			if probe {
				select {
				case known = <-r.probed:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				if !r.inKernel() {
					s.host = nil
				}
			}
		}
		return nil
	}
	return p.run(ctx)
}

// inKernel reports whether bytes may get into the target without being read.
func (r *run) inKernel() bool {
	return r.cloner != nil && !r.noClone.Load() || r.copier != nil && !r.noCopy.Load()
}

// note counts what a job has done.
func (r *run) note(j job, data, zero int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Data += data
	r.res.Zero += zero
	if j.class == classGap {
		r.res.Kept += j.n
	}
	if r.o.Progress != nil {
		r.o.Progress(Progress{r.res.Data + r.res.Zero + r.res.Kept, r.res.Size})
	}
}

func (r *run) result() Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := r.res
	res.Lost = r.lost.sorted()
	return res
}

// room checks what is about to be written against MaxOutput.
func (r *run) room(n int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.o.MaxOutput > 0 && n > r.o.MaxOutput-r.res.Data {
		return block.Errorf("", "output", -1, block.ErrLimit, "more than %d bytes of data", r.o.MaxOutput)
	}
	return nil
}

// zeros is compared with; it is never written to.
var zeros [64 << 10]byte

// isZero reports whether p is all zeros.
func isZero(p []byte) bool {
	for len(p) > len(zeros) {
		if !bytes.Equal(p[:len(zeros)], zeros[:]) {
			return false
		}
		p = p[len(zeros):]
	}
	return bytes.Equal(p, zeros[:len(p)])
}

// readError says where on the disk a read failed.
func readError(off int64, err error) error {
	return fmt.Errorf("reading the source at %#x: %w", off, err)
}
