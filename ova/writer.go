package ova

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// A Sink is what a Writer writes to: a file.
type Sink interface {
	io.WriterAt
	Truncate(size int64) error
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

const blockSize = 512 // of a tar archive

// padded is n with the zeros that fill up the last block.
func padded(n int64) int64 { return n + -n&(blockSize-1) }

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
func (w *Writer) manifestAt() int64 { return blockSize + padded(w.room) }
func (w *Writer) disksAt() int64 {
	return w.manifestAt() + blockSize + padded(int64(len(w.manifest(nil))))
}

// Disk begins the file of the next disk, a streamOptimized VMDK: what is
// written to it, in order, until the next call. There are as many as the layout
// has sizes.
func (w *Writer) Disk() (*DiskWriter, error) {
	if len(w.disks) == len(w.l.Sizes) {
		return nil, fmt.Errorf("ova: more than %d disks", len(w.l.Sizes))
	}
	d := &DiskWriter{w: w, at: padded(w.pos), sum: sha256.New()}
	w.pos = d.at + blockSize
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
	// Two blocks of zeros end an archive; tar fills up records of 20.
	end := padded(w.pos) + 2*blockSize
	end += (20*blockSize - end%(20*blockSize)) % (20 * blockSize)
	if err := w.f.Truncate(end); err != nil {
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

// put writes the header of a member, and its content where that is at hand.
func (w *Writer) put(at int64, name string, size int64, content []byte) error {
	h := tarHeader(name, size, w.stamp)
	if _, err := w.f.WriteAt(append(h[:], content...), at); err != nil {
		return err
	}
	return nil
}

// tarHeader is the header of a regular file, in the format ustar, which OVF
// demands. A size past 8 GiB has no place in it and is written as GNU tar does.
func tarHeader(name string, size int64, stamp time.Time) (h [blockSize]byte) {
	copy(h[0:100], name) // 0x000
	copy(h[100:], "0000644\x00")
	copy(h[108:], "0000000\x00") // owner
	copy(h[116:], "0000000\x00") // group
	copy(h[257:], "ustar\x0000")
	if size < 1<<33 {
		copy(h[124:], fmt.Sprintf("%011o\x00", size))
	} else {
		h[124] = 0x80
		binary.BigEndian.PutUint64(h[128:], uint64(size))
		copy(h[257:], "ustar  \x00")
	}
	copy(h[136:], fmt.Sprintf("%011o\x00", max(stamp.Unix(), 0)))
	copy(h[148:], "        ") // the checksum counts as blanks
	h[156] = '0'
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}
