package vhdx_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhdx"
)

func open(t *testing.T, image []byte, o *vhdx.Options) *vhdx.Image {
	t.Helper()
	im, err := vhdx.Open(bytes.NewReader(image), o)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func TestDynamic(t *testing.T) {
	image, disk := build("d.zdu.od", 8*blockSize-5*512, nil, nil)
	im := open(t, image, nil)
	testimg.TestDevice(t, im, bytes.NewReader(disk), blockSize)
	if i := im.Info(); i.Subformat != "dynamic" || i.BlockSize != blockSize || i.PhysicalSector != 4096 {
		t.Errorf("Info = %+v", i)
	}
	for block, unset := range map[int64]bool{1: true, 2: false, 4: false, 6: false} {
		if e, err := im.Extent(block * blockSize); err != nil || !e.Zero || e.Unset != unset {
			t.Errorf("block %d: %+v, %v", block, e, err)
		}
	}
	if len(im.Problems()) != 0 {
		t.Errorf("problems: %v", im.Problems())
	}
	im.Close()
	if _, err := im.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadAt after Close: %v", err)
	}
}

func TestCopies(t *testing.T) {
	image, disk := build("d.d", 3*blockSize, nil, nil)
	for name, c := range map[string]struct {
		at       int
		problems []int64 // offsets
	}{
		"no first header":     {64 << 10, nil},
		"first header":        {64<<10 + 100, []int64{64<<10 + 4}},
		"second header":       {128<<10 + 100, []int64{128<<10 + 4}},
		"first region table":  {192<<10 + 20, []int64{192 << 10}},
		"second region table": {256 << 10, nil},
	} {
		bad := bytes.Clone(image)
		bad[c.at] ^= 1
		im := open(t, bad, nil)
		testimg.TestDevice(t, im, bytes.NewReader(disk), blockSize)
		var at []int64
		for _, err := range im.Problems() {
			var e *block.Error
			if !errors.Is(err, block.ErrCorrupt) || !errors.As(err, &e) {
				t.Fatalf("%s: problem %v", name, err)
			}
			at = append(at, e.Off)
		}
		if !slices.Equal(at, c.problems) {
			t.Errorf("%s: problems %v", name, im.Problems())
		}
	}
}

func differencing(t *testing.T) (child, cdisk, parent []byte) {
	t.Helper()
	parent, pdisk := build("ddzd", 4*blockSize, nil, nil)
	child, cdisk = build("p.dz.", 5*blockSize, map[string]string{
		"parent_linkage": "{00000000-0000-0000-0000-00000000DA7A}", "relative_path": `.\base.vhdx`, "absolute_win32_path": `\\?\C:\vm\base.vhdx`,
	}, nil)
	for s := range blockSize / 512 {
		if s%3 != 0 {
			copy(cdisk[s*512:(s+1)*512], pdisk[s*512:])
		}
	}
	copy(cdisk[blockSize:2*blockSize], pdisk[blockSize:])
	return child, cdisk, parent
}

func TestDifferencing(t *testing.T) {
	child, cdisk, parent := differencing(t)
	if _, err := vhdx.Open(bytes.NewReader(child), nil); !errors.Is(err, block.ErrParent) || !errors.Is(err, block.ErrRefused) {
		t.Fatalf("a child without an Opener: %v", err)
	}
	var asked []string
	im := open(t, child, &vhdx.Options{Opener: func(r block.Ref) (block.Device, error) {
		asked = append(asked, r.Name)
		return vhdx.Open(bytes.NewReader(parent), nil)
	}})
	testimg.TestDevice(t, im, bytes.NewReader(cdisk), blockSize)
	if len(asked) != 1 || asked[0] != "base.vhdx" {
		t.Errorf("asked for %q", asked)
	}
	if e, _ := im.Extent(512); e.Depth != 1 {
		t.Errorf("a sector of the parent has depth %d", e.Depth)
	}
	wrong := bytes.Clone(parent)
	wrong[64<<10+0x20], wrong[128<<10+0x20] = 9, 9
	seal(wrong)
	asked = nil
	_, err := vhdx.Open(bytes.NewReader(child), &vhdx.Options{Opener: func(r block.Ref) (block.Device, error) {
		asked = append(asked, r.Name)
		return vhdx.Open(bytes.NewReader(wrong), nil)
	}})
	if !errors.Is(err, block.ErrParent) || len(asked) != 2 {
		t.Errorf("the wrong parent: %v, asked for %q", err, asked)
	}
}

func TestHostile(t *testing.T) {
	put32 := func(at int, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[at:], v) } }
	put64 := func(at int, v uint64) func([]byte) { return func(b []byte) { le.PutUint64(b[at:], v) } }
	both := func(at1, at2 int, v uint64) func([]byte) {
		return func(b []byte) { le.PutUint64(b[at1:], v); le.PutUint64(b[at2:], v) }
	}
	const items = metadataAt + 64<<10 // parameters, then 16 bytes each
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"X01 block size 0":           {put32(items, 0), block.ErrCorrupt},
		"X02 block size 3 MiB":       {put32(items, 3<<20), block.ErrCorrupt},
		"block size 512 MiB":         {put32(items, 512<<20), block.ErrCorrupt},
		"X03 sector size 0":          {put32(items+32, 0), block.ErrCorrupt},
		"X04 size":                   {put64(items+16, 1<<63), block.ErrLimit},
		"size over 64 TiB":           {put64(items+16, 64<<40+512), block.ErrLimit},
		"BAT too small for 64 TiB":   {put64(items+16, 64<<40), block.ErrCorrupt},
		"odd size":                   {put64(items+16, 1000), block.ErrCorrupt},
		"X05 regions":                {func(b []byte) { put32(192<<10+8, 2048)(b); put32(256<<10+8, 2048)(b) }, block.ErrLimit},
		"X06 metadata entries":       {func(b []byte) { le.PutUint16(b[metadataAt+10:], 65535) }, block.ErrLimit},
		"X07 no header":              {func(b []byte) { clear(b[64<<10 : 68<<10]); clear(b[128<<10 : 132<<10]) }, block.ErrCorrupt},
		"X08 parent, no locator":     {put32(items+4, 2), block.ErrCorrupt},
		"X09 block past the end":     {put64(tableAt, 0xfffffff<<20|6), block.ErrTruncated},
		"largest block":              {put64(tableAt, 1<<64-1<<20|6), block.ErrTruncated},
		"X10 block over the headers": {put64(tableAt, 6), block.ErrCorrupt},
		"block over the log":         {put64(tableAt, logAt|6), block.ErrCorrupt},
		"block over the BAT":         {put64(tableAt, tableAt|6), block.ErrCorrupt},
		"block over the metadata":    {put64(tableAt, metadataAt|6), block.ErrCorrupt},
		"state 4":                    {put64(tableAt, 4), block.ErrCorrupt},
		"partial without a parent":   {put64(tableAt, blocksAt|7), block.ErrCorrupt},
		"X11 region over headers":    {both(192<<10+32, 256<<10+32, 0x30000), block.ErrCorrupt},
		"region over the log":        {both(192<<10+32, 256<<10+32, logAt), block.ErrCorrupt},
		"regions overlap":            {both(192<<10+32, 256<<10+32, metadataAt), block.ErrCorrupt},
		"region past the end":        {both(192<<10+32, 256<<10+32, 1<<60), block.ErrTruncated},
		"unknown region":             {func(b []byte) { b[192<<10+16], b[256<<10+16] = 1, 1 }, block.ErrUnsupported},
		"unknown item":               {func(b []byte) { b[metadataAt+32+4*32] = 1 }, block.ErrUnsupported},
		"item outside":               {put32(metadataAt+32+16, 0xfffffff0), block.ErrCorrupt},
		"item too short":             {put32(metadataAt+32+20, 7), block.ErrCorrupt},
		"items overlap":              {put32(metadataAt+32+32+16, 0x10004), block.ErrCorrupt},
		"no disk size":               {put32(metadataAt+8, 1<<16), block.ErrCorrupt},
		"no metadata":                {put64(metadataAt, 0), block.ErrCorrupt},
		"version 2":                  {func(b []byte) { b[64<<10+0x42], b[128<<10+0x42] = 2, 2 }, block.ErrUnsupported},
		"same number, two headers":   {func(b []byte) { b[64<<10+8] = 8; b[64<<10+0x20] = 0x77 }, block.ErrCorrupt},
	} {
		image, _ := build("dd.d", 4*blockSize, nil, c.change)
		im, err := vhdx.Open(bytes.NewReader(image), nil)
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
	image, _ := build("d", blockSize, nil, nil)
	for n, want := range map[int]error{0: block.ErrFormat, 7: block.ErrFormat, 8: block.ErrTruncated, 100 << 10: block.ErrTruncated, tableAt + 100: block.ErrTruncated} {
		if _, err := vhdx.Open(bytes.NewReader(image[:n]), nil); !errors.Is(err, want) {
			t.Errorf("cut to %d bytes: %v, want %v", n, err, want)
		}
	}
}

// read is what mutations do with an image.
func read(r block.Reader) error {
	im, err := vhdx.Open(r, &vhdx.Options{Opener: func(block.Ref) (block.Device, error) {
		return block.Plain(bytes.NewReader(make([]byte, blockSize))), nil
	}})
	if err != nil {
		return err
	}
	return testimg.ReadDevice(im, 16*blockSize)
}

func mutate(t *testing.T, image []byte, more ...testimg.Range) {
	where := append([]testimg.Range{{Off: 64 << 10, N: 80}, {Off: 128 << 10, N: 80}, {Off: 192 << 10, N: 80}, {Off: 256 << 10, N: 80},
		{Off: metadataAt, N: 256}, {Off: metadataAt + 64<<10, N: 160}, {Off: tableAt, N: 64}}, more...)
	run := func(r block.Reader) error {
		vhdx.Check(context.Background(), r, nil, nil)
		return read(r)
	}
	testimg.Mutate(t, testimg.Mutations{Image: image, Where: where, Run: run, Seal: func(p *testimg.Patch, _ []int64) {
		for _, s := range [][2]int64{{64 << 10, 4 << 10}, {128 << 10, 4 << 10}, {192 << 10, 64 << 10}, {256 << 10, 64 << 10}} {
			b := bytes.Clone(p.Image[s[0] : s[0]+s[1]])
			sum(b)
			p.Write(s[0]+4, b[4:8])
		}
		for at := logAt; at < logAt+64<<10; at += 4096 { // entries of the log
			if n := int(le.Uint32(p.Image[at+8:])); string(p.Image[at:at+4]) == "loge" && n >= 64 && n <= 64<<10 {
				b := bytes.Clone(p.Image[at : at+n])
				sum(b)
				p.Write(int64(at)+4, b[4:8])
			}
		}
	}})
}

func TestMutations(t *testing.T) {
	image, _ := build("d.zdu", 5*blockSize, nil, nil)
	mutate(t, image)
	child, _, _ := differencing(t)
	mutate(t, child, testimg.Range{Off: metadataAt + 64<<10 + 160, N: 400}, testimg.Range{Off: tableAt + 8*chunk, N: 8})
}

// TestPeer reads images that qemu-img made and compares every byte.
func TestPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for name, opts := range map[string]string{
		"dynamic 1M": "subformat=dynamic,block_size=1M", "dynamic 8M": "subformat=dynamic,block_size=8M",
		"dynamic 256M": "subformat=dynamic,block_size=256M", "fixed": "subformat=fixed,block_size=1M", "state 0": "subformat=dynamic,block_state_zero=off",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			img, raw := filepath.Join(dir, "a.vhdx"), filepath.Join(dir, "a.raw")
			peers.Run(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", opts, img, "37M")
			peers.Run(t, "qemu-io", "-f", "vhdx", "-c", "write -P 0x41 0 64k", "-c", "write -P 0x42 5M 3M", "-c", "write -P 7 20000768 100k", "-c", "write -P 9 36M 1M", img)
			peers.Run(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", img, raw)
			im, err := vhdx.Open(testimg.File(t, img), nil)
			if err != nil {
				t.Fatal(err)
			}
			testimg.TestDevice(t, im, testimg.File(t, raw), 1<<20)
			if want := name == "fixed"; (im.Info().Subformat == "fixed") != want && name != "fixed" {
				t.Errorf("Info = %+v", im.Info())
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	image, _, _ := logged()
	image = image[:5*mib]
	for i, at := range []int{64 << 10, 192 << 10, metadataAt, metadataAt + 64<<10, tableAt, logAt} {
		f.Add(uint8(i), uint16(at&0xfff), []byte{1, 2})
	}
	parts := []int{64 << 10, 128 << 10, 192 << 10, 256 << 10, metadataAt, metadataAt + 64<<10, tableAt, logAt, logAt + 8192}
	f.Fuzz(func(t *testing.T, part uint8, at uint16, with []byte) {
		b := bytes.Clone(image)
		from := parts[int(part)%len(parts)]
		copy(b[from+int(at)%4096:from+4096], with)
		seal(b)
		if n := int(le.Uint32(b[logAt+8:])); n >= 64 && n <= 64<<10 {
			sum(b[logAt : logAt+n])
		}
		read(bytes.NewReader(b))
	})
}
