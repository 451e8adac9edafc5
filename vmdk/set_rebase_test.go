package vmdk_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vmdk"
)

// A set is an image by its name, among the files of a folder.
type set struct {
	name  string
	files testimg.Files
}

// newSet writes an image that holds pieces into the folder.
func newSet(t *testing.T, into testimg.Files, l vmdk.Layout, pieces ...testimg.Piece) set {
	t.Helper()
	all := map[string]*testimg.Power{}
	b := testimg.Filled(t, func(f *testimg.Power) (*vmdk.Writer, error) {
		return vmdk.NewWriter(f, func(name string) (block.File, error) {
			all[name] = testimg.NewPower(nil)
			return all[name], nil
		}, &l)
	}, pieces...)
	for name, f := range all {
		into[name] = f.B
	}
	into[l.Name] = b
	return set{l.Name, into}
}

// opener gives extents as files, and parents as disks.
func (s set) opener(ref block.Ref) (block.Device, error) {
	b, ok := s.files[ref.Name]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case ref.Kind == "extent":
		return block.Plain(bytes.NewReader(b)), nil
	}
	return set{ref.Name, s.files}.open()
}

// open checks the image and opens it.
func (s set) open() (block.Device, error) {
	b := s.files[s.name]
	o := &vmdk.Options{Opener: s.opener}
	err := testimg.Faultless(func(report func(block.Fault)) (*block.CheckResult, error) {
		return vmdk.Check(context.Background(), bytes.NewReader(b), o, report)
	}, "")
	if err != nil {
		return nil, err
	}
	return vmdk.Open(bytes.NewReader(b), o)
}

func (s set) read() ([]byte, error) {
	d, err := s.open()
	if err != nil {
		return nil, err
	}
	defer block.Close(d)
	b := make([]byte, d.Size())
	return b, block.ReadFull(d, b, 0)
}

// A folder has files that lose their power together.
type folder struct {
	names []string
	all   testimg.Powers
}

func newFolder(files testimg.Files) *folder {
	f := &folder{names: slices.Sorted(maps.Keys(files))}
	var all [][]byte
	for _, name := range f.names {
		all = append(all, files[name])
	}
	f.all = testimg.Together(all...)
	return f
}

func (f *folder) file(name string) *testimg.Power {
	if i := slices.Index(f.names, name); i >= 0 {
		return f.all[i]
	}
	return nil
}

func (f *folder) options() *vmdk.Options {
	return &vmdk.Options{Extents: func(_ block.Storage, name string) (block.Storage, error) {
		if p := f.file(name); p != nil {
			return p, nil
		}
		return nil, fs.ErrNotExist
	}}
}

// now are the files as they are, or those given.
func (f *folder) now(given [][]byte) testimg.Files {
	files := testimg.Files{}
	for i, name := range f.names {
		if given == nil {
			files[name] = bytes.Clone(f.all[i].B)
			continue
		}
		files[name] = given[i]
	}
	return files
}

// TestOverlaidSets rebases, flattens, commits and empties images in several files, with
// the power gone at any moment: the disk must never read otherwise.
func TestOverlaidSets(t *testing.T) {
	const k, size = 8 << 10, 2<<20 + 512
	kinds := []string{vmdk.TwoGbMaxExtentSparse, vmdk.MonolithicFlat, vmdk.TwoGbMaxExtentFlat, vmdk.MonolithicSparse}
	for _, low := range kinds {
		for _, high := range []string{vmdk.TwoGbMaxExtentSparse, vmdk.MonolithicSparse} {
			if low == vmdk.MonolithicSparse && high == low {
				continue // see TestOverlaid
			}
			t.Run(low+" "+high, func(t *testing.T) {
				files := testimg.Files{}
				layout := func(name, kind string, cid uint32) vmdk.Layout {
					l := vmdk.Layout{Size: size, Name: name, Subformat: kind, CID: cid, GrainSize: k}
					if kind == vmdk.TwoGbMaxExtentSparse || kind == vmdk.TwoGbMaxExtentFlat {
						l.SplitSize = 1 << 20
					}
					if strings.HasSuffix(kind, "Flat") {
						l.GrainSize = 0
					}
					return l
				}
				newSet(t, files, layout("base.vmdk", low, 0x1234), testimg.At(0, 10*k, 1), testimg.At(126*k, 4*k, 2), testimg.At(256*k, 512, 7))
				newSet(t, files, layout("other.vmdk", low, 0x5678), testimg.At(0, 9*k, 1), testimg.At(20*k, 9*k, 2), testimg.At(200*k, 5*k, 4))
				l := layout("top.vmdk", high, 0)
				l.Parent, l.ParentCID = "base.vmdk", 0x1234
				newSet(t, files, l, testimg.At(k, 2*k, 5), testimg.At(8*k, 2*k, 0), testimg.At(127*k, 2*k, 6), testimg.At(200*k, k, 8), testimg.At(256*k, 512, 9))
				disk := func(name string, files testimg.Files) []byte {
					t.Helper()
					b, err := set{name, files}.read()
					if err != nil {
						t.Fatal(err)
					}
					return b
				}
				want := disk("top.vmdk", files)
				open := func(name string, files testimg.Files) block.Device {
					t.Helper()
					d, err := set{name, files}.open()
					if err != nil {
						t.Fatal(err)
					}
					return d
				}
				// survives runs an operation, and again after some of the crashes.
				survives := func(what string, before testimg.Files, run func(f *folder) error) testimg.Files {
					t.Helper()
					f := newFolder(before)
					if err := run(f); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					if !bytes.Equal(disk("top.vmdk", f.now(nil)), want) {
						t.Fatalf("%s: another disk", what)
					}
					judgeSet(t, what, f.now(nil), want)
					i := 0
					n := f.all.Crashes(t, 60, func(when string, left [][]byte) {
						got, err := set{"top.vmdk", f.now(left)}.read()
						if err != nil || !bytes.Equal(got, want) {
							t.Fatalf("%s, %s: another disk, %v", what, when, err)
						}
						if i++; i%8 != 0 {
							return
						}
						again := newFolder(f.now(left))
						if err := run(again); err != nil && !errors.Is(err, block.ErrUnsupported) {
							t.Fatalf("%s, %s, once more: %v", what, when, err)
						}
						if !bytes.Equal(disk("top.vmdk", again.now(nil)), want) {
							t.Fatalf("%s, %s, once more: another disk", what, when)
						}
					})
					t.Logf("%s: %d crashes survived", what, n)
					return f.now(nil)
				}
				rebase := func(r *block.RebaseOptions) func(f *folder) error {
					return func(f *folder) error {
						r := *r
						if im, _, err := vmdk.Describe(bytes.NewReader(f.file("top.vmdk").B), nil); err == nil && im.ParentName != "" {
							r.Old = open(im.ParentName, files)
						}
						return vmdk.Rebase(t.Context(), f.file("top.vmdk"), &r, f.options())
					}
				}
				after := survives("rebase", files, rebase(&block.RebaseOptions{Backing: "other.vmdk", New: open("other.vmdk", files)}))
				gone := maps.Clone(after)
				maps.DeleteFunc(gone, func(name string, _ []byte) bool { return strings.HasPrefix(name, "base") })
				if !bytes.Equal(disk("top.vmdk", gone), want) {
					t.Error("it needs the old parent")
				}
				after = survives("flatten", after, rebase(&block.RebaseOptions{}))
				maps.DeleteFunc(after, func(name string, _ []byte) bool { return !strings.HasPrefix(name, "top") })
				if !bytes.Equal(disk("top.vmdk", after), want) {
					t.Error("it needs a parent")
				}
				after = survives("commit", files, func(f *folder) error {
					return vmdk.CommitInto(t.Context(), f.file("base.vmdk"), f.file("top.vmdk"), open("top.vmdk", f.now(nil)), 1, f.options())
				})
				if !bytes.Equal(disk("base.vmdk", after), want) {
					t.Error("the parent has another disk")
				}
				if bytes.Equal(after["base.vmdk"], files["base.vmdk"]) {
					t.Error("the parent has no new content ID")
				}
				after = survives("empty", after, func(f *folder) error {
					return vmdk.Empty(t.Context(), f.file("top.vmdk"), f.options())
				})
				room := func(files testimg.Files) (n int) {
					for name, b := range files {
						if strings.HasPrefix(name, "top") {
							n += len(b)
						}
					}
					return n
				}
				if room(after) > room(files)-6*k {
					t.Errorf("the empty image has %d bytes, it had %d", room(after), room(files))
				}
				// And with a disk that is full.
				for left := 0; ; left++ {
					f := newFolder(files)
					full := func(name string) *testimg.Full { return &testimg.Full{Power: f.file(name), Left: left} }
					o := &vmdk.Options{Extents: func(_ block.Storage, name string) (block.Storage, error) { return full(name), nil }}
					err := vmdk.CommitInto(t.Context(), full("base.vmdk"), full("top.vmdk"), open("top.vmdk", files), 1, o)
					if !bytes.Equal(disk("top.vmdk", f.now(nil)), want) {
						t.Fatalf("with room for %d writes of each file: another disk", left)
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
}

// judgeSet has qemu-img check and read an image with the parent that it names.
func judgeSet(t *testing.T, what string, files testimg.Files, want []byte) {
	t.Helper()
	if !peers.Has(t, "qemu-img") {
		return
	}
	dir := t.TempDir()
	img := files.Write(t, dir, "top.vmdk", files["top.vmdk"])
	raw := filepath.Join(dir, "raw")
	peers.Run(t, "qemu-img", "check", "-q", "-f", "vmdk", img)
	peers.Run(t, "qemu-img", "convert", "-f", "vmdk", "-O", "raw", img, raw)
	if got, err := os.ReadFile(raw); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: qemu-img reads another disk, %v", what, err)
	}
}

// TestSetsRefused: what cannot be written to is told before anything is written.
func TestSetsRefused(t *testing.T) {
	const k, size = 8 << 10, 2 << 20
	for name, c := range map[string]struct {
		change func(text string) string
		class  error
	}{
		"read only": {func(s string) string {
			return strings.Replace(s, "RW 2048 SPARSE \"base-s001", "RDONLY 2048 SPARSE \"base-s001", 1)
		}, block.ErrUnsupported},
		"zeros": {func(s string) string {
			return strings.Replace(s, "RW 2048 SPARSE \"base-s001.vmdk\"", "RW 2048 ZERO", 1)
		}, block.ErrUnsupported},
		"twice":           {func(s string) string { return strings.Replace(s, "base-s002", "base-s001", 1) }, block.ErrCorrupt},
		"another content": {func(s string) string { return strings.Replace(s, "CID=00001234", "CID=00001235", 1) }, block.ErrRefused},
		"marked":          {func(s string) string { return "\xef\xbb\xbf" + s }, block.ErrUnsupported},
		"not there":       {func(s string) string { return strings.Replace(s, "base-s002", "none", 1) }, fs.ErrNotExist},
		"elsewhere":       {func(s string) string { return strings.Replace(s, "base-s002", "../base-s002", 1) }, block.ErrRefused},
		"COWD": {func(s string) string {
			return strings.Replace(s, "RW 2048 SPARSE \"base-s002", "RW 2048 VMFSSPARSE \"base-s002", 1)
		}, block.ErrUnsupported},
	} {
		files := testimg.Files{}
		l := vmdk.Layout{Size: size, Name: "base.vmdk", Subformat: vmdk.TwoGbMaxExtentSparse, CID: 0x1234, GrainSize: k, SplitSize: 1 << 20}
		newSet(t, files, l, testimg.At(0, k, 1))
		l.Name, l.Parent, l.ParentCID, l.CID = "top.vmdk", "base.vmdk", 0x1234, 0
		newSet(t, files, l, testimg.At(k, k, 2))
		d, err := set{"top.vmdk", files}.open()
		if err != nil {
			t.Fatal(err)
		}
		files["base.vmdk"] = []byte(c.change(string(files["base.vmdk"])))
		f := newFolder(files)
		err = vmdk.CommitInto(t.Context(), f.file("base.vmdk"), f.file("top.vmdk"), d, 1, f.options())
		if !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", name, err, c.class)
		}
		for name, b := range f.now(nil) {
			if !bytes.Equal(b, files[name]) {
				t.Errorf("%s: %s is written to", c.class, name)
			}
		}
		if err := vmdk.CommitInto(t.Context(), f.file("base.vmdk"), f.file("top.vmdk"), d, 1, nil); !errors.Is(err, block.ErrUnsupported) {
			t.Errorf("%s, without its files: %v, want ErrUnsupported", name, err)
		}
	}
}
