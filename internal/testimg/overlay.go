package testimg

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// Files are images by their names, in one folder.
type Files map[string][]byte

// Unstorable are names of a parent that formats cannot say whose names are text with the
// separators of Windows, where a backslash is no other character.
func Unstorable() []string {
	names := []string{"a\xffb", "a\x00b"}
	if filepath.Separator != '\\' {
		names = append(names, `a\b`, "a:b", "./a:b")
	}
	return names
}

// Opener gives what images name; open opens one, with what gives its own.
func (f Files) Opener(open func(r block.Reader, opener block.Opener) (block.Device, error)) block.Opener {
	var opener block.Opener
	opener = func(ref block.Ref) (block.Device, error) {
		b, ok := f[ref.Name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return open(bytes.NewReader(b), opener)
	}
	return opener
}

// Write puts the files into a folder, and one more.
func (f Files) Write(t *testing.T, dir, name string, b []byte) (path string) {
	t.Helper()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, b := range f {
		put(name, b)
	}
	return put(name, b)
}

// Must opens a sound image; one that is not fails the test.
func Must(open func(b []byte, files Files) (block.Device, error)) func(t *testing.T, b []byte, files Files) block.Device {
	return func(t *testing.T, b []byte, files Files) block.Device {
		t.Helper()
		d, err := open(b, files)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// Faultless is an error with all that a format's Check reports where something is
// corrupt, unless that is one fault which says excused.
func Faultless(check func(report func(block.Fault)) (*block.CheckResult, error), excused string) error {
	var faults []error
	res, err := check(func(f block.Fault) { faults = append(faults, f.Err) })
	switch {
	case err != nil:
		return err
	case res.Corruptions == 0:
		return nil
	case res.Corruptions == 1 && excused != "" && strings.Contains(faults[0].Error(), excused):
		return nil
	}
	return errors.Join(faults...)
}

// A Filler is a writer of any format.
type Filler interface {
	io.WriterAt
	Zero(off, n int64) error
	Commit() error
}

// Filled makes an image that holds pieces, by the writer of its format.
func Filled[W Filler](t *testing.T, create func(f *Power) (W, error), pieces ...Piece) []byte {
	t.Helper()
	return written(t, create, func(w W) (err error) {
		for _, p := range pieces {
			if p.Fill == 0 {
				err = w.Zero(p.Off, p.Len)
			} else {
				_, err = w.WriteAt(bytes.Repeat([]byte{p.Fill}, int(p.Len)), p.Off)
			}
			if err != nil {
				break
			}
		}
		return err
	})
}

// Stored makes an image whose disk of that size has no zeros: all of its blocks lie
// in the file.
func Stored[W Filler](t *testing.T, size int64, create func(f *Power) (W, error)) []byte {
	t.Helper()
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i>>9) | 1
	}
	return written(t, create, func(w W) error {
		_, err := w.WriteAt(b, 0)
		return err
	})
}

func written[W Filler](t *testing.T, create func(f *Power) (W, error), write func(w W) error) []byte {
	t.Helper()
	f := NewPower(nil)
	w, err := create(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return f.B
}

// An Overlaid is an image of a format that lies upon another one.
type Overlaid struct {
	Base, Other, Top []byte // Top lies upon "base"; "other" is another disk of its size
	Runs             int    // random losses of power, of each operation
	Again            int    // every how many of them the operation is done again; 0 means 8
	// Open checks an image, the parents of which are among the files, and returns
	// its disk; it fails where the image is not sound.
	Open   func(b []byte, files Files) (block.Device, error)
	Rebase func(f block.Storage, o *block.RebaseOptions) error
	Commit func(base, child block.Storage, disk block.Device) error
	Empty  func(f block.Storage) error
	// Judge, if not nil, is shown what each operation has made, and some of what a
	// loss of power leaves; it returns the disk as another program reads it, or nil.
	Judge func(t *testing.T, what string, b []byte, files Files) []byte
}

func (o *Overlaid) read(b []byte, files Files) ([]byte, error) {
	d, err := o.Open(b, files)
	if err != nil {
		return nil, err
	}
	defer block.Close(d)
	disk := make([]byte, d.Size())
	return disk, block.ReadFull(d, disk, 0)
}

// same fails where the disk is another one.
func (o *Overlaid) same(t *testing.T, what string, b []byte, files Files, want []byte) {
	t.Helper()
	if got, err := o.read(b, files); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: another disk at %#x, %v", what, differ(got, want), err)
	}
}

func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func (o *Overlaid) judge(t *testing.T, what string, b []byte, files Files, want []byte) {
	t.Helper()
	if o.Judge == nil {
		return
	}
	if got := o.Judge(t, what, b, files); got != nil && !bytes.Equal(got, want) {
		t.Fatalf("%s: another program reads another disk, at %#x", what, differ(got, want))
	}
}

// survives lets the power go while an operation runs that leaves the disk as it is.
// Done again, the operation must come to its end.
func (o *Overlaid) survives(t *testing.T, what string, p *Power, files Files, want []byte, run func(f block.Storage) error) {
	t.Helper()
	i := 0
	n := p.Crashes(t, o.Runs, func(when string, file func() []byte) {
		b := file()
		o.same(t, what+", "+when, b, files, want)
		if i++; i%cmp.Or(o.Again, 8) != 0 {
			return
		}
		again := NewPower(b)
		if err := run(again); err != nil && !errors.Is(err, errDone) {
			t.Fatalf("%s, %s, once more: %v", what, when, err)
		}
		o.same(t, what+", "+when+", once more", again.B, files, want)
	})
	FillsUp(p.base, func(f *Full) error { return run(f) }, func(left int, b []byte, err error) {
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%s, with room for %d writes: %v", what, left, err)
		}
		o.same(t, fmt.Sprintf("%s, with room for %d writes", what, left), b, files, want)
	})
	t.Logf("%s: %d crashes survived", what, n)
}

// errDone says that there is nothing to do any more.
var errDone = errors.New("done")

// TestOverlaid rebases, commits, empties and flattens, with the power gone at any
// moment: the disk must never read otherwise.
func TestOverlaid(t *testing.T, o Overlaid) {
	t.Helper()
	files := Files{"base": o.Base, "other": o.Other, "top": o.Top}
	open := func(b []byte) block.Device {
		d, err := o.Open(b, files)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	base, other := open(o.Base), open(o.Other)
	want, err := o.read(o.Top, files)
	if err != nil {
		t.Fatal(err)
	}
	// By the name alone.
	p := NewPower(o.Top)
	err = o.Rebase(p, &block.RebaseOptions{Backing: "other", Old: base, New: other, Unsafe: true})
	if !errors.Is(err, block.ErrRefused) || !bytes.Equal(p.B, o.Top) {
		t.Errorf("-u onto another disk: %v, want ErrRefused", err)
	}
	if err := o.Rebase(p, &block.RebaseOptions{Backing: "other", Old: base, New: other, Unsafe: true, Force: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := o.read(p.B, files); err != nil || bytes.Equal(got, want) {
		t.Errorf("-u --force: the disk is the same, %v", err)
	}
	back := NewPower(p.B)
	if err := o.Rebase(back, &block.RebaseOptions{Backing: "base", New: base, Unsafe: true}); err != nil {
		t.Fatal(err)
	}
	o.same(t, "-u and back", back.B, files, want)
	if err := o.Rebase(NewPower(o.Top), &block.RebaseOptions{Backing: "other", New: other}); !errors.Is(err, block.ErrParent) {
		t.Errorf("without the old parent: %v, want ErrParent", err)
	}
	if err := o.Rebase(NewPower(o.Base), &block.RebaseOptions{Backing: "other", New: other}); err == nil {
		t.Errorf("an image without a parent was rebased")
	}
	// Onto another parent.
	rebase := func(f block.Storage) error {
		return o.Rebase(f, &block.RebaseOptions{Backing: "other", Old: base, New: other})
	}
	p = NewPower(o.Top)
	if err := rebase(p); err != nil {
		t.Fatal(err)
	}
	rebased := p.B
	o.same(t, "rebase", rebased, files, want)
	if got, err := o.read(rebased, Files{"other": o.Other}); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("rebase: it still needs the old parent: %v", err)
	}
	o.judge(t, "rebase", rebased, files, want)
	o.survives(t, "rebase", p, files, want, func(f block.Storage) error {
		if p, ok := f.(*Power); ok {
			if _, err := o.read(p.B, Files{"other": o.Other}); err == nil {
				return errDone
			}
		}
		return rebase(f)
	})
	// Without a parent.
	flatten := func(f block.Storage) error { return o.Rebase(f, &block.RebaseOptions{Old: base}) }
	p = NewPower(o.Top)
	if err := flatten(p); err != nil {
		t.Fatal(err)
	}
	if got, err := o.read(p.B, nil); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("flatten: another disk, %v", err)
	}
	o.judge(t, "flatten", p.B, nil, want)
	o.survives(t, "flatten", p, files, want, func(f block.Storage) error {
		if p, ok := f.(*Power); ok {
			if _, err := o.read(p.B, nil); err == nil {
				return errDone
			}
		}
		return flatten(f)
	})
	// Into the parent.
	commit := func(all Powers) error {
		d, err := o.Open(bytes.Clone(all[1].B), Files{"base": bytes.Clone(all[0].B)})
		if err != nil {
			return err
		}
		defer block.Close(d)
		return o.Commit(all[0], all[1], d)
	}
	all := Together(o.Base, o.Top)
	if err := commit(all); err != nil {
		t.Fatal(err)
	}
	o.same(t, "commit, the parent", all[0].B, nil, want)
	after := Files{"base": all[0].B}
	o.same(t, "commit", all[1].B, after, want)
	o.judge(t, "commit, the parent", all[0].B, nil, want)
	o.judge(t, "commit", all[1].B, after, want)
	i := 0
	n := all.Crashes(t, o.Runs, func(when string, f [][]byte) {
		o.same(t, "commit, "+when, f[1], Files{"base": f[0]}, want)
		if i++; i%cmp.Or(o.Again, 8) != 0 {
			return
		}
		again := Together(f...)
		if err := commit(again); err != nil {
			t.Fatalf("commit, %s, once more: %v", when, err)
		}
		o.same(t, "commit, "+when+", once more, the parent", again[0].B, nil, want)
		o.same(t, "commit, "+when+", once more", again[1].B, Files{"base": again[0].B}, want)
	})
	t.Logf("commit: %d crashes survived", n)
	FillsUp(o.Base, func(f *Full) error {
		child := NewPower(o.Top)
		d := open(o.Top)
		defer block.Close(d)
		err := o.Commit(f, child, d)
		o.same(t, fmt.Sprintf("commit, %v", err), child.B, Files{"base": f.B}, want)
		return err
	}, func(left int, b []byte, err error) {
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("commit, with room for %d writes: %v", left, err)
		}
	})
	p = NewPower(all[1].B)
	if err := o.Empty(p); err != nil {
		t.Fatal(err)
	}
	o.same(t, "empty", p.B, after, want)
	o.judge(t, "empty", p.B, after, want)
	if len(p.B) >= len(o.Top) {
		t.Errorf("the empty image has %d bytes, it had %d", len(p.B), len(o.Top))
	}
	o.survives(t, "empty", p, after, want, o.Empty)
	// Nothing is left to go into the parent, which others may lie upon.
	again := Together(all[0].B, p.B)
	if err := commit(again); err != nil || !bytes.Equal(again[0].B, all[0].B) {
		t.Errorf("commit of nothing: %v; the parent is written to: %v", err, !bytes.Equal(again[0].B, all[0].B))
	}
}
