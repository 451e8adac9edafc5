// Package xva reads the disks in an archive of XenServer and XCP-ng (XVA): a tar
// archive whose first member, ova.xml, describes machines, and in which each disk is
// a folder of chunks.
//
//	ova.xml
//	Ref:12/00000000            the first MiB of the disk
//	Ref:12/00000000.checksum   SHA-1 of that, in hexadecimal; or .xxhash, XXH64
//	Ref:12/00000003            the next one: two chunks of zeros were left out
//	…
//
// The number of a chunk is a counter, and no place: a chunk is as far behind the one
// before it as numbers were left out, each of the length of the first chunk of the
// disk, and one of no bytes, which keeps a connection alive, takes no place. The
// first and the last chunk are always there.
//
// The sources are "The XenServer VM import/format" of xen-api, its stream_vdi.ml, and
// what the script create_xva of XCP-ng writes. Checksums by XXH64 are unproven: no
// tool at hand writes them.
package xva

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/tarhead"
	"github.com/guestkit/guestkit/internal/xxh64"
)

const format = "xva"

// What bounds an archive.
const (
	MaxChunks     = 4 << 20  // of all disks
	MaxChunk      = 16 << 20 // bytes, of one
	MaxDescriptor = 4 << 20  // bytes, of ova.xml
	maxDisks      = 256
	maxOdd        = 1000 // members that are nothing of an XVA
)

// Descriptor is the name of the first member.
const Descriptor = "ova.xml"

// An Archive is the index of the chunks.
type Archive struct {
	Text  []byte // of ova.xml
	Disks []*Disk
	Odd   []error

	byName map[string]*Disk
	chunks int
}

// A Disk is a folder of chunks. It is safe for concurrent use.
type Disk struct {
	Name string // of the folder, by which ova.xml refers to it

	r      block.Reader
	size   int64
	first  int64 // bytes of the first chunk
	number int64 // of the last chunk
	dummy  bool  // that one has no bytes
	chunks []chunk

	mu   sync.Mutex
	at   int // the chunk that is held
	held []byte
}

// A chunk is a run of a disk.
type chunk struct {
	off  int64 // in the disk
	at   int64 // in the archive
	n    int32
	algo byte  // of its checksum: 0 none, 1 SHA-1, 2 XXH64
	sum  int64 // where the checksum lies
}

const (
	sumSHA1 = 1
	sumXXH  = 2
)

// position is what archive/tar reads, and where it is. It seeks over the bytes of
// members.
type position struct{ *io.SectionReader }

func (p position) offset() int64 {
	n, _ := p.Seek(0, io.SeekCurrent) // cannot fail
	return n
}

// Open reads the headers of all members. The sizes of the disks are those of their
// chunks until Sized says more.
func Open(r block.Reader) (*Archive, error) {
	a := &Archive{byName: map[string]*Disk{}}
	at := position{io.NewSectionReader(r, 0, r.Size())}
	tr := tar.NewReader(at)
	for n := 0; ; n++ {
		start := at.offset()
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err == io.ErrUnexpectedEOF {
			return nil, block.Errorf(format, "tar header", start, block.ErrTruncated, "the archive ends too early")
		}
		if errors.Is(err, tar.ErrHeader) {
			return nil, block.Errorf(format, "tar header", start, block.ErrCorrupt, "%v", err)
		}
		if err != nil {
			return nil, block.Locate(format, "tar header", start, err)
		}
		if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
			n--
			continue
		}
		off := at.offset()
		if tarhead.IsSparse(h) {
			return nil, block.Errorf(format, "member "+quote(h.Name), off, block.ErrUnsupported, "it is stored without its holes, as XenServer stores none")
		}
		if h.Size > r.Size()-off {
			return nil, block.Errorf(format, "member "+quote(h.Name), off, block.ErrTruncated, "%d bytes, and the archive has %d from there", h.Size, r.Size()-off)
		}
		name := strings.TrimPrefix(h.Name, "./")
		if n == 0 && name != Descriptor {
			return nil, block.Errorf(format, "archive", start, block.ErrFormat, "its first member is not %s", Descriptor)
		}
		if name == Descriptor && a.Text == nil {
			if a.Text, err = block.ReadBytes(r, off, h.Size, MaxDescriptor); err != nil {
				return nil, block.Locate(format, Descriptor, off, err)
			}
			continue
		}
		if err := a.add(r, name, h, off); err != nil {
			return nil, err
		}
	}
	if a.Text == nil {
		return nil, block.Errorf(format, "archive", 0, block.ErrFormat, "there is no %s in it", Descriptor)
	}
	return a, nil
}

func quote(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strconv.Quote(s)
}

// add takes a member for a chunk, or for the checksum of the last one.
func (a *Archive) add(r block.Reader, name string, h *tar.Header, off int64) error {
	fault := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "member "+quote(name), off, class, detail, args...)
	}
	folder, base, ok := strings.Cut(name, "/")
	stem, ext, _ := strings.Cut(base, ".")
	number, err := strconv.ParseInt(stem, 10, 63)
	if ext == "gz" {
		return fault(block.ErrUnsupported, "its chunks are compressed one by one, as XenEnterprise 3 had them")
	}
	if !ok || folder == "" || err != nil || number < 0 {
		if len(a.Odd) < maxOdd {
			a.Odd = append(a.Odd, fault(block.ErrUnsupported, "it is no chunk of a disk, and is not read"))
		}
		return nil
	}
	if h.Typeflag != tar.TypeReg { // without it the chunk would read as zeros
		return fault(block.ErrUnsupported, "it is called as a chunk, and is no regular file (type %q)", h.Typeflag)
	}
	d := a.byName[folder]
	if ext != "" {
		if d == nil || d.number != number || d.dummy {
			return nil // of a chunk without bytes
		}
		last := &d.chunks[len(d.chunks)-1]
		switch {
		case ext == "checksum" && h.Size == 2*sha1.Size:
			last.algo, last.sum = sumSHA1, off
		case ext == "xxhash" && h.Size == 16:
			last.algo, last.sum = sumXXH, off
		default:
			return fault(block.ErrUnsupported, "a checksum of another kind, of %d bytes", h.Size)
		}
		return nil
	}
	if d == nil {
		if len(a.Disks) == maxDisks {
			return fault(block.ErrLimit, "more than %d disks", maxDisks)
		}
		if h.Size == 0 {
			return fault(block.ErrCorrupt, "the first chunk of the disk has no bytes")
		}
		d = &Disk{Name: folder, r: r, number: -1, first: h.Size, at: -1}
		a.byName[folder] = d
		a.Disks = append(a.Disks, d)
	}
	switch {
	case h.Size > MaxChunk:
		return fault(block.ErrLimit, "a chunk of %d bytes; at most %d are taken", h.Size, int64(MaxChunk))
	case number <= d.number:
		return fault(block.ErrCorrupt, "it comes after chunk %d", d.number)
	case a.chunks == MaxChunks:
		return fault(block.ErrLimit, "more than %d chunks", MaxChunks)
	case number-d.number-1 > (math.MaxInt64-h.Size-d.size)/d.first:
		return fault(block.ErrCorrupt, "it lies beyond what can be counted")
	}
	d.size += (number - d.number - 1) * d.first
	d.number, d.dummy = number, h.Size == 0
	if h.Size > 0 {
		a.chunks++
		d.chunks = append(d.chunks, chunk{off: d.size, at: off, n: int32(h.Size)})
		d.size += h.Size
	}
	return nil
}

// Disk returns the disk of a folder, nil if there is none.
func (a *Archive) Disk(name string) *Disk { return a.byName[name] }

// Sized tells the disk the size that ova.xml gives it. The last chunk is always
// there, so that it must be that of the chunks.
func (d *Disk) Sized(n int64) error {
	if n == d.size {
		return nil
	}
	class := block.ErrCorrupt
	if n > d.size {
		class = block.ErrTruncated
	}
	return block.Errorf(format, "disk "+quote(d.Name), -1, class, "its chunks end at %d, and %s says %d bytes", d.size, Descriptor, n)
}

// Size implements block.Reader.
func (d *Disk) Size() int64 { return d.size }

// find returns the first chunk that ends behind off.
func (d *Disk) find(off int64) int {
	return sort.Search(len(d.chunks), func(i int) bool { return d.chunks[i].off+int64(d.chunks[i].n) > off })
}

// ReadAt implements io.ReaderAt. What it reads has passed its checksum.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, d.size)
	clear(q)
	end := off + int64(len(q))
	for i := d.find(off); i < len(d.chunks) && d.chunks[i].off < end; i++ {
		c := d.chunks[i]
		from, to := max(c.off, off), min(c.off+int64(c.n), end)
		if err := d.copy(q[from-off:to-off], i, from-c.off); err != nil {
			return int(from - off), err
		}
	}
	return len(q), eof
}

// copy copies bytes of a chunk, which is read and verified as a whole.
func (d *Disk) copy(q []byte, i int, from int64) error {
	d.mu.Lock()
	if d.at == i {
		copy(q, d.held[from:])
		d.mu.Unlock()
		return nil
	}
	d.mu.Unlock()
	b := make([]byte, d.chunks[i].n)
	if err := d.read(b, i); err != nil {
		return err
	}
	copy(q, b[from:])
	d.mu.Lock()
	d.at, d.held = i, b
	d.mu.Unlock()
	return nil
}

func (d *Disk) read(b []byte, i int) error {
	c := d.chunks[i]
	if err := block.ReadFull(d.r, b, c.at); err != nil {
		return block.Locate(format, "chunk", c.at, err)
	}
	if c.algo == 0 {
		return nil
	}
	sum := sha1.Sum(b)
	got := hex.EncodeToString(sum[:])
	if c.algo == sumXXH {
		got = fmt.Sprintf("%016x", xxh64.Sum(b))
	}
	want := make([]byte, len(got))
	if err := block.ReadFull(d.r, want, c.sum); err != nil {
		return block.Locate(format, "checksum", c.sum, err)
	}
	if !bytes.EqualFold(want, []byte(got)) {
		return block.Errorf(format, "chunk of "+quote(d.Name), c.at, block.ErrCorrupt, "its checksum is %s, and %q is said", got, want)
	}
	return nil
}

// Extent implements block.Device. Chunks are no place for others to read from, since
// their checksums would not count.
func (d *Disk) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= d.size {
		return block.Extent{}, io.EOF
	}
	i := d.find(off)
	if i < len(d.chunks) && d.chunks[i].off <= off {
		return block.Extent{Off: off, Len: d.chunks[i].off + int64(d.chunks[i].n) - off}, nil
	}
	end := d.size
	if i < len(d.chunks) {
		end = d.chunks[i].off
	}
	return block.Extent{Off: off, Len: end - off, Zero: true, Unset: true}, nil
}

// Verify reads all chunks and returns a fault for each whose checksum is wrong.
func (d *Disk) Verify(ctx context.Context, fault func(error)) error {
	b := make([]byte, MaxChunk)
	for i, c := range d.chunks {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := d.read(b[:c.n], i); errors.Is(err, block.ErrCorrupt) {
			fault(err)
		} else if err != nil {
			return err
		}
	}
	return nil
}
