package ntfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestHostileBoot pokes the boot sector and the root directory's record.
func TestHostileBoot(t *testing.T) {
	root := newEditor(t).offset(5)
	for _, c := range []struct {
		name  string
		off   int64
		bytes string
		want  error
	}{
		{"N01", 0x0D, "\x00", block.ErrCorrupt},
		{"N02", 0x40, "\x80", block.ErrCorrupt},
		{"N03", 0x30, "\x00\x00\x00\x00\x00\x00\x00\x40", block.ErrCorrupt},
		{"N04", root + 0x3C, "\x00\x00\x00\x00", block.ErrCorrupt},
		{"N05", root + 0x06, "\xff\xff", block.ErrCorrupt},
		{"N06", root + 0x3C, "\xff\xff\xff\xff", block.ErrCorrupt},
		{"sector size", 0x0B, "\x00\x01", block.ErrCorrupt},
		{"sector size 768", 0x0B, "\x00\x03", block.ErrCorrupt},
		{"3 sectors per cluster", 0x0D, "\x03", block.ErrCorrupt},
		{"4 MiB clusters", 0x0D, "\xf3", block.ErrCorrupt},
		{"2^255 sectors per cluster", 0x0D, "\x81", block.ErrCorrupt},
		{"no sectors", 0x28, "\x00\x00\x00\x00\x00\x00\x00\x00", block.ErrCorrupt},
		{"2^64 sectors", 0x28, "\xff\xff\xff\xff\xff\xff\xff\xff", block.ErrCorrupt},
		{"256-byte records", 0x40, "\xf8", block.ErrCorrupt},
		{"128 KiB records", 0x40, "\xef", block.ErrCorrupt},
		{"no index blocks", 0x44, "\x00", block.ErrCorrupt},
		{"mirror", 0x38, "\xff\xff\xff\xff\xff\xff\xff\x7f", block.ErrCorrupt},
		{"not NTFS", 0x03, "NTFs", block.ErrFormat},
		{"root is a file", root + 0x16, "\x01", block.ErrCorrupt},
		{"torn root", root + 0x1FE, "\xaa\x55", block.ErrCorrupt},
	} {
		img := fixture(t, "small.img.gz")
		copy(img[c.off:], c.bytes)
		if _, err := ntfs.Open(bytes.NewReader(img), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	for _, n := range []int{0, 3, 511} {
		if _, err := ntfs.Open(bytes.NewReader(fixture(t, "small.img.gz")[:n]), nil); !errors.Is(err, block.ErrFormat) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

const (
	typeList   = 0x20
	typeName   = 0x30
	typeVolume = 0x70
	typeData   = 0x80
	typeRoot   = 0x90
	typeLink   = 0xC0
)

// TestHostile damages one structure at a time. What is sound is still read.
func TestHostile(t *testing.T) {
	le := binary.LittleEndian
	pairs := func(b string) func(a []byte) {
		return func(a []byte) { copy(a[le.Uint16(a[0x20:]):], b) }
	}
	for _, c := range []struct {
		name string
		path string // what fails
		want error
		edit func(e *editor)
	}{
		{"N07 attribute list that lists itself", "links/one", block.ErrLoop, func(e *editor) {
			e.list("links/one", func(v []byte) { le.PutUint32(v, typeList) })
		}},
		{"attribute list of length 0", "links/one", block.ErrCorrupt, func(e *editor) {
			e.list("links/one", func(v []byte) { le.PutUint16(v[4:], 0) })
		}},
		{"attribute list that names another's record", "links/one", block.ErrCorrupt, func(e *editor) {
			e.list("links/one", func(v []byte) {
				for ; len(v) >= 0x1A; v = v[le.Uint16(v[4:]):] {
					if le.Uint32(v) == typeName {
						le.PutUint64(v[0x10:], 5|5<<48)
					}
				}
			})
		}},
		{"N08 run of 2^63 clusters", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", pairs("\x08\xff\xff\xff\xff\xff\xff\xff\x7f"))
		}},
		{"run of -1 clusters", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", pairs("\x11\xff\x10\x00"))
		}},
		{"run past the volume", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", pairs("\x31\x03\xff\xff\x0f\x00"))
		}},
		{"run over the MFT", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", pairs("\x11\x03\x04\x00"))
		}},
		{"run over the boot sector", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", pairs("\x11\x03\x00\x00"))
		}},
		{"too few clusters", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", pairs("\x00"))
		}},
		{"size above what is allocated", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", func(a []byte) { le.PutUint64(a[0x30:], 1<<62) })
		}},
		{"negative size", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", func(a []byte) { le.PutUint64(a[0x30:], 1<<63) })
		}},
		{"EFS", "plain/big", block.ErrEncrypted, func(e *editor) {
			e.attr(e.num("plain/big"), typeData, "", func(a []byte) { le.PutUint16(a[0x0C:], 0x4000) })
		}},
		{"resident value past its end", "plain/resident", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/resident"), typeData, "", func(a []byte) { le.PutUint32(a[0x10:], 0xFFFFFFF0) })
		}},
		{"N09 two ways to an index block", "plain/dir", block.ErrLoop, func(e *editor) {
			e.value(e.num("plain/dir"), typeRoot, "$I30", func(v []byte) {
				for v = v[0x20:]; ; v = v[le.Uint16(v[8:]):] {
					n := le.Uint16(v[8:])
					le.PutUint64(v[n-8:], 0)
					if v[0x0C]&2 != 0 {
						return
					}
				}
			})
		}},
		{"index block that is its own child", "plain/dir", block.ErrLoop, func(e *editor) {
			e.indexBlocks("plain/dir", func(_ int, b []byte) {
				h := b[0x18:]
				last := h[le.Uint32(h[4:])-0x10:] // the last entry has no key
				le.PutUint16(last[8:], 0x18)
				last[0x0C] |= 1
				copy(last[0x10:], b[0x10:0x18])
				le.PutUint32(h[4:], le.Uint32(h[4:])+8)
			})
		}},
		{"index block of another place", "plain/dir", block.ErrCorrupt, func(e *editor) {
			e.indexBlocks("plain/dir", func(_ int, b []byte) { le.PutUint64(b[0x10:], 77) })
		}},
		{"index entry of length 0", "plain/dir", block.ErrCorrupt, func(e *editor) {
			e.indexBlocks("plain/dir", func(_ int, b []byte) {
				h := b[0x18:]
				le.PutUint16(h[le.Uint32(h):][8:], 0)
			})
		}},
		{"index that ends past its block", "plain/dir", block.ErrCorrupt, func(e *editor) {
			e.indexBlocks("plain/dir", func(_ int, b []byte) { le.PutUint32(b[0x1C:], 0xFFFFFFFF) })
		}},
		{"N10 LZNT1 past its chunk", "plain/packed/text", block.ErrCorrupt, func(e *editor) {
			e.lznt1("plain/packed/text", []byte{0x05, 0xB0, 6, 'z', 0xFC, 0x0F, 0xFC, 0x0F})
		}},
		{"compression method 2", "plain/packed/text", block.ErrUnsupported, func(e *editor) {
			e.attr(e.num("plain/packed/text"), typeData, "", func(a []byte) { a[0x0C] = 2 })
		}},
		{"compression units of 2^40 clusters", "plain/packed/text", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/packed/text"), typeData, "", func(a []byte) { a[0x22] = 40 })
		}},
		{"WOF without its stream", "plain/wof/text 0", block.ErrCorrupt, func(e *editor) {
			e.attr(e.num("plain/wof/text 0"), typeData, "WofCompressedData", func(a []byte) { a[le.Uint16(a[0x0A:])] = 'X' })
		}},
		{"WOF chunk table", "plain/wof/code 0", block.ErrCorrupt, func(e *editor) { e.put("plain/wof/code 0:WofCompressedData", 4, []byte{0, 0, 0, 0}) }},
		{"XPRESS code", "plain/wof/code 0", block.ErrCorrupt, func(e *editor) {
			e.put("plain/wof/code 0:WofCompressedData", 8*4, bytes.Repeat([]byte{0x11}, 256))
		}},
		{"WIMBoot", "plain/wof/text 0", block.ErrUnsupported, func(e *editor) {
			e.value(e.num("plain/wof/text 0"), typeLink, "", func(v []byte) { v[8+4] = 1 })
		}},
		{"stale reference", "alone/x-y-z", block.ErrCorrupt, func(e *editor) { e.entry("alone", e.num("alone/x-y-z")|77<<48) }},
		{"directory that holds the root", "alone/x-y-z", block.ErrLoop, func(e *editor) { e.entry("alone", 5|5<<48) }},
		{"directory that holds itself", "alone/x-y-z", block.ErrLoop, func(e *editor) { e.entry("alone", e.ref("alone")) }},
		{"directory of two parents", "alone/x-y-z", block.ErrLoop, func(e *editor) { e.entry("alone", e.ref("plain/dir")) }},
		{"file of another directory", "alone/x-y-z", block.ErrCorrupt, func(e *editor) { e.entry("alone", e.ref("plain/big")) }},
		{"record that is not in use", "plain/big", block.ErrCorrupt, func(e *editor) { e.record(e.num("plain/big"), func(b []byte) { b[0x16] = 0 }) }},
		{"record that extends another", "plain/big", block.ErrCorrupt, func(e *editor) { e.record(e.num("plain/big"), func(b []byte) { b[0x20] = 9 }) }},
		{"attribute without an end", "plain/big", block.ErrCorrupt, func(e *editor) {
			e.record(e.num("plain/big"), func(b []byte) { le.PutUint32(b[0x18:], uint32(le.Uint16(b[0x14:]))+0x60) })
		}},
		{"N13 link to itself", "links/relative", block.ErrLoop, func(e *editor) {
			e.value(e.num("links/relative"), typeLink, "", func(v []byte) {
				le.PutUint16(v[8+2:], 2*8)
				copy(v[8+12:], utf16le("relative"))
			})
		}},
		{"link target past its end", "links/relative", block.ErrCorrupt, func(e *editor) {
			e.value(e.num("links/relative"), typeLink, "", func(v []byte) { le.PutUint16(v[8+2:], 0xFFFE) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEditor(t)
			if err := firstError(openBytes(t, e.img), c.path); err != nil {
				t.Fatalf("before it is damaged: %v", err)
			}
			c.edit(e)
			fsys := openBytes(t, e.img)
			if err := firstError(fsys, c.path); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.path, err, c.want)
			}
			if b, err := fs.ReadFile(fsys, "odd/case"); string(b) != "case" || err != nil {
				t.Errorf("a sound file: %q, %v", b, err)
			}
			read(fsys)
		})
	}
}

// firstError stats a path, follows it, reads it and lists it.
func firstError(fsys vfs.FS, path string) error {
	fi, err := fsys.Stat(path)
	if err != nil {
		return err
	}
	if fi.IsDir() {
		_, err := fsys.ReadDir(path)
		return err
	}
	_, err = fs.ReadFile(fsys, path)
	return err
}

// ref returns the reference to a file: its record and sequence number.
func (e *editor) ref(name string) uint64 {
	num := e.num(name)
	return num | uint64(binary.LittleEndian.Uint16(e.img[e.offset(num)+0x10:]))<<48
}

// entry changes the first entry of a small directory to lead elsewhere.
func (e *editor) entry(dir string, ref uint64) {
	e.value(e.num(dir), typeRoot, "$I30", func(v []byte) { binary.LittleEndian.PutUint64(v[0x20:], ref) })
}

// list changes the attribute list of a file, resident or not.
func (e *editor) list(name string, change func(v []byte)) {
	e.attr(e.num(name), typeList, "", func(a []byte) {
		if a[8] == 0 {
			off := binary.LittleEndian.Uint16(a[0x14:])
			change(a[off : uint32(off)+binary.LittleEndian.Uint32(a[0x10:])])
			return
		}
		p := a[binary.LittleEndian.Uint16(a[0x20:]):] // one run
		lcn := int64(0)
		for i := int(p[0] >> 4); i > 0; i-- {
			lcn = lcn<<8 | int64(p[int(p[0]&15)+i])
		}
		change(e.img[lcn*4096:][:binary.LittleEndian.Uint64(a[0x30:])])
	})
}

// lznt1 replaces the start of a compressed file.
func (e *editor) lznt1(name string, b []byte) {
	e.attr(e.num(name), typeData, "", func(a []byte) {
		p := a[binary.LittleEndian.Uint16(a[0x20:]):]
		lcn := int64(0)
		for i := int(p[0] >> 4); i > 0; i-- {
			lcn = lcn<<8 | int64(p[int(p[0]&15)+i])
		}
		copy(e.img[lcn*4096:], b)
	})
}

// N11: names that no path of the host may have.
func TestHostileNames(t *testing.T) {
	e := newEditor(t)
	name := utf16le("\x00/\u202e:z")
	e.value(e.num("alone/x-y-z"), typeName, "", func(v []byte) { copy(v[0x42:], name) })
	e.value(e.num("alone"), typeRoot, "$I30", func(v []byte) { copy(v[0x20+0x10+0x42:], name) })
	fsys := openBytes(t, e.img)
	ents, err := fsys.ReadDir("alone")
	if err != nil || len(ents) != 1 || vfs.RawName(ents[0]) != "\x00/\u202e:z" || strings.ContainsAny(ents[0].Name(), "\x00/") {
		t.Fatalf("%v, %v", ents, err)
	}
	if fi, err := fsys.Stat("alone/" + ents[0].Name()); err != nil || !fi.IsDir() {
		t.Errorf("%v, %v", fi, err)
	}
}

// TestMirror damages the first records of the MFT: their copies are used.
func TestMirror(t *testing.T) {
	sound, err := testimg.ReadTree(openBytes(t, fixture(t, "small.img.gz")), testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for num := range uint64(4) {
		e := newEditor(t)
		copy(e.img[e.offset(num):], "XXXX")
		fsys := openBytes(t, e.img)
		tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
		if err != nil || listing(tree) != listing(sound) || fsys.Info().Label != "Fixture ü" {
			t.Errorf("record %d: another tree, %v", num, err)
		}
		if num != 1 && !hasProblem(fsys, block.ErrCorrupt) { // nothing reads record 1
			t.Errorf("record %d: problems %v", num, fsys.Problems())
		}
	}
	// N12: a sparse run in both.
	e := newEditor(t)
	holes := func(a []byte) { a[binary.LittleEndian.Uint16(a[0x20:])] &= 0x0F }
	mirror := int64(binary.LittleEndian.Uint64(e.img[0x38:])) * 4096
	e.attr(0, typeData, "", holes)
	if _, err := ntfs.Open(bytes.NewReader(e.img), nil); err != nil {
		t.Errorf("a sparse MFT with a sound mirror: %v", err)
	}
	copy(e.img[mirror:], e.img[e.offset(0):][:recordSize])
	if _, err := ntfs.Open(bytes.NewReader(e.img), nil); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("a sparse MFT: %v", err)
	}
}

func hasProblem(fsys vfs.FS, class error) bool {
	for _, err := range fsys.Problems() {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// TestState reads what a volume says of its state (N14 among it).
func TestState(t *testing.T) {
	restart := func(lsn uint64, client, flags uint16) []byte {
		b := make([]byte, 4096)
		copy(b, "RSTR")
		le := binary.LittleEndian
		le.PutUint16(b[4:], 0x1E)
		le.PutUint16(b[6:], 9)
		le.PutUint32(b[0x10:], 4096)
		le.PutUint32(b[0x14:], 4096)
		le.PutUint16(b[0x18:], 0x30)
		le.PutUint16(b[0x1C:], 2)
		le.PutUint64(b[0x30:], lsn)
		le.PutUint16(b[0x30+0x0C:], client)
		le.PutUint16(b[0x30+0x0E:], flags)
		le.PutUint16(b[0x1E:], 7)
		fix(b)
		return b
	}
	for _, c := range []struct {
		name              string
		dirty, hibernated bool
		edit              func(e *editor)
	}{
		{"sound", false, false, func(*editor) {}},
		{"dirty flag", true, false, func(e *editor) { e.value(3, typeVolume, "", func(v []byte) { v[10] |= 1 }) }},
		{"hibernated", false, true, func(e *editor) { e.put("hiberfil.sys", 0, []byte("hibr")) }},
		{"fast startup", false, true, func(e *editor) { e.put("hiberfil.sys", 0, []byte("HIBR")) }},
		{"woken", false, false, func(e *editor) { e.put("hiberfil.sys", 0, []byte("WAKE")) }},
		{"open log", true, false, func(e *editor) { e.put("$LogFile", 0, restart(5, 0, 0)) }},
		{"closed log", false, false, func(e *editor) { e.put("$LogFile", 0, restart(5, 0, 2)) }},
		{"log without clients", false, false, func(e *editor) { e.put("$LogFile", 0, restart(5, 0xFFFF, 0)) }},
		{"log closed later", false, false, func(e *editor) {
			e.put("$LogFile", 0, restart(5, 0, 0))
			e.put("$LogFile", 4096, restart(6, 0, 2))
		}},
		{"log opened later", true, false, func(e *editor) {
			e.put("$LogFile", 0, restart(5, 0, 2))
			e.put("$LogFile", 4096, restart(6, 0, 0))
		}},
		{"torn log", true, false, func(e *editor) {
			e.put("$LogFile", 0, append(restart(5, 0, 2)[:510], 1, 1))
			e.put("$LogFile", 4096, append(restart(5, 0, 2)[:510], 1, 1))
		}},
	} {
		e := newEditor(t)
		c.edit(e)
		fsys := openBytes(t, e.img)
		info := fsys.Info()
		if info.Dirty != c.dirty || info.Hibernated != c.hibernated || hasProblem(fsys, block.ErrDirty) != (c.dirty || c.hibernated) {
			t.Errorf("%s: dirty %v, hibernated %v, problems %v", c.name, info.Dirty, info.Hibernated, fsys.Problems())
		}
		if err := read(fsys); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestValid reads a file of which only a part was ever written.
func TestValid(t *testing.T) {
	e := newEditor(t)
	want, err := fs.ReadFile(openBytes(t, e.img), "plain/big")
	if err != nil {
		t.Fatal(err)
	}
	e.attr(e.num("plain/big"), typeData, "", func(a []byte) { binary.LittleEndian.PutUint64(a[0x38:], 5000) })
	clear(want[5000:])
	h, err := openBytes(t, e.img).Open("plain/big")
	if err != nil {
		t.Fatal(err)
	}
	d := h.(block.Device)
	testimg.TestDevice(t, d, bytes.NewReader(want), 4096)
	if x, err := d.Extent(5000); err != nil || !x.Zero || x.Unset {
		t.Errorf("what was not written: %+v, %v", x, err)
	}
}

// TestTruncated cuts the image: what lies past the end is no zeros.
func TestTruncated(t *testing.T) {
	img := fixture(t, "small.img.gz")
	x := newEditor(t).extents("plain/big")[0]
	fsys := openBytes(t, img[:x.HostOff+100])
	if !hasProblem(fsys, block.ErrTruncated) {
		t.Errorf("problems: %v", fsys.Problems())
	}
	if _, err := fs.ReadFile(fsys, "plain/big"); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("plain/big: %v", err)
	}
}

// TestLostUpCase compares names without the volume's own table.
func TestLostUpCase(t *testing.T) {
	e := newEditor(t)
	copy(e.img[e.offset(10):], "XXXX")
	fsys := openBytes(t, e.img)
	if b, err := fs.ReadFile(fsys, "ODD/àé"); string(b) != "ÀÉ" || err != nil || !hasProblem(fsys, block.ErrCorrupt) {
		t.Errorf("%q, %v; problems %v", b, err, fsys.Problems())
	}
}

// TestMutations damages what a walk over the volume reads.
func TestMutations(t *testing.T) {
	img := fixture(t, "small.img.gz")
	trace := &testimg.Trace{Reader: bytes.NewReader(img)}
	fsys, err := ntfs.Open(trace, nil)
	if err != nil {
		t.Fatal(err)
	}
	fsys.ReadDir("plain/dir")
	fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			d.Info()
		}
		return nil
	})
	var where []testimg.Range
	for _, r := range trace.Ranges() {
		if r.N <= 64<<10 || r.Off == 0 { // $UpCase would take most
			where = append(where, r)
		}
	}
	testimg.Mutate(t, testimg.Mutations{
		Image: img, Where: where, Seed: 6,
		Run: func(r block.Reader) error {
			fsys, err := ntfs.Open(r, &ntfs.Options{CacheBytes: 4 << 20})
			if err != nil {
				return err
			}
			err = read(fsys)
			fsys.Info()
			return err
		},
		Open: func(r block.Reader) (vfs.FS, error) { return ntfs.Open(r, &ntfs.Options{CacheBytes: 4 << 20}) },
		Seal: func(p *testimg.Patch, changed []int64) {
			for _, off := range changed {
				seal(p, off)
			}
		},
	})
}

// seal makes the ends of all strides of the structure at off agree with its
// update sequence number, as if it had been written with the damage.
func seal(p *testimg.Patch, off int64) {
	for _, size := range []int64{1024, 4096} {
		at := off / size * size
		if at+size > int64(len(p.Image)) {
			continue
		}
		b := p.Image[at : at+size]
		if m := string(b[:4]); size == 1024 && m != "FILE" || size == 4096 && m != "INDX" {
			continue
		}
		usa := int64(binary.LittleEndian.Uint16(b[4:]))
		if usa+2 > size {
			continue
		}
		for i := int64(512); i <= size; i += 512 {
			p.Write(at+i-2, bytes.Clone(b[usa:usa+2]))
		}
	}
}
