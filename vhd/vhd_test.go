package vhd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhd"
)

const (
	blockSize  = 64 << 10 // 128 sectors, a bitmap of 16 bytes in one sector
	tableAt    = 0x600
	differing  = 4
	sectorSize = 512
)

var be = binary.BigEndian

// seal repairs the checksums of both footers and of the dynamic header.
func seal(b []byte) {
	sum := func(b []byte, at int) {
		be.PutUint32(b[at:], 0)
		n := uint32(0)
		for _, c := range b {
			n += uint32(c)
		}
		be.PutUint32(b[at:], ^n)
	}
	sum(b[:512], 0x40)
	sum(b[512:1536], 0x24)
	sum(b[len(b)-512:], 0x40)
}

// build makes a dynamic or differencing image byte by byte. Each letter of the
// plan is a block: 'd' all sectors stored, 'h' every third one, '.' none. The
// disk has only what is stored; change is applied to the head and the result
// copied to the footer at the end.
func build(plan string, size int64, diskType uint32, change func(b []byte)) (image, disk []byte) {
	h := make([]byte, tableAt+512)
	copy(h, "conectix")
	be.PutUint32(h[0x08:], 2)
	be.PutUint32(h[0x0c:], 0x00010000)
	be.PutUint64(h[0x10:], 512)
	copy(h[0x1c:], "win ")
	be.PutUint64(h[0x28:], uint64(size))
	be.PutUint64(h[0x30:], uint64(size))
	be.PutUint32(h[0x3c:], diskType)
	for i := range 16 {
		h[0x44+i] = byte(diskType)
	}
	d := h[512:]
	copy(d, "cxsparse")
	be.PutUint64(d[8:], 1<<64-1)
	be.PutUint64(d[0x10:], tableAt)
	be.PutUint32(d[0x18:], 0x00010000)
	be.PutUint32(d[0x1c:], uint32(len(plan)))
	be.PutUint32(d[0x20:], blockSize)
	for i := range h[tableAt:] {
		h[tableAt+i] = 0xff
	}
	rng := rand.New(rand.NewPCG(uint64(diskType), 3))
	disk = make([]byte, len(plan)*blockSize)
	image = h
	for i, c := range plan {
		if c == '.' {
			continue
		}
		be.PutUint32(image[tableAt+4*i:], uint32(len(image)/512))
		bitmap, data := make([]byte, 512), make([]byte, blockSize)
		for s := range blockSize / sectorSize {
			sector := data[s*sectorSize : (s+1)*sectorSize]
			for j := range sector { // what no bit covers is there and must not show
				sector[j] = byte(rng.Uint32())
			}
			if c == 'd' || s%3 == 0 {
				bitmap[s/8] |= 0x80 >> (s % 8)
				copy(disk[i*blockSize+s*sectorSize:], sector)
			}
		}
		image = append(append(image, bitmap...), data...)
	}
	if change != nil {
		change(image)
	}
	image = append(image, image[:512]...)
	seal(image)
	return image, disk[:size]
}

func open(t *testing.T, image []byte, o *vhd.Options) *vhd.Image {
	t.Helper()
	im, err := vhd.Open(bytes.NewReader(image), o)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func TestDynamic(t *testing.T) {
	image, disk := build("d.hd.", 5*blockSize-3*512, 3, nil)
	im := open(t, image, nil)
	testimg.TestDevice(t, im, bytes.NewReader(disk), blockSize)
	if i := im.Info(); i.Subformat != "dynamic" || i.Creator != "win" || i.BlockSize != blockSize {
		t.Errorf("Info = %+v", i)
	}
	if len(im.Problems()) != 0 {
		t.Errorf("problems: %v", im.Problems())
	}
	im.Close()
	if _, err := im.Extent(0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Extent after Close: %v", err)
	}
}

func TestLargeBlocksNeedSeveralViewsOfTheBitmap(t *testing.T) {
	const bs = 8 << 20 // a bitmap of 2 KiB
	image, _ := build("", 0, 3, func(b []byte) {
		be.PutUint64(b[0x30:], bs)
		be.PutUint32(b[512+0x20:], bs)
		be.PutUint32(b[512+0x1c:], 1)
		be.PutUint32(b[tableAt:], uint32(len(b)/512))
	})
	image = image[:len(image)-512]
	bitmap := bytes.Repeat([]byte{0xff}, 2048)
	bitmap[700] = 0 // 8 sectors from 700*8 on
	want := make([]byte, bs)
	for i := range want {
		want[i] = byte(i>>9) | 1
	}
	image = append(append(append(image, bitmap...), want...), image[:512]...)
	seal(image)
	clear(want[700*8*512 : 701*8*512])
	testimg.TestDevice(t, open(t, image, nil), bytes.NewReader(want), 2<<20)
}

func TestFixed(t *testing.T) {
	image, _ := build("", 0, 2, func(b []byte) {
		be.PutUint64(b[0x10:], 1<<64-1)
		be.PutUint64(b[0x30:], 0x800)
	})
	disk := image[:0x800] // its content is what a guest wrote: here a footer that is not one
	testimg.TestDevice(t, open(t, image, nil), bytes.NewReader(disk), 512)
	old := image[:len(image)-1] // 511 bytes
	testimg.TestDevice(t, open(t, old, nil), bytes.NewReader(disk), 512)
	if _, err := vhd.Open(bytes.NewReader(image[512:]), nil); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("a fixed image without its beginning: %v, want ErrTruncated", err)
	}
}

func TestSizeRules(t *testing.T) {
	geometry := func(creator string, c uint16, h, s byte, current uint64) func([]byte) {
		return func(b []byte) {
			copy(b[0x1c:], creator)
			be.PutUint16(b[0x38:], c)
			b[0x3a], b[0x3b] = h, s
			be.PutUint64(b[0x30:], current)
			be.PutUint32(b[512+0x1c:], 0x400000)
		}
	}
	for _, c := range []struct {
		name   string
		change func([]byte)
		rule   vhd.SizeRule
		want   int64
	}{
		{"qemu", geometry("qemu", 1, 4, 17, 66048), 0, 1 * 4 * 17 * 512},
		{"qem2", geometry("qem2", 1, 4, 17, 66048), 0, 66048},
		{"win", geometry("win ", 1, 4, 17, 66048), 0, 66048},
		{"azure", geometry("wa\x00\x00", 1, 4, 17, 66048), 0, 66048},
		{"unknown creator", geometry("bsci", 1, 4, 17, 66048), 0, 66048},
		{"Virtual Server", geometry("vs  ", 1, 4, 17, 66048), 0, 1 * 4 * 17 * 512},
		{"largest geometry", geometry("vpc ", 65535, 16, 255, 200<<30), 0, 200 << 30},
		{"forced current", geometry("vpc ", 1, 4, 17, 66048), vhd.SizeCurrent, 66048},
		{"forced geometry", geometry("win ", 1, 4, 17, 66048), vhd.SizeGeometry, 1 * 4 * 17 * 512},
		{"no geometry", geometry("vpc ", 0, 0, 0, 66048), 0, 66048},
	} {
		image, _ := build("", 0, 3, func(b []byte) {
			c.change(b)
			be.PutUint32(b[512+0x1c:], 128)
			be.PutUint32(b[512+0x20:], 1<<30) // 128 blocks of 1 GiB
			if c.want == 200<<30 {
				be.PutUint32(b[512+0x1c:], 200)
				be.PutUint32(b[512+0x20:], 1<<30)
			}
		})
		image = append(image[:len(image)-512], append(make([]byte, 1024), image[len(image)-512:]...)...)
		im, err := vhd.Open(bytes.NewReader(image), &vhd.Options{Size: c.rule})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if im.Size() != c.want {
			t.Errorf("%s: size %d, want %d", c.name, im.Size(), c.want)
		}
	}
}

func TestOneBadFooter(t *testing.T) {
	image, disk := build("d.h", 3*blockSize, 3, nil)
	for name, at := range map[string]int{"H08 at the beginning": 0x40, "at the end": len(image) - 512 + 0x40, "cookie at the end": len(image) - 512} {
		bad := bytes.Clone(image)
		bad[at] ^= 0x55
		im := open(t, bad, nil)
		testimg.TestDevice(t, im, bytes.NewReader(disk), blockSize)
		if ps := im.Problems(); len(ps) != 1 || !errors.Is(ps[0], block.ErrCorrupt) {
			t.Errorf("%s: problems %v, want one that is ErrCorrupt", name, ps)
		}
	}
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// dated is an image whose file was written to at a time.
type dated struct {
	*vhd.Image
	at time.Time
}

func (d dated) Modified() time.Time { return d.at }

func TestDifferencing(t *testing.T) {
	parent, pdisk := build("ddd", 3*blockSize, 3, nil)
	child, cdisk := build("h.d.", 4*blockSize, differing, func(b []byte) {
		for i := range 16 {
			b[512+0x28+i] = 3
		}
		name := utf16le(`.\base.vhd`)
		l := b[512+0x240:]
		copy(l, "W2ru")
		be.PutUint32(l[4:], 512)
		be.PutUint32(l[8:], uint32(len(name)))
		be.PutUint64(l[16:], 0x700)
		copy(b[0x700:], name)
	})
	for i := range cdisk {
		if sector, n := i/512%128, i/blockSize; (n == 0 && sector%3 != 0 || n == 1) && i < len(pdisk) {
			cdisk[i] = pdisk[i]
		}
	}
	if _, err := vhd.Open(bytes.NewReader(child), nil); !errors.Is(err, block.ErrParent) || !errors.Is(err, block.ErrRefused) {
		t.Fatalf("a child without an Opener: %v", err)
	}
	opener := func(image []byte) *vhd.Options {
		return &vhd.Options{Opener: func(r block.Ref) (block.Device, error) {
			if r.Name != "base.vhd" || r.Kind != "parent" || r.Format != "vhd" {
				t.Errorf("Ref = %+v", r)
			}
			return vhd.Open(bytes.NewReader(image), nil)
		}}
	}
	im := open(t, child, opener(parent))
	testimg.TestDevice(t, im, bytes.NewReader(cdisk), blockSize)
	if e, _ := im.Extent(512); e.Depth != 1 {
		t.Errorf("a sector of the parent has depth %d", e.Depth)
	}
	if len(im.Problems()) != 0 {
		t.Errorf("problems: %v", im.Problems())
	}
	// The time of the parent's file is compared where it is known.
	epoch := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for seconds, odd := range map[time.Duration]bool{1000: false, 1001: false, 2000: true} {
		b := bytes.Clone(child)
		be.PutUint32(b[512+0x38:], 1000)
		seal(b)
		p, err := vhd.Open(bytes.NewReader(parent), nil)
		if err != nil {
			t.Fatal(err)
		}
		im := open(t, b, &vhd.Options{Opener: func(block.Ref) (block.Device, error) { return dated{p, epoch.Add(seconds * time.Second)}, nil }})
		if ps := im.Problems(); (len(ps) == 1) != odd || odd && !errors.Is(ps[0], block.ErrCorrupt) {
			t.Errorf("a parent of %d seconds: problems %v", seconds, ps)
		}
	}
	wrong, _ := build("ddd", 3*blockSize, 2, func(b []byte) { be.PutUint32(b[0x3c:], 3) })
	if _, err := vhd.Open(bytes.NewReader(child), opener(wrong)); !errors.Is(err, block.ErrParent) {
		t.Errorf("the wrong parent: %v, want ErrParent", err)
	}
}

func TestHostile(t *testing.T) {
	put32 := func(at int, v uint32) func([]byte) { return func(b []byte) { be.PutUint32(b[at:], v) } }
	put64 := func(at int, v uint64) func([]byte) { return func(b []byte) { be.PutUint64(b[at:], v) } }
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"H01 block size 0":         {put32(0x220, 0), block.ErrCorrupt},
		"H02 block size":           {put32(0x220, 0x12345678), block.ErrCorrupt},
		"H03 table entries":        {put32(0x21c, 0xffffffff), block.ErrTruncated},
		"H04 table offset":         {put64(0x210, 1<<62), block.ErrCorrupt},
		"table cut by the end":     {put32(0x21c, 1<<20), block.ErrTruncated},
		"H05 header is the footer": {put64(0x10, 0), block.ErrCorrupt},
		"header past the end":      {put64(0x10, 1<<40), block.ErrCorrupt},
		"H06 size":                 {put64(0x30, 1<<60), block.ErrLimit},
		"H07 table too small":      {put32(0x21c, 1), block.ErrCorrupt},
		"H09 block past the end":   {put32(tableAt+4, 0x7fffffff), block.ErrTruncated},
		"block over the footer":    {func(b []byte) { be.PutUint32(b[tableAt+4:], uint32((len(b)-blockSize)/512)) }, block.ErrTruncated},
		"H10 differencing":         {put32(0x3c, 4), block.ErrParent},
		"block over the header":    {put32(tableAt, 0), block.ErrCorrupt},
		"block over the BAT":       {put32(tableAt, 3), block.ErrCorrupt},
		"version":                  {put32(0x0c, 0x00020000), block.ErrUnsupported},
		"header version":           {put32(0x218, 0x00020000), block.ErrUnsupported},
		"type":                     {put32(0x3c, 9), block.ErrUnsupported},
		"odd size":                 {put64(0x30, 100), block.ErrCorrupt},
		"parent name past the end": {func(b []byte) {
			be.PutUint32(b[0x3c:], 4)
			copy(b[0x240+512:], "W2ru")
			be.PutUint32(b[0x248+512:], 20)
			be.PutUint64(b[0x250+512:], 1<<63)
		}, block.ErrCorrupt},
		"parent name of 2 GiB": {func(b []byte) {
			be.PutUint32(b[0x3c:], 4)
			copy(b[0x240+512:], "W2ku")
			be.PutUint32(b[0x248+512:], 1<<31)
		}, block.ErrLimit},
	} {
		image, _ := build("dd.h", 4*blockSize, 3, c.change)
		im, err := vhd.Open(bytes.NewReader(image), nil)
		if err == nil {
			err = testimg.ReadDevice(im, im.Size())
			if e := testimg.Extents(im); !errors.Is(e, c.want) {
				t.Errorf("%s: the extents give %v, want %v", name, e, c.want)
			}
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	image, _ := build("d", blockSize, 3, nil)
	other := bytes.Clone(image)
	be.PutUint64(other[len(other)-512+0x30:], 512)
	seal(other)
	if _, err := vhd.Open(bytes.NewReader(other), nil); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("footers that disagree: %v, want ErrCorrupt", err)
	}
	bad := bytes.Clone(image)
	bad[0x224] ^= 1
	if _, err := vhd.Open(bytes.NewReader(bad), nil); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("header checksum: %v, want ErrCorrupt", err)
	}
	for _, b := range [][]byte{nil, image[:100], make([]byte, 4096)} {
		if _, err := vhd.Open(bytes.NewReader(b), nil); !errors.Is(err, block.ErrFormat) {
			t.Errorf("%d bytes of something else: %v, want ErrFormat", len(b), err)
		}
	}
}

func TestMutations(t *testing.T) {
	image, _ := build("d.hd.", 5*blockSize, 3, nil)
	testimg.Mutate(t, testimg.Mutations{Image: image, Where: []testimg.Range{{Off: 0, N: 0x70}, {Off: 512, N: 0x40}, {Off: tableAt, N: 24}, {Off: 0x800, N: 512}},
		Seal: func(p *testimg.Patch, _ []int64) {
			b := bytes.Clone(p.Image)
			copy(b[len(b)-512:], b[:512])
			seal(b)
			p.Write(0, b[:1536])
			p.Write(int64(len(b))-512, b[len(b)-512:])
		},
		Run: func(r block.Reader) error {
			vhd.Check(context.Background(), r, nil, nil)
			im, err := vhd.Open(r, nil)
			if err != nil {
				return err
			}
			return testimg.ReadDevice(im, 64<<20)
		}})
}

// TestPeer reads images that qemu-img made and compares every byte.
func TestPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for name, c := range map[string]struct{ opts, kind string }{
		"dynamic":        {"subformat=dynamic", "dynamic"},
		"dynamic forced": {"subformat=dynamic,force_size=on", "dynamic"},
		"fixed":          {"subformat=fixed", "fixed"},
		"fixed forced":   {"subformat=fixed,force_size=on", "fixed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			img, raw := filepath.Join(dir, "a.vhd"), filepath.Join(dir, "a.raw")
			peers.Run(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", c.opts, img, "37.5M")
			peers.Run(t, "qemu-io", "-f", "vpc", "-c", "write -P 0x41 0 64k", "-c", "write -P 0x42 5M 3M", "-c", "write -P 7 20000768 100k", "-c", "write -P 9 37M 512k", img)
			peers.Run(t, "qemu-img", "convert", "-f", "vpc", "-O", "raw", img, raw)
			im, err := vhd.Open(testimg.File(t, img), nil)
			if err != nil {
				t.Fatal(err)
			}
			testimg.TestDevice(t, im, testimg.File(t, raw), 2<<20)
			if i := im.Info(); i.Subformat != c.kind {
				t.Errorf("Info = %+v", i)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	image, _ := build("d.h", 3*blockSize, 3, nil)
	f.Add(uint16(0x30), []byte{0, 0, 1}, true)
	f.Add(uint16(tableAt), []byte{0, 0, 0, 1}, false)
	f.Fuzz(func(t *testing.T, at uint16, with []byte, sealed bool) {
		b := bytes.Clone(image)
		copy(b[int(at)%2560:2560], with)
		if sealed {
			copy(b[len(b)-512:], b[:512])
			seal(b)
		}
		if im, err := vhd.Open(bytes.NewReader(b), nil); err == nil {
			testimg.ReadDevice(im, 16<<20)
		}
	})
}

// TestTwoSizes: whenever it is not beyond doubt which size is the disk's, the
// other one is told of.
func TestTwoSizes(t *testing.T) {
	for creator, told := range map[string]bool{"win ": false, "qem2": false, "qemu": true, "vpc ": true, "bsci": true, "xo  ": true} {
		image, _ := build("................", 1<<20, 3, func(b []byte) {
			copy(b[0x1c:], creator)
			be.PutUint16(b[0x38:], 30)
			b[0x3a], b[0x3b] = 4, 17
		})
		im, err := vhd.Open(bytes.NewReader(image), nil)
		if err != nil {
			t.Errorf("%q: %v", creator, err)
			continue
		}
		if got := len(im.Problems()) == 1 && errors.Is(im.Problems()[0], vhd.ErrSizes); got != told {
			t.Errorf("%q: %v", creator, im.Problems())
		}
		res, err := vhd.Check(context.Background(), bytes.NewReader(image), nil, nil)
		if err != nil || res.Corruptions > 0 || len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "1048576") || !strings.Contains(res.Notes[0], "1044480") || !strings.Contains(res.Notes[0], strings.TrimSpace(creator)) {
			t.Errorf("%q: check says %+v, %v", creator, res, err)
		}
	}
}

// TestPadding has zeros behind the footer, as sectors and tapes fill up.
func TestPadding(t *testing.T) {
	disk := bytes.Repeat([]byte{1, 2, 3, 4}, 1<<10)
	f := &memFile{}
	w, err := vhd.NewWriter(f, &vhd.Layout{Size: int64(len(disk)), Subformat: "fixed"})
	if err == nil {
		if _, err = w.WriteAt(disk, 0); err == nil {
			err = w.Commit()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 511, 512, 3584, vhd.MaxPadding - 512} {
		im, err := vhd.Open(bytes.NewReader(append(bytes.Clone(f.b), make([]byte, n)...)), nil)
		if err != nil {
			t.Errorf("%d bytes: %v", n, err)
			continue
		}
		testimg.TestDevice(t, im, bytes.NewReader(disk), 512)
		if got := len(im.Problems()); got != min(n, 1) {
			t.Errorf("%d bytes: %v", n, im.Problems())
		}
	}
	if _, err := vhd.Open(bytes.NewReader(append(bytes.Clone(f.b), make([]byte, 2*vhd.MaxPadding)...)), nil); !errors.Is(err, block.ErrFormat) {
		t.Errorf("%v, want ErrFormat", err)
	}
}

// TestLargeTable has a table for a disk of 2 TiB, as XenServer makes it for a
// small one.
func TestLargeTable(t *testing.T) {
	const entries = 1 << 20
	image, want := build("dh", 2*blockSize, 3, nil)
	at := int64(be.Uint64(image[512+0x10:]))
	table := bytes.Repeat([]byte{0xff}, 4*entries)
	moved := int64(len(table)) - 512
	for i := range 2 {
		if e := be.Uint32(image[at+4*int64(i):]); e != 0xffffffff {
			be.PutUint32(table[4*i:], e+uint32(moved/512))
		}
	}
	big := append(append(bytes.Clone(image[:at]), table...), image[at+512:]...)
	be.PutUint32(big[512+0x1c:], entries)
	be.PutUint32(big[512+0x24:], 0)
	sum := uint32(0)
	for _, c := range big[512 : 512+1024] {
		sum += uint32(c)
	}
	be.PutUint32(big[512+0x24:], ^sum)
	im, err := vhd.Open(bytes.NewReader(big), nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes.NewReader(want), blockSize)
	if res, err := vhd.Check(context.Background(), bytes.NewReader(big), nil, func(f block.Fault) { t.Error(f.Err) }); err != nil || !res.Clean() {
		t.Errorf("%+v, %v", res, err)
	}
}

// A memFile is a file in memory.
type memFile struct{ b []byte }

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if n := int(off) + len(p) - len(f.b); n > 0 {
		f.b = append(f.b, make([]byte, n)...)
	}
	return copy(f.b[off:], p), nil
}

func (f *memFile) Truncate(n int64) error {
	if int(n) > len(f.b) {
		f.b = append(f.b, make([]byte, int(n)-len(f.b))...)
	}
	f.b = f.b[:n]
	return nil
}

func (f *memFile) Sync() error { return nil }
