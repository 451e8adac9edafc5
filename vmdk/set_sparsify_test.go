package vmdk_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vmdk"
)

// punched is a file that can get holes, as long as the disk is not full.
type punched struct{ *testimg.Full }

func (p punched) Punch(off, n int64) error {
	_, err := p.WriteAt(make([]byte, n), off)
	return err
}

// holes are the options by which flat extents get holes; of each file left writes
// find room.
func (f *folder) holes(left int) *vmdk.Options {
	return &vmdk.Options{Extents: func(_ block.Storage, name string) (block.Storage, error) {
		p := f.file(name)
		if p == nil {
			return nil, fs.ErrNotExist
		}
		if strings.Contains(name, "flat") || strings.Contains(name, "-f0") {
			return punched{&testimg.Full{Power: p, Left: left}}, nil
		}
		return &testimg.Full{Power: p, Left: left}, nil
	}}
}

// TestSparsifySets gives back parts of images in several files, with the power gone at
// any moment and the disk full at any write; qemu-img judges what it gets to see.
func TestSparsifySets(t *testing.T) {
	const k, size, split, plenty = 8 << 10, 2<<20 + 512, 1 << 20, 1 << 30
	for name, l := range map[string]vmdk.Layout{
		"sparse":         {Subformat: vmdk.TwoGbMaxExtentSparse, GrainSize: k, SplitSize: split},
		"monolithicFlat": {Subformat: vmdk.MonolithicFlat},
		"flat":           {Subformat: vmdk.TwoGbMaxExtentFlat, SplitSize: split},
		"mixed":          {Subformat: vmdk.TwoGbMaxExtentSparse, GrainSize: k, SplitSize: split},
		"short":          {Subformat: vmdk.TwoGbMaxExtentSparse, GrainSize: k, SplitSize: split},
	} {
		t.Run(name, func(t *testing.T) {
			l.Size, l.Name, l.CID = size, "top.vmdk", 0x1234
			files := testimg.Files{}
			newSet(t, files, l, testimg.At(0, split, 1), testimg.At(split, split, 2), testimg.At(2*split, 512, 3))
			if name == "mixed" {
				files["top-f002.vmdk"] = bytes.Repeat([]byte{2}, split)
				files["top.vmdk"] = bytes.Replace(files["top.vmdk"], []byte(`RW 2048 SPARSE "top-s002.vmdk"`), []byte("RW 2048 FLAT \"top-f002.vmdk\" 0\nRW 16 ZERO"), 1)
				delete(files, "top-s002.vmdk")
			}
			if name == "short" { // it uses 1000 of 2048 sectors, and the file has 1008
				part := testimg.Files{}
				newSet(t, part, l, testimg.At(0, 63*k, 1))
				files["top-s001.vmdk"] = part["top-s001.vmdk"]
				files["top.vmdk"] = bytes.Replace(files["top.vmdk"], []byte(`RW 2048 SPARSE "top-s001`), []byte(`RW 1000 SPARSE "top-s001`), 1)
			}
			read := func(files testimg.Files) ([]byte, error) { return set{"top.vmdk", files}.read() }
			before, err := read(files)
			if err != nil {
				t.Fatal(err)
			}
			parts := []block.Range{{Off: 1, Len: 2*k + 5}, {Off: 5 * k, Len: k}, {Off: 60 * k, Len: 5*k + 3}, {Off: 120 * k, Len: 16*k + 3}, {Off: 180 * k, Len: k + 100}, {Off: 185 * k, Len: int64(len(before)) - 185*k}}
			// What is given back: of sparse files whole grains.
			want, freed := bytes.Clone(before), int64(0)
			sparse := []block.Range{}
			switch name {
			case "sparse":
				sparse = []block.Range{{Len: split}, {Off: split, Len: split}, {Off: 2 * split, Len: 512}}
			case "mixed":
				sparse = []block.Range{{Len: split}, {Off: 2*split + k, Len: 512}}
			case "short":
				sparse = []block.Range{{Len: 512000}, {Off: 512000, Len: split}, {Off: split + 512000, Len: 512}}
			}
			grains := map[block.Range]bool{}
			for _, x := range sparse {
				for off := x.Off; off < x.Off+x.Len; off += k {
					grains[block.Range{Off: off, Len: min(k, x.Off+x.Len-off)}] = true
				}
			}
			for _, p := range parts {
				for off := p.Off; off < p.Off+p.Len; off++ {
					in, whole := false, false
					for _, x := range sparse {
						if in = off >= x.Off && off < x.Off+x.Len; in {
							first := x.Off + (off-x.Off)/k*k
							whole = first >= p.Off && min(first+k, x.Off+x.Len) <= p.Off+p.Len
							break
						}
					}
					if !in || whole {
						want[off] = 0
						if name != "mixed" || off < 2*split || off >= 2*split+k {
							freed++
						}
					}
				}
			}
			run := func(f *folder, parts []block.Range, left int) (int64, error) {
				return vmdk.Sparsify(t.Context(), &testimg.Full{Power: f.file("top.vmdk"), Left: left}, parts, f.holes(left))
			}
			f := newFolder(files)
			if n, err := run(f, parts, plenty); err != nil || n != freed {
				t.Fatalf("%d bytes were given back, %v; want %d", n, err, freed)
			}
			after := f.now(nil)
			if got, err := read(after); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("another disk, %v", err)
			}
			judge := func(what string, files testimg.Files, want []byte) {
				t.Helper()
				if name == "mixed" { // qemu-img passes over the kind ZERO
					files, want = maps.Clone(files), bytes.Clone(want)
					files["top.vmdk"] = bytes.Replace(files["top.vmdk"], []byte("RW 16 ZERO\n"), nil, 1)
					want = append(want[:2*split], want[2*split+k:]...)
				}
				if name == "short" { // and takes the size of an extent from its file
					want = slices.Concat(want[:512000], bytes.Repeat(want[511999:512000], 63*k-512000), make([]byte, split-63*k), want[512000:])
				}
				judgeSet(t, what, files, want)
			}
			judge("sparsify", after, want)
			if bytes.Equal(after["top.vmdk"], files["top.vmdk"]) {
				t.Error("it has no new content ID")
			}
			room := func(files testimg.Files) (n int64) {
				for _, b := range files {
					n += int64(len(b))
				}
				return n
			}
			stored := int64(0)
			for g := range grains {
				if bytes.Equal(want[g.Off:g.Off+g.Len], make([]byte, g.Len)) {
					stored += k
				}
			}
			if name == "sparse" && (stored == 0 || room(after) > room(files)-stored+k) { // the last one is cut short
				t.Errorf("the files have %d bytes, they had %d; %d were given back", room(after), room(files), stored)
			}
			f2 := newFolder(after)
			if n, err := run(f2, nil, plenty); err != nil || n != 0 {
				t.Errorf("with nothing to do: %d, %v", n, err)
			}
			for name, b := range f2.now(nil) {
				if !bytes.Equal(b, after[name]) {
					t.Errorf("with nothing to do: %s is written to", name)
				}
			}
			between := func(got []byte) bool {
				if len(got) != len(before) {
					return false
				}
				for off := 0; off < len(got); off += 512 {
					if p := got[off : off+512]; !bytes.Equal(p, before[off:off+512]) && !bytes.Equal(p, want[off:off+512]) {
						return false
					}
				}
				for _, x := range sparse { // at once
					if p := got[x.Off : x.Off+x.Len]; !bytes.Equal(p, before[x.Off:x.Off+x.Len]) && !bytes.Equal(p, want[x.Off:x.Off+x.Len]) {
						return false
					}
				}
				return true
			}
			i := 0
			n := f.all.Crashes(t, 100, func(when string, left [][]byte) {
				got, err := read(f.now(left))
				if err != nil || !between(got) {
					t.Fatalf("%s: another disk, %v", when, err)
				}
				if i++; i%8 != 0 {
					return
				}
				if i%64 == 0 {
					judge(when, f.now(left), got)
				}
				again := newFolder(f.now(left))
				if _, err := run(again, parts, plenty); err != nil {
					t.Fatalf("%s, once more: %v", when, err)
				}
				if got, err := read(again.now(nil)); err != nil || !bytes.Equal(got, want) || room(again.now(nil)) > room(after)+2*k {
					t.Fatalf("%s, once more: another disk, or files of %d bytes and not of %d; %v", when, room(again.now(nil)), room(after), err)
				}
			})
			t.Logf("%d crashes survived", n)
			for left := 0; ; left++ {
				f := newFolder(files)
				_, err := run(f, parts, left)
				if got, err := read(f.now(nil)); err != nil || !between(got) {
					t.Fatalf("with room for %d writes of each file: another disk, %v", left, err)
				}
				if err == nil {
					break
				}
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestSparsifySetsRefused: what is not written to is told before anything is written.
func TestSparsifySetsRefused(t *testing.T) {
	const k, split = 8 << 10, 1 << 20
	for name, c := range map[string]struct {
		old, now string
		class    error
	}{
		"read only": {`RW 2048 SPARSE "top-s002`, `RDONLY 2048 SPARSE "top-s002`, block.ErrUnsupported},
		"no holes":  {`RW 2048 SPARSE "top-s002.vmdk"`, `RW 2048 FLAT "top-x.vmdk" 0`, block.ErrUnsupported},
		"COWD":      {`RW 2048 SPARSE "top-s002`, `RW 2048 VMFSSPARSE "top-s002`, block.ErrUnsupported},
		"seSparse":  {`RW 2048 SPARSE "top-s002`, `RW 2048 SESPARSE "top-s002`, block.ErrUnsupported},
		"not there": {"top-s002", "none", fs.ErrNotExist},
		"twice":     {"top-s002", "top-s001", block.ErrCorrupt},
	} {
		files := testimg.Files{"top-x.vmdk": make([]byte, split)}
		newSet(t, files, vmdk.Layout{Size: 2 * split, Name: "top.vmdk", Subformat: vmdk.TwoGbMaxExtentSparse, GrainSize: k, SplitSize: split}, testimg.At(0, 2*split, 1))
		files["top.vmdk"] = bytes.Replace(files["top.vmdk"], []byte(c.old), []byte(c.now), 1)
		f := newFolder(files)
		if _, err := vmdk.Sparsify(t.Context(), f.file("top.vmdk"), []block.Range{{Len: 2 * split}}, f.holes(1<<30)); !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", name, err, c.class)
		}
		for file, b := range f.now(nil) {
			if !bytes.Equal(b, files[file]) {
				t.Errorf("%s: %s is written to", name, file)
			}
		}
	}
}
