package ova

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/guestkit/guestkit/internal/tarhead"
)

// A Sink is what a Writer writes to: a file.
type Sink interface {
	io.WriterAt
	// Truncate makes the file size bytes long; what is new reads as zeros.
	Truncate(size int64) error
	// Sync returns when all that was written is on the disk.
	Sync() error
}

// A Writer writes an archive in one pass: the descriptor and the manifest get
// room at its beginning, the disks follow each other, and Commit fills in what
// is known by then. It is not safe for concurrent use.
//
//	NewWriter ── Disk … write … Disk … write … ── Commit
type Writer struct {
	f     Sink
	l     Layout
	room  int64 // for the descriptor
	disks []*DiskWriter
	pos   int64 // of the end of what was written
	stamp time.Time
}

// A DiskWriter takes the bytes of the file of one disk.
type DiskWriter struct {
	w    *Writer
	at   int64 // of its header
	size int64
	sum  hash.Hash
}

// NewWriter begins an archive in f, which must be empty. What lies in f before
// Commit is no archive.
func NewWriter(f Sink, l *Layout) (*Writer, error) {
	w := &Writer{f: f, l: l.withDefaults(), stamp: time.Now()}
	if err := w.l.validate(); err != nil {
		return nil, err
	}
	// No number is longer than the largest.
	sizes := make([]int64, len(w.l.Sizes))
	for i := range sizes {
		sizes[i] = 1<<63 - 1
	}
	w.room = int64(len(w.l.descriptor(sizes)))
	w.pos = w.disksAt()
	return w, nil
}

// manifestAt is where the header of the manifest lies, and disksAt that of the
// first disk.
func (w *Writer) manifestAt() int64 { return tarhead.BlockSize + tarhead.Padded(w.room) }
func (w *Writer) disksAt() int64 {
	return w.manifestAt() + tarhead.BlockSize + tarhead.Padded(int64(len(w.manifest(nil))))
}

// Disk begins the file of the next disk, a streamOptimized VMDK: what is
// written to it, in order, until the next call. There are as many as the layout
// has sizes.
func (w *Writer) Disk() (*DiskWriter, error) {
	if len(w.disks) == len(w.l.Sizes) {
		return nil, fmt.Errorf("ova: more than %d disks", len(w.l.Sizes))
	}
	d := &DiskWriter{w: w, at: tarhead.Padded(w.pos), sum: sha256.New()}
	w.pos = d.at + tarhead.BlockSize
	w.disks = append(w.disks, d)
	return d, nil
}

// Write implements io.Writer.
func (d *DiskWriter) Write(p []byte) (int, error) {
	w := d.w
	if d != w.disks[len(w.disks)-1] {
		return 0, errors.New("ova: the file of another disk has begun")
	}
	n, err := w.f.WriteAt(p, w.pos)
	w.pos += int64(n)
	d.size += int64(n)
	d.sum.Write(p[:n])
	return n, err
}

// manifest is the text of the manifest; without the descriptor it has the same
// length.
func (w *Writer) manifest(ovf []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SHA256(%s.ovf)= %x\n", w.l.fileName(), sha256.Sum256(ovf))
	for i := range w.l.Sizes {
		sum := make([]byte, sha256.Size)
		if ovf != nil {
			sum = w.disks[i].sum.Sum(sum[:0])
		}
		fmt.Fprintf(&b, "SHA256(%s)= %x\n", w.l.diskName(i), sum)
	}
	return b.Bytes()
}

// Commit writes the headers, the manifest and last the descriptor.
func (w *Writer) Commit() error {
	if len(w.disks) != len(w.l.Sizes) {
		return fmt.Errorf("ova: %d of %d disks were written", len(w.disks), len(w.l.Sizes))
	}
	if err := w.f.Truncate(tarhead.End(w.pos)); err != nil {
		return err
	}
	var sizes []int64
	for i, d := range w.disks {
		sizes = append(sizes, d.size)
		if err := w.put(d.at, w.l.diskName(i), d.size, nil); err != nil {
			return err
		}
	}
	ovf := w.l.descriptor(sizes)
	ovf = append(ovf, bytes.Repeat([]byte("\n"), int(w.room)-len(ovf))...)
	mf := w.manifest(ovf)
	if err := w.put(w.manifestAt(), w.l.fileName()+".mf", int64(len(mf)), mf); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	if err := w.put(0, w.l.fileName()+".ovf", w.room, ovf); err != nil {
		return err
	}
	return w.f.Sync()
}

// put writes the header of a member, in the format ustar, which OVF demands, and
// its content where that is at hand.
func (w *Writer) put(at int64, name string, size int64, content []byte) error {
	h := tarhead.Ustar(name, size, w.stamp)
	_, err := w.f.WriteAt(append(h[:], content...), at)
	return err
}
