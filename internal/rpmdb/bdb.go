package rpmdb

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	bdbHashMagic  = 0x00061561
	bdbHeader     = 26 // bytes of every page's header
	bdbOverflow   = 7
	bdbHash       = 13
	bdbHashOld    = 2 // unsorted
	bdbKeyData    = 1
	bdbOffPage    = 3
	bdbOffPageLen = 12
)

// bdbMeta is the metadata page of a hash database, as far as it is used.
type bdbMeta struct {
	magic    uint32 // 0x0c
	version  uint32 // 0x10
	pageSize uint32 // 0x14
	encrypt  uint8  // 0x18
	typ      uint8  // 0x19 8 for a hash
	lastPage uint32 // 0x20
}

func (m *bdbMeta) decode(b []byte, o binary.ByteOrder) {
	m.magic = o.Uint32(b[0x0c:])
	m.version = o.Uint32(b[0x10:])
	m.pageSize = o.Uint32(b[0x14:])
	m.encrypt, m.typ = b[0x18], b[0x19]
	m.lastPage = o.Uint32(b[0x20:])
}

// bdbOrder returns the byte order of a hash database, nil if it is none. A
// database is in the order of the machine that made it.
func bdbOrder(b []byte) binary.ByteOrder {
	for _, o := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if o.Uint32(b[0x0c:]) == bdbHashMagic {
			return o
		}
	}
	return nil
}

// bdb reads a hash database by its pages in order, not by its buckets: each
// page says what it is, and free pages say that they are free.
type bdb struct {
	r     block.Reader
	order binary.ByteOrder
	size  int64 // of a page
	pages int64
	fuel  int64 // overflow pages that may still be read
}

func readBDB(r block.Reader, w *walk) error {
	head, err := block.ReadBytes(r, 0, 512, 512)
	if err != nil {
		return err
	}
	d := &bdb{r: r, order: bdbOrder(head)}
	var m bdbMeta
	m.decode(head, d.order)
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf("bdb", "metadata page", off, class, detail, args...)
	}
	switch {
	case m.version < 7 || m.version > 10:
		return fault(0x10, block.ErrUnsupported, "hash version %d, 7 to 10 are read", m.version)
	case m.encrypt != 0:
		return fault(0x18, block.ErrEncrypted, "algorithm %d", m.encrypt)
	case m.typ != 8:
		return fault(0x19, block.ErrUnsupported, "page type %d", m.typ)
	case m.pageSize < 512 || m.pageSize > 64<<10 || m.pageSize&(m.pageSize-1) != 0:
		return fault(0x14, block.ErrCorrupt, "pages of %d bytes", m.pageSize)
	}
	d.size = int64(m.pageSize)
	d.pages = int64(m.lastPage) + 1
	if d.pages > r.Size()/d.size {
		return fault(0x20, block.ErrTruncated, "%d pages, the file has %d", d.pages, r.Size()/d.size)
	}
	d.fuel = d.pages
	for n := int64(1); n < d.pages; n++ {
		if err := d.page(n, w); err != nil {
			return err
		}
	}
	return nil
}

// page visits the pairs of a hash page: a key and a header.
func (d *bdb) page(n int64, w *walk) error {
	if err := w.step(); err != nil {
		return err
	}
	p, err := block.ReadBytes(d.r, n*d.size, d.size, d.size)
	if err != nil {
		return block.Locate("bdb", "page", n*d.size, err)
	}
	if t := p[25]; t != bdbHash && t != bdbHashOld {
		return nil
	}
	entries := int(d.order.Uint16(p[20:]))
	if bdbHeader+2*entries > len(p) || entries%2 != 0 {
		return block.Errorf("bdb", "hash page", n*d.size, block.ErrCorrupt, "%d entries", entries)
	}
	end := len(p)
	for i := range entries {
		at := int(d.order.Uint16(p[bdbHeader+2*i:]))
		if at < bdbHeader+2*entries || at >= end {
			return block.Errorf("bdb", "hash page", n*d.size, block.ErrCorrupt, "entry %d at %d", i, at)
		}
		item := p[at:end]
		end = at // items lie one below the other
		if i%2 == 0 {
			continue // a key: the number of the package
		}
		if err := d.item(item, n, w); err != nil {
			return err
		}
	}
	return nil
}

// item visits the value of a pair.
func (d *bdb) item(b []byte, n int64, w *walk) error {
	switch {
	case b[0] == bdbKeyData && len(b) <= 5:
		return nil // the record of key 0 is a counter, not a package
	case b[0] == bdbKeyData:
		return w.blob(b[1:], n*d.size)
	case b[0] == bdbOffPage && len(b) >= bdbOffPageLen:
		first, size := int64(d.order.Uint32(b[4:])), int64(d.order.Uint32(b[8:]))
		data, err := d.overflow(first, size, w)
		if err != nil {
			return w.lost(err)
		}
		return w.blob(data, first*d.size)
	}
	return w.lost(block.Errorf("bdb", "hash page", n*d.size, block.ErrUnsupported, "a value of the type %d", b[0]))
}

// overflow collects size bytes from a chain of overflow pages.
func (d *bdb) overflow(first, size int64, w *walk) ([]byte, error) {
	if size > MaxHeader || size > d.pages*d.size {
		return nil, block.Errorf("bdb", "overflow page", first*d.size, block.ErrLimit, "a value of %d bytes", size)
	}
	var out []byte
	n := first
	for int64(len(out)) < size {
		if n <= 0 || n >= d.pages {
			return nil, block.Errorf("bdb", "overflow page", n*d.size, block.ErrCorrupt, "page %d of %d; %d of %d bytes were found", n, d.pages, len(out), size)
		}
		if d.fuel--; d.fuel < 0 {
			return nil, block.Errorf("bdb", "overflow page", n*d.size, block.ErrLoop, "more overflow pages than the file has")
		}
		if err := w.step(); err != nil {
			return nil, err
		}
		p, err := block.ReadBytes(d.r, n*d.size, d.size, d.size)
		if err != nil {
			return nil, block.Locate("bdb", "overflow page", n*d.size, err)
		}
		used := int64(d.order.Uint16(p[22:]))
		if p[25] != bdbOverflow || used == 0 || used > d.size-bdbHeader {
			return nil, block.Errorf("bdb", "overflow page", n*d.size, block.ErrCorrupt, "type %d with %d bytes", p[25], used)
		}
		out = append(out, p[bdbHeader:bdbHeader+min(used, size-int64(len(out)))]...)
		n = int64(d.order.Uint32(p[16:]))
	}
	if n != 0 {
		return nil, block.Errorf("bdb", "overflow page", first*d.size, block.ErrCorrupt, "the chain goes on behind the end of its value, to page %d", n)
	}
	return out, nil
}
