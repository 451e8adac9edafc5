package ova

import (
	"archive/tar"
	"encoding/binary"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/tarhead"
)

// What bounds the map of a sparse member.
const (
	maxSparseMap = 1 << 20 // bytes of it; archive/tar takes no more
	mapRoom      = 16      // headers before that of a member: pax records, long names
)

// A fragment is a run of a sparse member that has bytes.
type fragment struct{ off, n, at int64 } // in the member, and where its bytes lie

// A sparseFile is a member that is stored without its holes, as GNU tar -S does.
type sparseFile struct {
	r     block.Reader
	size  int64
	parts []fragment // in order
}

func (s *sparseFile) Size() int64 { return s.size }

// find returns the first part that ends behind off.
func (s *sparseFile) find(off int64) int {
	return sort.Search(len(s.parts), func(i int) bool { return s.parts[i].off+s.parts[i].n > off })
}

func (s *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, s.size)
	clear(q)
	end := off + int64(len(q))
	for i := s.find(off); i < len(s.parts) && s.parts[i].off < end; i++ {
		f := s.parts[i]
		from, to := max(f.off, off), min(f.off+f.n, end)
		if err := block.ReadFull(s.r, q[from-off:to-off], f.at+from-f.off); err != nil {
			return int(from - off), err
		}
	}
	return len(q), eof
}

// Extent implements block.Device.
func (s *sparseFile) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= s.size {
		return block.Extent{}, io.EOF
	}
	i := s.find(off)
	switch {
	case i == len(s.parts):
		return block.Extent{Off: off, Len: s.size - off, Zero: true, Unset: true}, nil
	case s.parts[i].off > off:
		return block.Extent{Off: off, Len: s.parts[i].off - off, Zero: true, Unset: true}, nil
	}
	f := s.parts[i]
	return block.Extent{Off: off, Len: f.off + f.n - off, Host: s.r, HostOff: f.at + off - f.off}, nil
}

// readSparse reads the map of a sparse member, whose headers begin at start and
// whose bytes at data: in the header and blocks behind it (oldgnu), in the pax
// records (0.0 and 0.1), or before the bytes (1.0). The formats are those of the
// manual of GNU tar, "Storing Sparse Files".
func readSparse(r block.Reader, h *tar.Header, start, data int64) (*sparseFile, error) {
	bad := func(detail string, args ...any) error {
		return block.Errorf(format, "sparse map of "+quote(h.Name), start, block.ErrCorrupt, detail, args...)
	}
	at, head, err := memberHeader(r, start)
	if err != nil {
		return nil, err
	}
	var numbers []int64
	switch text := h.PAXRecords["GNU.sparse.map"]; {
	case h.Typeflag == tar.TypeGNUSparse:
		numbers, err = oldMap(r, at, head)
	case h.PAXRecords["GNU.sparse.major"] == "1":
		numbers, err = mapBefore(r, at+tarhead.BlockSize, data)
	case text != "":
		numbers, err = decimals(strings.Split(text, ","))
	case h.PAXRecords["GNU.sparse.numblocks"] != "0":
		return nil, bad("it is of a kind that is not known")
	}
	if err != nil || len(numbers)%2 != 0 {
		return nil, bad("its numbers are damaged")
	}
	s := &sparseFile{r: r, size: h.Size}
	end := int64(0)
	for i := 0; i < len(numbers); i += 2 {
		f := fragment{numbers[i], numbers[i+1], data}
		switch {
		case f.off < end || f.n < 0 || f.off > h.Size || f.n > h.Size-f.off:
			return nil, bad("the run of %d bytes at %d of %d is out of place", f.n, f.off, h.Size)
		case f.n > r.Size()-data:
			return nil, block.Errorf(format, "member "+quote(h.Name), data, block.ErrTruncated, "a run has %d bytes, and the archive %d from there", f.n, max(r.Size()-data, 0))
		case f.n > 0:
			s.parts = append(s.parts, f)
		}
		end = f.off + f.n
		data += f.n
	}
	return s, nil
}

// stored is how many bytes of the member lie in the archive.
func (s *sparseFile) stored() int64 {
	n := int64(0)
	for _, f := range s.parts {
		n += f.n
	}
	return n
}

// memberHeader returns the header of a member, behind those of pax records and
// long names.
func memberHeader(r block.Reader, off int64) (int64, []byte, error) {
	for range mapRoom {
		b, err := block.ReadBytes(r, off, tarhead.BlockSize, tarhead.BlockSize)
		if err != nil {
			return 0, nil, block.Locate(format, "tar header", off, err)
		}
		switch b[156] {
		case tar.TypeXHeader, tar.TypeGNULongName, tar.TypeGNULongLink:
			n, err := number(b[124:136])
			if err != nil || n > r.Size()-off {
				return 0, nil, block.Errorf(format, "tar header", off, block.ErrCorrupt, "its size is damaged")
			}
			off += tarhead.BlockSize + tarhead.Padded(n)
		default:
			return off, b, nil
		}
	}
	return 0, nil, block.Errorf(format, "tar header", off, block.ErrLimit, "more than %d headers of one member", mapRoom)
}

// oldMap reads four pairs of numbers in the header, and 21 in each block behind
// it while these say that there are more.
func oldMap(r block.Reader, at int64, b []byte) ([]int64, error) {
	var out []int64
	pairs, more := b[386:482], b[482]
	for {
		for ; len(pairs) >= 24 && pairs[0] != 0; pairs = pairs[24:] {
			for _, field := range [][]byte{pairs[:12], pairs[12:24]} {
				n, err := number(field)
				if err != nil {
					return nil, err
				}
				out = append(out, n)
			}
		}
		if more == 0 {
			return out, nil
		}
		if at += tarhead.BlockSize; len(out) > maxSparseMap {
			return nil, strconv.ErrRange
		}
		next, err := block.ReadBytes(r, at, tarhead.BlockSize, tarhead.BlockSize)
		if err != nil {
			return nil, err
		}
		pairs, more = next[:504], next[504]
	}
}

// mapBefore reads the numbers, each on a line, that lie from at to data: how many
// pairs there are, and the pairs.
func mapBefore(r block.Reader, at, data int64) ([]int64, error) {
	if data < at {
		return nil, strconv.ErrRange
	}
	b, err := block.ReadBytes(r, at, data-at, 2*maxSparseMap)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(b), "\n")
	n, err := strconv.ParseInt(lines[0], 10, 32)
	if err != nil || n < 0 || 2*n > int64(len(lines)-1) {
		return nil, strconv.ErrRange
	}
	return decimals(lines[1 : 1+2*n])
}

func decimals(texts []string) ([]int64, error) {
	out := make([]int64, 0, len(texts))
	for _, t := range texts {
		n, err := strconv.ParseInt(t, 10, 64)
		if err != nil || n < 0 {
			return nil, strconv.ErrRange
		}
		out = append(out, n)
	}
	return out, nil
}

// number is a field of a header: octal, or binary where its first bit is set.
func number(b []byte) (int64, error) {
	if b[0]&0x80 != 0 {
		n := int64(binary.BigEndian.Uint64(b[len(b)-8:]))
		for _, c := range b[1 : len(b)-8] {
			if c != 0 {
				return 0, strconv.ErrRange
			}
		}
		if b[0] != 0x80 || n < 0 {
			return 0, strconv.ErrRange
		}
		return n, nil
	}
	n, err := strconv.ParseUint(strings.Trim(string(b), " \x00"), 8, 63)
	return int64(n), err
}
