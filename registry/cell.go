package registry

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// A cell is the content of one that is in use.
type cell struct {
	h    *Hive
	what string // whose it is, for errors
	off  int64  // of the content in the file
	size int64
}

// cell finds the cell at an offset that some structure gives.
func (h *Hive) cell(what string, offset uint32) (cell, error) {
	at := int64(offset)
	fail := func(detail string) (cell, error) {
		return cell{}, block.Errorf(format, what, baseSize+at, block.ErrCorrupt, "%s", detail)
	}
	switch {
	case offset == nowhere:
		return cell{}, block.Errorf(format, what, -1, block.ErrCorrupt, "it points nowhere")
	case at >= h.bins.end && h.bins.err != nil:
		return cell{}, h.bins.err
	case at >= h.bins.end:
		return fail("it points past the hive bins")
	}
	start, end := h.bins.find(at)
	m, err := h.cells(start, end)
	switch {
	case err != nil:
		return cell{}, err
	case at-start >= m.end && m.err != nil:
		return cell{}, m.err
	case !m.has(at - start):
		return fail("no cell begins where it points")
	}
	b, err := h.pages.View(baseSize+at, 4)
	if err != nil {
		return cell{}, block.Locate(format, what, baseSize+at, err)
	}
	if int32(binary.LittleEndian.Uint32(b)) > 0 {
		return fail("the cell is not in use")
	}
	return cell{h, what, baseSize + at + 4, cellSize(b) - 4}, nil
}

// view returns n bytes at the offset off of the cell, which the caller does
// not change. n is a structure's size or a name's length.
func (c cell) view(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > c.size || n > c.size-off {
		return nil, c.corrupt("%d bytes at %d do not fit into its cell of %d bytes", n, off, c.size)
	}
	b, err := c.h.pages.View(c.off+off, int(n))
	return b, block.Locate(format, c.what, c.off, err)
}

// read appends n bytes at the offset off of the cell to p.
func (c cell) read(p []byte, off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > c.size || n > c.size-off {
		return nil, c.corrupt("%d bytes at %d do not fit into its cell of %d bytes", n, off, c.size)
	}
	if n <= pageSize {
		b, err := c.view(off, n)
		return append(p, b...), err
	}
	at := len(p)
	p = append(p, make([]byte, n)...)
	if err := block.ReadFull(c.h.r, p[at:], c.off+off); err != nil {
		return nil, block.Locate(format, c.what, c.off, err)
	}
	return p, nil
}

// is reports whether the cell begins with the two letters of a structure.
func (c cell) is(signature string) bool {
	b, err := c.view(0, 2)
	return err == nil && string(b) == signature
}

func (c cell) corrupt(detail string, args ...any) error {
	return block.Errorf(format, c.what, c.off, block.ErrCorrupt, detail, args...)
}
