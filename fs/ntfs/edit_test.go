package ntfs_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// An editor changes structures of a volume and keeps their fixups right.
type editor struct {
	t       testing.TB
	img     []byte
	records []block.Extent // of $MFT
}

const recordSize = 1024 // of the fixture

func newEditor(t testing.TB) *editor {
	t.Helper()
	e := &editor{t: t, img: fixture(t, "small.img.gz")}
	e.records = e.extents("$MFT")
	return e
}

// extents returns where a file lies in the image as it is now.
func (e *editor) extents(name string) (out []block.Extent) {
	e.t.Helper()
	h, err := openBytes(e.t, e.img).Open(name)
	if err != nil {
		e.t.Fatal(err)
	}
	d := h.(block.Device)
	for x, err := range block.Extents(d, 0, d.Size()) {
		if err != nil {
			e.t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// num returns the number of the MFT record of a file.
func (e *editor) num(name string) uint64 {
	e.t.Helper()
	return testimg.Stat(e.t, openBytes(e.t, e.img), name).Ino
}

// offset returns where an MFT record lies.
func (e *editor) offset(num uint64) int64 {
	e.t.Helper()
	off := int64(num) * recordSize
	for _, x := range e.records {
		if off >= x.Off && off < x.Off+x.Len {
			return x.HostOff + off - x.Off
		}
	}
	e.t.Fatalf("no record %d", num)
	return 0
}

// unfix takes the fixups off a structure, fix puts them back.
func unfix(b []byte) {
	usa, count := binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
	for i := 1; i < int(count) && i*512 <= len(b); i++ {
		copy(b[i*512-2:i*512], b[int(usa)+2*i:])
	}
}

func fix(b []byte) {
	usa, count := binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:])
	for i := 1; i < int(count) && i*512 <= len(b); i++ {
		copy(b[int(usa)+2*i:], b[i*512-2:i*512])
		copy(b[i*512-2:i*512], b[usa:usa+2])
	}
}

// structure changes n bytes at off, which are under fixups.
func (e *editor) structure(off, n int64, change func(b []byte)) {
	b := e.img[off : off+n]
	unfix(b)
	change(b)
	fix(b)
}

// record changes an MFT record.
func (e *editor) record(num uint64, change func(b []byte)) {
	e.t.Helper()
	e.structure(e.offset(num), recordSize, change)
}

// attr changes the first attribute of a type and name in a record.
func (e *editor) attr(num uint64, typ uint32, name string, change func(a []byte)) {
	e.t.Helper()
	found := false
	e.record(num, func(b []byte) {
		for off := int(binary.LittleEndian.Uint16(b[0x14:])); off+8 <= len(b); {
			a := b[off:]
			if binary.LittleEndian.Uint32(a) == 0xFFFFFFFF {
				return
			}
			n := int(binary.LittleEndian.Uint32(a[4:]))
			nameOff, nameLen := int(binary.LittleEndian.Uint16(a[0x0A:])), 2*int(a[9])
			if binary.LittleEndian.Uint32(a) == typ && bytes.Equal(a[nameOff:nameOff+nameLen], utf16le(name)) {
				change(a[:n])
				found = true
				return
			}
			off += n
		}
	})
	if !found {
		e.t.Fatalf("record %d has no attribute %#x %s", num, typ, name)
	}
}

// value changes the value of a resident attribute.
func (e *editor) value(num uint64, typ uint32, name string, change func(v []byte)) {
	e.t.Helper()
	e.attr(num, typ, name, func(a []byte) {
		off := binary.LittleEndian.Uint16(a[0x14:])
		change(a[off : uint32(off)+binary.LittleEndian.Uint32(a[0x10:])])
	})
}

// indexBlock changes the first index block of a directory; it lies where its
// magic is found with one of the directory's names.
func (e *editor) indexBlocks(dir string, change func(i int, b []byte)) {
	e.t.Helper()
	num := e.num(dir)
	n := 0
	for off := int64(0); off+4096 <= int64(len(e.img)); off += 4096 {
		b := e.img[off : off+4096]
		if string(b[:4]) != "INDX" || binary.LittleEndian.Uint32(b[0x1C:]) < 0x70 {
			continue
		}
		first := b[0x18+binary.LittleEndian.Uint32(b[0x18:]):]
		if binary.LittleEndian.Uint64(first[0x10:])&(1<<48-1) == num {
			e.structure(off, 4096, func(b []byte) { change(n, b) })
			n++
		}
	}
	if n == 0 {
		e.t.Fatalf("%s has no index blocks", dir)
	}
}

// put changes the content of a file that is stored plainly.
func (e *editor) put(name string, off int64, b []byte) {
	e.t.Helper()
	for _, x := range e.extents(name) {
		if off >= x.Off && off < x.Off+x.Len && x.Host != nil {
			copy(e.img[x.HostOff+off-x.Off:], b)
			return
		}
	}
	e.t.Fatalf("%s has no byte %d", name, off)
}

// read reads all of a volume as far as it can, and returns the first error.
func read(fsys vfs.FS) (first error) {
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	buf := make([]byte, 64<<10)
	files := 0
	fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if keep(err); err != nil || d == nil {
			return nil
		}
		if files++; files > 2000 {
			return fs.SkipAll
		}
		fi, err := fsys.Lstat(p)
		if keep(err); err != nil {
			return nil
		}
		_, err = fsys.Xattrs(p)
		keep(err)
		if fi.Mode()&fs.ModeSymlink != 0 {
			_, err := fsys.ReadLink(p)
			keep(err)
			return nil
		}
		if !fi.Mode().IsRegular() {
			return nil
		}
		h, err := fsys.Open(p)
		if keep(err); err != nil {
			return nil
		}
		defer h.Close()
		dev := h.(block.Device)
		extents := 0
		for _, err := range block.Extents(dev, 0, dev.Size()) {
			keep(err)
			if extents++; extents > 1000 {
				break
			}
		}
		for off := int64(0); off < min(dev.Size(), 4<<20); off += int64(len(buf)) {
			if _, err := dev.ReadAt(buf, off); err != nil && err != io.EOF {
				keep(err)
				break
			}
		}
		return nil
	})
	return first
}
