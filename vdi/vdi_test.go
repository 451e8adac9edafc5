package vdi_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vdi"
)

// build makes an image byte by byte: the blocks are those of plan, 'd' for
// data, 'z' for a zero block, '.' for none. It returns the image and the disk.
func build(plan string, size int64, change func(h []byte)) (image, disk []byte) {
	const bs = 64 << 10
	h := make([]byte, 1024)
	copy(h, "<<< Oracle VM VirtualBox Disk Image >>>\n")
	le := binary.LittleEndian
	le.PutUint32(h[0x40:], 0xbeda107f)
	le.PutUint32(h[0x44:], 0x00010001)
	le.PutUint32(h[0x48:], 400)
	le.PutUint32(h[0x4c:], 1)
	le.PutUint32(h[0x154:], 512)
	le.PutUint32(h[0x158:], 1024)
	le.PutUint32(h[0x168:], 512)
	le.PutUint64(h[0x170:], uint64(size))
	le.PutUint32(h[0x178:], bs)
	le.PutUint32(h[0x180:], uint32(len(plan)))
	copy(h[0x188:], bytes.Repeat([]byte{0x11}, 16))
	copy(h[0x198:], bytes.Repeat([]byte{0x22}, 16))
	disk = make([]byte, len(plan)*bs)
	image = h
	rng := rand.New(rand.NewPCG(uint64(len(plan)), 7))
	n := uint32(0)
	for i, c := range plan {
		e := uint32(0xffffffff)
		switch c {
		case 'z':
			e = 0xfffffffe
		case 'd':
			e = n
			n++
			b := disk[i*bs : (i+1)*bs]
			for j := range b {
				b[j] = byte(rng.Uint32())
			}
			image = append(image, b...)
		}
		le.PutUint32(image[512+4*i:], e)
	}
	le.PutUint32(image[0x184:], n)
	if change != nil {
		change(image)
	}
	return image, disk[:size]
}

func put32(off int, v uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[off:], v) }
}

func TestReadsBlocks(t *testing.T) {
	image, disk := build("d.zd.dz.d", 9*64<<10-5*512, nil)
	im, err := vdi.Open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes.NewReader(disk), 64<<10)
	for off, want := range map[int64]block.Extent{1 << 16: {Zero: true, Unset: true}, 2 << 16: {Zero: true}} {
		if e, err := im.Extent(off); err != nil || e.Zero != want.Zero || e.Unset != want.Unset {
			t.Errorf("Extent(%#x) = %+v, %v; want %+v", off, e, err, want)
		}
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := im.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadAt after Close: %v", err)
	}
}

func TestDifferencing(t *testing.T) {
	parent, pdisk := build("ddd.", 4*64<<10, nil)
	child, cdisk := build(".zd..d", 6*64<<10, func(b []byte) {
		put32(0x4c, 4)(b)
		copy(b[0x1a8:], bytes.Repeat([]byte{0x11}, 16))
		copy(b[0x1b8:], bytes.Repeat([]byte{0x22}, 16))
	})
	if _, err := vdi.Open(bytes.NewReader(child), nil); !errors.Is(err, block.ErrParent) {
		t.Fatalf("a child without its parent: %v, want ErrParent", err)
	}
	copy(cdisk[:64<<10], pdisk)
	im, err := vdi.Open(bytes.NewReader(child), &vdi.Options{Opener: func(r block.Ref) (block.Device, error) {
		if r.Name != "11111111-1111-1111-1111-111111111111" || r.Kind != "parent" {
			t.Errorf("Ref %+v", r)
		}
		return vdi.Open(bytes.NewReader(parent), nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes.NewReader(cdisk), 64<<10)
	if e, _ := im.Extent(0); e.Depth != 1 {
		t.Errorf("the parent's run has depth %d", e.Depth)
	}
	if len(im.Problems()) != 0 {
		t.Errorf("problems: %v", im.Problems())
	}

	other, _ := build("ddd.", 4*64<<10, func(b []byte) { b[0x188] = 9 })
	_, err = vdi.Open(bytes.NewReader(child), &vdi.Options{Opener: func(block.Ref) (block.Device, error) {
		return vdi.Open(bytes.NewReader(other), nil)
	}})
	if !errors.Is(err, block.ErrParent) {
		t.Errorf("the wrong parent: %v, want ErrParent", err)
	}
	_, err = vdi.Open(bytes.NewReader(child), &vdi.Options{Opener: func(block.Ref) (block.Device, error) { return nil, block.ErrRefused }})
	if !errors.Is(err, block.ErrParent) || !errors.Is(err, block.ErrRefused) {
		t.Errorf("a refused parent: %v, want ErrParent and ErrRefused", err)
	}
}

func TestHostile(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"no magic":                 {put32(0x40, 0), block.ErrFormat},
		"version":                  {put32(0x44, 0x00020000), block.ErrUnsupported},
		"undo":                     {put32(0x4c, 3), block.ErrUnsupported},
		"type":                     {put32(0x4c, 77), block.ErrUnsupported},
		"sector size":              {put32(0x168, 4096), block.ErrCorrupt},
		"D01 too many blocks":      {put32(0x180, vdi.MaxBlocks+1), block.ErrLimit},
		"most blocks, short file":  {func(b []byte) { put32(0x180, vdi.MaxBlocks)(b); put32(0x158, 0xfffffe00)(b) }, block.ErrTruncated},
		"D02 too few blocks":       {put32(0x180, 3), block.ErrCorrupt},
		"D03 no block size":        {put32(0x178, 0), block.ErrCorrupt},
		"block size no power of 2": {put32(0x178, 0x18000), block.ErrCorrupt},
		"block size too large":     {put32(0x178, 128<<20), block.ErrCorrupt},
		"D04 disk size":            {put32(0x174, 0x80000000), block.ErrLimit},
		"D05 unaligned block map":  {put32(0x154, 0x201), block.ErrCorrupt},
		"block map in the header":  {put32(0x154, 0), block.ErrCorrupt},
		"data in the block map":    {put32(0x158, 512), block.ErrCorrupt},
		"unaligned data":           {put32(0x158, 1025), block.ErrCorrupt},
		"extra data":               {put32(0x17c, 512), block.ErrUnsupported},
		"D07 parent UUID":          {func(b []byte) { b[0x1b8] = 1 }, block.ErrParent},
		"D08 differencing":         {put32(0x4c, 4), block.ErrParent},
		"D06 block past the end":   {put32(0x200, 0x0fffffff), block.ErrTruncated},
		"largest block number":     {put32(0x200, 0xfffffffd), block.ErrTruncated},
		"last block cut by a byte": {func(b []byte) { put32(0x158, 1536)(b) }, block.ErrTruncated},
	} {
		image, disk := build("dd.d", 4*64<<10, c.change)
		im, err := vdi.Open(bytes.NewReader(image), nil)
		if err == nil {
			_, err = im.ReadAt(make([]byte, len(disk)), 0)
			if e := testimg.Extents(im); !errors.Is(e, c.want) {
				t.Errorf("%s: the extents give %v, want %v", name, e, c.want)
			}
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	image, _ := build("d", 64<<10, nil)
	for _, n := range []int{0, 1, 511} {
		if _, err := vdi.Open(bytes.NewReader(image[:n]), nil); !errors.Is(err, block.ErrFormat) {
			t.Errorf("%d bytes: %v, want ErrFormat", n, err)
		}
	}
}

func TestMutations(t *testing.T) {
	image, _ := build("d.zd.dz.d", 9*64<<10, nil)
	testimg.Mutate(t, testimg.Mutations{Image: image, Where: []testimg.Range{{Off: 0x40, N: 512 - 0x40}, {Off: 512, N: 36}}, Run: func(r block.Reader) error {
		vdi.Check(context.Background(), r, nil, nil)
		im, err := vdi.Open(r, nil)
		if err != nil {
			return err
		}
		return testimg.ReadDevice(im, 64<<20)
	}})
}

// TestPeer reads images that qemu-img made and compares every byte.
func TestPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for name, opts := range map[string]string{"dynamic": "static=off", "static": "static=on"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			img, raw := filepath.Join(dir, "a.vdi"), filepath.Join(dir, "a.raw")
			peers.Run(t, "qemu-img", "create", "-q", "-f", "vdi", "-o", opts, img, "37.5M")
			peers.Run(t, "qemu-io", "-f", "vdi", "-c", "write -P 0x41 0 64k", "-c", "write -P 0x42 5M 3M", "-c", "write -P 7 20000000 100k", "-c", "write -z 9M 2M", "-c", "write -P 9 37M 512k", img)
			peers.Run(t, "qemu-img", "convert", "-f", "vdi", "-O", "raw", img, raw)
			im, err := vdi.Open(testimg.File(t, img), nil)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(raw)
			if err != nil {
				t.Fatal(err)
			}
			testimg.TestDevice(t, im, bytes.NewReader(want), 1<<20)
			if i := im.Info(); i.Subformat != name || i.Size != int64(len(want)) {
				t.Errorf("Info = %+v", i)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	image, _ := build("d.z", 3*64<<10, nil)
	f.Add(uint16(0x4c), []byte{4})
	f.Add(uint16(0x200), []byte{0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		b := bytes.Clone(image)
		copy(b[int(at)%1024:1024], with)
		if im, err := vdi.Open(bytes.NewReader(b), nil); err == nil {
			testimg.ReadDevice(im, 16<<20)
		}
	})
}
