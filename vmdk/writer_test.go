package vmdk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vmdk"
)

// memFile is a File in memory that counts down to a failure.
type memFile struct {
	b    []byte
	left *int
}

var errFull = errors.New("no space")

func (f *memFile) op() error {
	if f.left != nil {
		if *f.left--; *f.left == 0 {
			return errFull
		}
	}
	return nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.op(); err != nil {
		return 0, err
	}
	if n := int(off) + len(p); n > len(f.b) {
		f.b = append(f.b, make([]byte, n-len(f.b))...)
	}
	return copy(f.b[off:], p), nil
}

func (f *memFile) Write(p []byte) (int, error) { return f.WriteAt(p, int64(len(f.b))) }

func (f *memFile) Truncate(n int64) error {
	f.b = append(f.b, make([]byte, max(int(n)-len(f.b), 0))...)[:n]
	return f.op()
}

func (f *memFile) Sync() error { return f.op() }

// target is what both writers are.
type target interface {
	WriteAt(p []byte, off int64) (int, error)
	Zero(off, n int64) error
	Granularity() int64
	Commit() error
	Close() error
}

// newTarget starts an image whose main file is f.
func newTarget(f *memFile, files dir, l *vmdk.Layout) (target, error) {
	if l.Subformat == vmdk.StreamOptimized {
		return vmdk.NewStreamWriter(f, l)
	}
	beside := map[string]*memFile{}
	w, err := vmdk.NewWriter(f, func(name string) (block.File, error) {
		beside[name] = &memFile{left: f.left}
		return beside[name], nil
	}, l)
	return collected{w, beside, files}, err
}

// collected puts the files of a Writer where they are read from.
type collected struct {
	*vmdk.Writer
	beside map[string]*memFile
	files  dir
}

func (c collected) Commit() error {
	err := c.Writer.Commit()
	for name, f := range c.beside {
		c.files[name] = f.b
	}
	return err
}

// write writes content in pieces of a few grains, leaving out those of zeros.
func write(w target, content []byte) error {
	gran := int(w.Granularity())
	for off, i := 0, 0; off < len(content); i++ {
		n := min(gran*(1+i%3), len(content)-off)
		p := content[off : off+n]
		var err error
		if len(bytes.Trim(p, "\x00")) == 0 {
			err = w.Zero(int64(off), int64(n))
		} else {
			_, err = w.WriteAt(p, int64(off))
		}
		if err != nil {
			return err
		}
		off += n
	}
	return w.Commit()
}

// content makes n bytes: text, noise and zeros.
func content(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	for off := 0; off < n; {
		m := min(1+rng.IntN(400<<10), n-off)
		switch rng.IntN(3) {
		case 0:
			copy(b[off:off+m], strings.Repeat("what a guest writes, again and again\n", m/30))
		case 1:
			for i := off; i+8 <= off+m; i += 8 {
				binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
			}
		}
		off += m
	}
	return b
}

var layouts = map[string]vmdk.Layout{
	"default":       {},
	"zeroed grains": {ZeroedGrain: true, Adapter: "lsilogic", HWVersion: 6},
	"small grains":  {GrainSize: 8 << 10, Adapter: "buslogic", ToolsVersion: "10338"},
	"large grains":  {GrainSize: 1 << 20, Adapter: "legacyESX"},
	"flat":          {Subformat: vmdk.MonolithicFlat},
	"split":         {Subformat: vmdk.TwoGbMaxExtentSparse, Name: "Ünï.VMDK"},
	"split flat":    {Subformat: vmdk.TwoGbMaxExtentFlat, Name: "a b"},
	"stream":        {Subformat: vmdk.StreamOptimized},
	"stream fast":   {Subformat: vmdk.StreamOptimized, Level: 1, Adapter: "ide"},
	"stream 8k":     {Subformat: vmdk.StreamOptimized, GrainSize: 8 << 10},
	"stream 1M":     {Subformat: vmdk.StreamOptimized, GrainSize: 1 << 20},
}

// TestWrite reads back what was written, whose every table must be right.
func TestWrite(t *testing.T) {
	for name, l := range layouts {
		sizes := []int{0, 1, 64 << 10, 2<<20 + 3}
		if name == "default" || name == "stream" {
			sizes = append(sizes, 33<<20+512) // two grain tables
		}
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				want := content(size)
				l := l
				l.Size = int64(size)
				files, f := dir{}, &memFile{}
				w, err := newTarget(f, files, &l)
				if err == nil {
					err = write(w, want)
				}
				if err != nil {
					t.Fatal(err)
				}
				im := open(t, f.b, files)
				if ps := im.Problems(); len(ps) > 0 {
					t.Errorf("problems: %v", ps)
				}
				want = append(want, make([]byte, -len(want)&511)...)
				testimg.TestDevice(t, im, bytes.NewReader(want), 64<<10)
				res, err := vmdk.Check(context.Background(), bytes.NewReader(f.b), &vmdk.Options{Opener: files.open}, func(f block.Fault) { t.Error(f.Err) })
				if err != nil || res.Corruptions > 0 {
					t.Errorf("Check = %+v, %v", res, err)
				}
				if i := im.Info(); i.Subformat != string(l.Subformat) && l.Subformat != "" || l.Adapter != "" && i.Adapter != l.Adapter || i.CID == 0 {
					t.Errorf("Info = %+v", i)
				}
			})
		}
	}
}

// TestEveryWriteFails lets each operation on the files fail in turn: the error
// comes out, and what is there is no image.
func TestEveryWriteFails(t *testing.T) {
	want := content(700 << 10)
	for _, name := range []string{"default", "split flat", "stream"} {
		l := layouts[name]
		l.Size = int64(len(want))
		for k := 1; ; k++ {
			left := k
			files, f := dir{}, &memFile{left: &left}
			w, err := newTarget(f, files, &l)
			if err == nil {
				err = write(w, want)
			}
			if left > 0 {
				if err != nil || k < 4 {
					t.Errorf("%s: %d operations, %v", name, k, err)
				}
				break
			}
			if !errors.Is(err, errFull) {
				t.Fatalf("%s: operation %d failed, and the error is %v", name, k, err)
			}
			if im, err := vmdk.Open(bytes.NewReader(f.b), &vmdk.Options{Opener: files.open}); err == nil && im.Size() > 0 && testimg.ReadDevice(im, im.Size()) == nil && left < -1 {
				t.Errorf("%s: after operation %d has failed, the image opens", name, k)
			}
		}
	}
}

// TestChild hides what the parent has, with zeros too.
func TestChild(t *testing.T) {
	for _, zeroed := range []bool{false, true} {
		base := bytes.Repeat([]byte{7}, 1<<20)
		parent := &memFile{}
		w, err := newTarget(parent, nil, &vmdk.Layout{Size: 1 << 20, CID: 0xabcdef})
		if err == nil {
			err = write(w, base)
		}
		if err != nil {
			t.Fatal(err)
		}
		f := &memFile{}
		l := &vmdk.Layout{Size: 1<<20 + 100<<10, ZeroedGrain: zeroed, Parent: "base.vmdk", ParentCID: 0xabcdef}
		c, err := newTarget(f, nil, l)
		if err != nil {
			t.Fatal(err)
		}
		want := append(bytes.Clone(base), make([]byte, 100<<10)...)
		clear(want[128<<10 : 256<<10])
		copy(want[512<<10:576<<10], bytes.Repeat([]byte{9}, 64<<10))
		copy(want[1<<20+64<<10:], bytes.Repeat([]byte{5}, 36<<10))
		err = errors.Join(c.Zero(128<<10, 128<<10))
		for _, at := range [][2]int{{512 << 10, 576 << 10}, {1<<20 + 64<<10, len(want)}} {
			_, werr := c.WriteAt(want[at[0]:at[1]], int64(at[0]))
			err = errors.Join(err, werr)
		}
		if err = errors.Join(err, c.Commit()); err != nil {
			t.Fatal(err)
		}
		im := open(t, f.b, dir{"base.vmdk": parent.b})
		testimg.TestDevice(t, im, bytes.NewReader(want), 64<<10)
		if i := im.Info(); i.ParentName != "base.vmdk" || i.ParentCID != 0xabcdef {
			t.Errorf("Info = %+v", i)
		}
	}
}

// TestSplit writes across the borders of extents of 2047 MiB.
func TestSplit(t *testing.T) {
	const size, extent = 4500 << 20, 2047 << 20
	for _, sub := range []string{vmdk.TwoGbMaxExtentSparse, vmdk.TwoGbMaxExtentFlat} {
		folder := t.TempDir()
		create := func(name string) (block.File, error) {
			f, err := os.Create(filepath.Join(folder, name))
			if err == nil {
				t.Cleanup(func() { f.Close() })
			}
			return f, err
		}
		main, err := create("a.vmdk")
		if err != nil {
			t.Fatal(err)
		}
		w, err := vmdk.NewWriter(main, create, &vmdk.Layout{Size: size, Subformat: sub, Name: "a.vmdk"})
		if err != nil {
			t.Fatal(err)
		}
		text := content(3 << 20)
		places := []int64{0, extent - 1<<20, 2*extent - 2<<20, size - 3<<20}
		for _, off := range places {
			if _, err := w.WriteAt(text, off); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		im, err := vmdk.Open(testimg.File(t, filepath.Join(folder, "a.vmdk")), &vmdk.Options{Opener: hostDir(t, folder)})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text))
		for _, off := range places {
			if err := block.ReadFull(im, got, off); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s: at %#x it reads otherwise: %v", sub, off, err)
			}
		}
		if i := im.Info(); len(i.Extents) != 3 || i.Extents[0].Size != extent || i.Extents[2].Size != size-2*extent || im.Size() != size {
			t.Errorf("%s: %+v", sub, i)
		}
	}
}

// TestOrder is about calls that break the contract.
func TestOrder(t *testing.T) {
	for name, l := range layouts {
		l.Size = 4 << 20
		w, err := newTarget(&memFile{}, dir{}, &l)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, w.Granularity())
		if _, err := w.WriteAt(p, 1<<20); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"backwards":     second(w.WriteAt(p, 0)),
			"unaligned":     second(w.WriteAt(p, 2<<20+512)),
			"short":         second(w.WriteAt(p[:512], 2<<20)),
			"past the end":  second(w.WriteAt(p, 4<<20)),
			"zero backward": w.Zero(0, 1<<20),
			"zero past end": w.Zero(3<<20, 2<<20),
			"negative":      w.Zero(2<<20, -4096),
			"far negative":  second(w.WriteAt(p, -8<<30)),
		} {
			if err == nil {
				t.Errorf("%s: %s is accepted", name, what)
			}
		}
		if err := w.Commit(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if w.Commit() == nil || second(w.WriteAt(p, 2<<20)) == nil {
			t.Errorf("%s: it can be used after Commit", name)
		}
	}
}

func second(_ int, err error) error { return err }

func TestLayoutRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		l     vmdk.Layout
		class error
	}{
		"negative":         {vmdk.Layout{Size: -1}, nil},
		"large":            {vmdk.Layout{Size: vmdk.MaxSize + 1}, block.ErrLimit},
		"large split":      {vmdk.Layout{Size: 9 << 40, Subformat: vmdk.TwoGbMaxExtentSparse}, block.ErrLimit},
		"subformat":        {vmdk.Layout{Subformat: "vmfs"}, nil},
		"adapter":          {vmdk.Layout{Adapter: "pvscsi"}, nil},
		"tools":            {vmdk.Layout{ToolsVersion: "1\"\nRW"}, nil},
		"grain":            {vmdk.Layout{GrainSize: 5000}, nil},
		"small grain":      {vmdk.Layout{GrainSize: 4096}, nil},
		"level":            {vmdk.Layout{Level: 10}, nil},
		"zeroed flat":      {vmdk.Layout{ZeroedGrain: true, Subformat: vmdk.MonolithicFlat}, nil},
		"child of a flat":  {vmdk.Layout{Parent: "a", Subformat: vmdk.MonolithicFlat}, nil},
		"parent's name":    {vmdk.Layout{Parent: "a\nb"}, nil},
		"parent's path":    {vmdk.Layout{Parent: `a\b`, ParentCID: 5}, block.ErrOption},
		"parent without":   {vmdk.Layout{Parent: "a", ParentCID: 0xffffffff}, nil},
		"name with a path": {vmdk.Layout{Name: "a/b", Subformat: vmdk.MonolithicFlat}, nil},
		"name with quotes": {vmdk.Layout{Name: `a"b`, Subformat: vmdk.TwoGbMaxExtentFlat}, nil},
		"name, no UTF-8":   {vmdk.Layout{Name: "a\xff", Subformat: vmdk.TwoGbMaxExtentSparse}, nil},
		"stream here":      {vmdk.Layout{Subformat: vmdk.StreamOptimized}, nil},
	} {
		_, err := vmdk.NewWriter(&memFile{}, func(string) (block.File, error) { return &memFile{}, nil }, &c.l)
		if err == nil || c.class != nil && !errors.Is(err, c.class) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := vmdk.NewWriter(&memFile{}, nil, &vmdk.Layout{Subformat: vmdk.MonolithicFlat}); err == nil {
		t.Error("a flat image without a file for its bytes")
	}
	// A name that only the file itself knows may be anything.
	if _, err := vmdk.NewWriter(&memFile{}, nil, &vmdk.Layout{Name: "a\"/\n"}); err != nil {
		t.Error(err)
	}
}

// TestMaxEncoded compresses noise, which gets longer.
func TestMaxEncoded(t *testing.T) {
	for _, grain := range []int64{8 << 10, 64 << 10, 1 << 20} {
		s, err := vmdk.NewStreamWriter(&memFile{}, &vmdk.Layout{Size: 1 << 20, GrainSize: grain, Level: 9})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, uint64(grain)))
		noise := make([]byte, grain)
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		enc, ok, err := s.Encode(nil, noise)
		if err != nil || !ok || int64(len(enc)) > s.MaxEncoded() {
			t.Errorf("%d bytes become %d, at most %d: %v", grain, len(enc), s.MaxEncoded(), err)
		}
	}
}

func ExampleNewStreamWriter() {
	var file bytes.Buffer
	w, err := vmdk.NewStreamWriter(&file, &vmdk.Layout{Size: 1 << 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	grain := make([]byte, w.Granularity())
	copy(grain, "boot sector")
	if _, err := w.WriteAt(grain, 0); err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Commit(); err != nil {
		fmt.Println(err)
		return
	}
	im, err := vmdk.Open(bytes.NewReader(file.Bytes()), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	im.ReadAt(grain[:11], 0)
	fmt.Printf("%s, %d MiB: %s; the file has %d KiB\n", im.Info().Subformat, im.Size()>>20, grain[:11], file.Len()>>10)
	// Output: streamOptimized, 1024 MiB: boot sector; the file has 69 KiB
}
