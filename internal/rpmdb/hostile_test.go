package rpmdb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/rpmdb"
	"github.com/guestkit/guestkit/internal/testimg"
)

var (
	be = binary.BigEndian
	le = binary.LittleEndian
)

// header builds a header of string tags and one epoch.
func header(name string) []byte {
	type tag struct{ tag, typ, off uint32 }
	var data []byte
	var tags []tag
	for i, s := range []string{name, "1.2", "3.el9"} {
		tags = append(tags, tag{uint32(1000 + i), 6, uint32(len(data))})
		data = append(append(data, s...), 0)
	}
	data = append(data, make([]byte, -len(data)&3)...)
	tags = append(tags, tag{1003, 4, uint32(len(data))})
	data = be.AppendUint32(data, 7)
	b := be.AppendUint32(nil, uint32(len(tags)))
	b = be.AppendUint32(b, uint32(len(data)))
	for _, t := range tags {
		for _, v := range []uint32{t.tag, t.typ, t.off, 1} {
			b = be.AppendUint32(b, v)
		}
	}
	return append(b, data...)
}

// buildNDB builds an ndb file of one page of slots a 255 packages.
func buildNDB(blobs [][]byte) []byte {
	b := make([]byte, 4096)
	copy(b, "RpmP")
	le.PutUint32(b[12:], 1)
	for at := 32; at < 4096; at += 16 {
		copy(b[at:], "Slot")
	}
	for i, blob := range blobs {
		e := make([]byte, 16, 16+len(blob)+32)
		copy(e, "BlbS")
		le.PutUint32(e[4:], uint32(i+1))
		le.PutUint32(e[12:], uint32(len(blob)))
		e = append(e, blob...)
		e = append(e, make([]byte, -(len(e)+12)&15)...)
		e = le.AppendUint32(e, adler32.Checksum(e))
		e = le.AppendUint32(e, uint32(len(blob)))
		e = append(e, "BlbE"...)
		s := b[32+16*i:]
		le.PutUint32(s[4:], uint32(i+1))
		le.PutUint32(s[8:], uint32(len(b)/16))
		le.PutUint32(s[12:], uint32(len(e)/16))
		b = append(b, e...)
	}
	return b
}

// buildSQLite builds a database of one schema page, an interior page and two
// leaves; the second package lies on overflow pages.
func buildSQLite() []byte {
	const page = 512
	b := make([]byte, 6*page)
	copy(b, "SQLite format 3\x00")
	be.PutUint16(b[16:], page)
	b[18], b[19], b[21], b[22], b[23] = 1, 1, 64, 32, 32
	be.PutUint32(b[28:], 6)
	be.PutUint32(b[56:], 1)
	leaf := func(p []byte, head int, cell []byte) {
		h := p[head:]
		h[0] = 13
		be.PutUint16(h[3:], 1)
		at := page - len(cell)
		be.PutUint16(h[8:], uint16(at))
		copy(p[at:], cell)
	}
	sql := "CREATE TABLE Packages(hnum INTEGER PRIMARY KEY, blob BLOB)"
	rec := []byte{6, 13 + 2*5, 13 + 2*8, 13 + 2*8, 1, byte(13 + 2*len(sql))}
	rec[0] = 7 // the last type takes two bytes
	rec = append(rec[:5], 0x81, byte(13+2*len(sql))&0x7f)
	rec = append(rec, "tablePackagesPackages"...)
	rec = append(rec, 2)
	rec = append(rec, sql...)
	leaf(b, 100, append([]byte{byte(len(rec)), 1}, rec...))
	p := b[page:] // page 2, the root
	p[0] = 5
	be.PutUint16(p[3:], 1)
	be.PutUint32(p[8:], 4)
	be.PutUint16(p[12:], page-5)
	be.PutUint32(p[page-5:], 3)
	p[page-1] = 1
	blob := header("first")
	row := append([]byte{4, 0, 0x82, byte((12 + 2*len(blob)) & 0x7f)}, blob...)
	row[2] = byte(0x80 | (12+2*len(blob))>>7)
	leaf(b[2*page:], 0, append([]byte{byte(0x80 | len(row)>>7), byte(len(row) & 0x7f), 1}, row...))
	big := header("second" + string(bytes.Repeat([]byte{'x'}, 1000)))
	row = append([]byte{4, 0, byte(0x80 | (12+2*len(big))>>7), byte((12 + 2*len(big)) & 0x7f)}, big...)
	least := (page-12)*32/255 - 23
	local := least + (len(row)-least)%(page-4)
	if local > page-35 {
		local = least
	}
	cell := append([]byte{byte(0x80 | len(row)>>7), byte(len(row) & 0x7f), 2}, row[:local]...)
	leaf(b[3*page:], 0, be.AppendUint32(cell, 5))
	rest := row[local:]
	be.PutUint32(b[4*page:], 6)
	n := copy(b[4*page+4:5*page], rest)
	copy(b[5*page+4:], rest[n:])
	return b
}

// buildBDB builds a hash database of one page with a small value and one on two
// overflow pages.
func buildBDB() []byte {
	const page = 512
	b := make([]byte, 4*page)
	le.PutUint32(b[0x0c:], 0x61561)
	le.PutUint32(b[0x10:], 9)
	le.PutUint32(b[0x14:], page)
	b[0x19] = 8
	le.PutUint32(b[0x20:], 3)
	small, big := header("first"), header("second"+string(bytes.Repeat([]byte{'x'}, 800)))
	off := append([]byte{3, 0, 0, 0}, make([]byte, 8)...)
	le.PutUint32(off[4:], 2)
	le.PutUint32(off[8:], uint32(len(big)))
	p := b[page : 2*page]
	p[25] = 13
	end := page
	items := [][]byte{{1, 0, 0, 0, 0}, {1, 9, 0, 0, 0}, {1, 1, 0, 0, 0}, append([]byte{1}, small...), {1, 2, 0, 0, 0}, off}
	le.PutUint16(p[20:], uint16(len(items)))
	for i, it := range items {
		end -= len(it)
		copy(p[end:], it)
		le.PutUint16(p[26+2*i:], uint16(end))
	}
	for i, next := range []uint32{3, 0} { // 486 bytes a page
		o := b[(2+i)*page:]
		o[25] = 7
		n := copy(o[26:page], big)
		big = big[n:]
		le.PutUint16(o[22:], uint16(n))
		le.PutUint32(o[16:], next)
	}
	return b
}

// names reads all names of a database, and the first error.
func names(b []byte) (out []string, err error) {
	e := rpmdb.Read(context.Background(), bytes.NewReader(b), nil, func(p rpmdb.Package, e error) error {
		if e != nil {
			if err == nil {
				err = e
			}
			return nil
		}
		out = append(out, p.Name)
		return nil
	})
	if e != nil {
		err = e
	}
	return out, err
}

func TestBuilt(t *testing.T) {
	for kind, b := range map[string][]byte{"ndb": buildNDB([][]byte{header("first"), header("second")}), "sqlite": buildSQLite(), "bdb": buildBDB()} {
		got, err := names(b)
		if err != nil || len(got) != 2 || got[0] != "first" || got[1][:6] != "second" {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
	}
}

func TestHostile(t *testing.T) {
	put := func(o binary.AppendByteOrder, at int, v uint32) func([]byte) {
		return func(b []byte) { copy(b[at:], o.AppendUint32(nil, v)) }
	}
	head := func(at int, v uint32) []byte { h := header("x"); be.PutUint32(h[at:], v); return buildNDB([][]byte{h}) }
	poke := func(b []byte, f func([]byte)) []byte { f(b); return b }
	const page = 512
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"M01 il":                    {head(0, 0x7fffffff), block.ErrLimit},
		"M02 dl":                    {head(4, 0x7fffffff), block.ErrLimit},
		"il past the end":           {head(0, 65536), block.ErrTruncated},
		"tag outside":               {head(16, 0x10000), block.ErrCorrupt},
		"tag of another type":       {head(12, 4), block.ErrCorrupt},
		"M03 page points at itself": {poke(buildSQLite(), put(be, 2*page-5, 2)), block.ErrLoop},
		"M03 overflow loop":         {poke(buildSQLite(), put(be, 4*page, 5)), block.ErrCorrupt},
		"overflow past the end":     {poke(buildSQLite(), put(be, 4*page, 99)), block.ErrCorrupt},
		"M04 payload": {poke(buildSQLite(), func(b []byte) {
			at := 2*page + int(be.Uint16(b[2*page+8:]))
			copy(b[at:], bytes.Repeat([]byte{0xff}, 9))
		}), block.ErrLimit},
		"M05 no table":            {poke(buildSQLite(), func(b []byte) { copy(b[bytes.Index(b, []byte("tablePackages")):], "view ") }), block.ErrFormat},
		"page size 3":             {poke(buildSQLite(), func(b []byte) { be.PutUint16(b[16:], 3) }), block.ErrCorrupt},
		"UTF-16":                  {poke(buildSQLite(), put(be, 56, 2)), block.ErrUnsupported},
		"root is an index":        {poke(buildSQLite(), func(b []byte) { b[page] = 2 }), block.ErrCorrupt},
		"M06 overflow chain":      {poke(buildBDB(), put(le, 2*page+16, 2)), block.ErrCorrupt},
		"chain ends early":        {poke(buildBDB(), put(le, 2*page+16, 0)), block.ErrCorrupt},
		"value of 4 GiB":          {poke(buildBDB(), func(b []byte) { put(le, bytes.LastIndex(b[:2*page], []byte{3, 0, 0, 0, 2, 0, 0, 0})+8, 0xffffffff)(b) }), block.ErrLimit},
		"page count":              {poke(buildBDB(), put(le, 0x20, 0x7fffffff)), block.ErrTruncated},
		"encrypted":               {poke(buildBDB(), func(b []byte) { b[0x18] = 1 }), block.ErrEncrypted},
		"page size 0":             {poke(buildBDB(), put(le, 0x14, 0)), block.ErrCorrupt},
		"entries past the page":   {poke(buildBDB(), func(b []byte) { le.PutUint16(b[page+20:], 0xfffe) }), block.ErrCorrupt},
		"entry outside":           {poke(buildBDB(), func(b []byte) { le.PutUint16(b[page+26:], 0xffff) }), block.ErrCorrupt},
		"slot pages":              {poke(buildNDB(nil), put(le, 12, 0xffffffff)), block.ErrLimit},
		"slot pages past the end": {poke(buildNDB(nil), put(le, 12, 2)), block.ErrTruncated},
		"blob checksum":           {poke(buildNDB([][]byte{header("x")}), func(b []byte) { b[4096+40]++ }), block.ErrCorrupt},
		"blob over the slots":     {poke(buildNDB([][]byte{header("x")}), put(le, 40, 1)), block.ErrCorrupt},
		"blob past the end":       {poke(buildNDB([][]byte{header("x")}), put(le, 40, 1<<20)), block.ErrTruncated},
		"something else":          {make([]byte, 4096), block.ErrFormat},
		"empty":                   {nil, block.ErrTruncated},
	} {
		_, err := names(c.b)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestMutations(t *testing.T) {
	for kind, b := range map[string][]byte{"ndb": buildNDB([][]byte{header("first"), header("second")}), "sqlite": buildSQLite(), "bdb": buildBDB()} {
		t.Run(kind, func(t *testing.T) {
			testimg.Mutate(t, testimg.Mutations{Image: b, Run: func(r block.Reader) error {
				var first error
				err := rpmdb.Read(context.Background(), r, nil, func(_ rpmdb.Package, err error) error {
					if first == nil {
						first = err
					}
					return nil
				})
				if err == nil {
					err = first
				}
				return err
			}})
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(buildNDB([][]byte{header("first"), header("second")}), []byte(nil))
	f.Add(buildSQLite(), []byte("7\x7f\x06\x82"))
	f.Add(buildBDB(), []byte(nil))
	f.Fuzz(func(t *testing.T, db, wal []byte) {
		rpmdb.Read(context.Background(), bytes.NewReader(db), bytes.NewReader(wal), func(p rpmdb.Package, err error) error {
			if err == nil && (p.Name == "" || p.Version == "" || p.Release == "") {
				t.Error("a package without a name, version or release")
			}
			p.Files()
			return nil
		})
	})
}
