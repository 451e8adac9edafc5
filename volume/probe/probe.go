package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/sessions"
)

const (
	probeHead = 72 << 10 // holds the signatures of nearly all formats
	emptyHead = 1 << 20  // how far a volume is looked at before it is called empty
	emptyTail = 128 << 10
)

// Volume says what r holds. The error is one of reading; what cannot be told is
// a Found of Kind Unknown or Ambiguous.
func Volume(r block.Reader) (Found, error) {
	v := &view{r: r}
	v.head = v.read(0, min(probeHead, r.Size()))
	var hits []Found
	for _, look := range signatures {
		f, ok := look(v)
		if !ok {
			continue
		}
		hits = append(hits, f)
		if outermost(f) {
			break
		}
	}
	for _, look := range weak {
		if len(hits) > 0 {
			break
		}
		if f, ok := look(v); ok {
			hits = append(hits, f)
		}
	}
	switch {
	case len(hits) == 1:
		return hits[0], nil
	case len(hits) > 1:
		return choose(v, hits), nil
	case v.err != nil: // the signature may lie where nothing could be read
		return Found{}, block.Locate("", "volume", 0, v.err)
	}
	return nothing(r)
}

// nothing tells a volume of zeros from one that is not known.
func nothing(r block.Reader) (Found, error) {
	size := r.Size()
	if size == 0 {
		return Found{Kind: Empty, Reason: "it has no bytes"}, nil
	}
	head, tail := min(emptyHead, size), min(emptyTail, size)
	zero, err := allZero(r, 0, head)
	if zero && err == nil && head < size {
		zero, err = allZero(r, size-tail, tail)
	}
	switch {
	case err != nil:
		return Found{}, block.Locate("", "volume", 0, err)
	case !zero:
		return Found{Kind: Unknown, Reason: "no known signature"}, nil
	case head == size:
		return Found{Kind: Empty, Reason: "all of it is zeros"}, nil
	}
	return Found{Kind: Empty, Reason: fmt.Sprintf("the first %d KiB and the last %d KiB are zeros", head>>10, tail>>10)}, nil
}

// allZero reports whether n bytes at off are zeros; it reads only what a
// Device does not say to be zero.
func allZero(r block.Reader, off, n int64) (bool, error) {
	buf := make([]byte, 64<<10)
	for e, err := range block.Extents(block.Plain(r), off, n) {
		if err != nil {
			return false, err
		}
		if e.Zero {
			continue
		}
		for done := int64(0); done < e.Len; {
			b := buf[:min(int64(len(buf)), e.Len-done)]
			if err := block.ReadFull(r, b, e.Off+done); err != nil {
				return false, err
			}
			if len(bytes.Trim(b, "\x00")) != 0 {
				return false, nil
			}
			done += int64(len(b))
		}
	}
	return true, nil
}

// A view gives pieces of the volume to the probes.
type view struct {
	r    block.Reader
	head []byte
	err  error // the first of reading

	starts []int64 // of the sessions of a disc, in bytes; nil if nobody looked
}

// sessions returns where the sessions of a disc start, the last first.
func (v *view) sessions() []int64 {
	if v.starts == nil {
		starts, err := sessions.Find(v.r)
		if err != nil {
			v.fail(err)
		}
		for _, s := range slices.Backward(starts) {
			v.starts = append(v.starts, s*sessions.Sector)
		}
	}
	return v.starts
}

// pvd returns where the primary volume descriptor of ISO 9660 lies in the last
// session that has one.
func (v *view) pvd() int64 {
	for _, s := range v.sessions() {
		if v.has(s+pvdOff, "\x01CD001") {
			return s + pvdOff
		}
	}
	return pvdOff
}

// at returns the n bytes at off, or nil where they do not all exist.
func (v *view) at(off, n int64) []byte {
	if !v.exists(off, n) {
		return nil
	}
	if off+n <= int64(len(v.head)) {
		return v.head[off : off+n]
	}
	return v.read(off, n)
}

func (v *view) read(off, n int64) []byte {
	if b := make([]byte, n); v.fill(b, off) {
		return b
	}
	return nil
}

// fill reads what lies at off into b, and reports whether it could be read.
func (v *view) fill(b []byte, off int64) bool {
	err := block.ReadFull(v.r, b, off)
	if err != nil {
		v.fail(err)
	}
	return err == nil
}

// exists reports whether the volume has n bytes at off.
func (v *view) exists(off, n int64) bool {
	return off >= 0 && n >= 0 && off <= v.r.Size() && n <= v.r.Size()-off
}

func (v *view) fail(err error) {
	if v.err == nil {
		v.err = err
	}
}

// has reports whether magic lies at off.
func (v *view) has(off int64, magic string) bool {
	return string(v.at(off, int64(len(magic)))) == magic
}

func (v *view) u8(off int64) byte     { return orZero(v.at(off, 1))[0] }
func (v *view) le16(off int64) uint16 { return binary.LittleEndian.Uint16(orZero(v.at(off, 2))) }
func (v *view) le32(off int64) uint32 { return binary.LittleEndian.Uint32(orZero(v.at(off, 4))) }
func (v *view) le64(off int64) uint64 { return binary.LittleEndian.Uint64(orZero(v.at(off, 8))) }
func (v *view) be32(off int64) uint32 { return binary.BigEndian.Uint32(orZero(v.at(off, 4))) }

func (v *view) be64(off int64) uint64 { return binary.BigEndian.Uint64(orZero(v.at(off, 8))) }

func orZero(b []byte) []byte {
	if b == nil {
		return make([]byte, 8)
	}
	return b
}

// uuid writes the 16 bytes at off, "" if they are zeros.
func (v *view) uuid(off int64) string {
	b := v.at(off, 16)
	if len(bytes.Trim(b, "\x00")) == 0 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// text returns the n bytes at off up to their first NUL.
func (v *view) text(off, n int64) string {
	s, _, _ := strings.Cut(string(v.at(off, n)), "\x00")
	return s
}
