// Package guest is what the detectors of package inspect read a guest through: its
// files within bounds, and the texts in them.
package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/system"
)

// Bounds of what is taken from a guest.
const (
	MaxValue   = 4 << 10 // bytes of one value; longer ones are not values
	MaxEntries = 4096    // names of one directory that a detector looks at
	maxLinks   = 40
)

// A Tree reads the files of a guest for the detectors. Nothing that it meets
// is fatal: a file that is missing is not there, one that cannot be read, or
// is no regular file, or is too large, is reported and counts as not there.
// Names have the form of io/fs.
type Tree struct {
	Ctx context.Context
	FS  fs.FS
	O   *system.Options // with no field left open
}

// NewTree reads the files of fsys within the bounds of o.
func NewTree(ctx context.Context, fsys fs.FS, o *system.Options) *Tree {
	return &Tree{ctx, fsys, o.WithDefaults()}
}

// Problem reports what is wrong with a file.
func (t *Tree) Problem(err error) { t.O.Problem(err) }

// Fail reports an error that came from the file name, unless the file is
// simply not there.
func (t *Tree) Fail(name string, err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	t.Problem(&block.Error{What: "/" + name, Off: -1, Err: err})
}

func (t *Tree) Stat(name string) fs.FileInfo {
	fi, err := fs.Stat(t.FS, name)
	if err != nil {
		t.Fail(name, err)
		return nil
	}
	return fi
}

func (t *Tree) Lstat(name string) fs.FileInfo {
	fi, err := fs.Lstat(t.FS, name)
	if err != nil {
		t.Fail(name, err)
		return nil
	}
	return fi
}

func (t *Tree) IsDir(name string) bool {
	fi := t.Stat(name)
	return fi != nil && fi.IsDir()
}

func (t *Tree) IsFile(name string) bool {
	fi := t.Stat(name)
	return fi != nil && fi.Mode().IsRegular()
}

// IsThere reports whether there is anything of that name, be it a link to
// nowhere.
func (t *Tree) IsThere(name string) bool { return t.Lstat(name) != nil }

// FirstFile returns the first of the names that is a regular file.
func (t *Tree) FirstFile(names ...string) (string, bool) {
	for _, name := range names {
		if t.IsFile(name) {
			return name, true
		}
	}
	return "", false
}

// List returns the entries of a directory, none if there is no such directory.
func (t *Tree) List(name string) []fs.DirEntry {
	es, err := fs.ReadDir(t.FS, name)
	t.Fail(name, err)
	if len(es) > MaxEntries {
		t.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "%d entries; the first %d are looked at", len(es), MaxEntries))
		es = es[:MaxEntries]
	}
	return es
}

// ListAll returns up to most entries of a directory, and whether there are more.
func (t *Tree) ListAll(name string, most int) ([]fs.DirEntry, bool) {
	es, err := fs.ReadDir(t.FS, name)
	t.Fail(name, err)
	if len(es) > most {
		return es[:most], true
	}
	return es, false
}

// Open opens a regular file of at most limit bytes.
func (t *Tree) Open(name string, limit int64) (fs.File, int64) {
	fi := t.Stat(name)
	if fi == nil {
		return nil, 0
	}
	if !fi.Mode().IsRegular() {
		t.Problem(block.Errorf("", "/"+name, -1, block.ErrUnsupported, "it is no regular file (%v) and is ignored", fi.Mode().Type()))
		return nil, 0
	}
	if fi.Size() > limit {
		t.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "it has %d bytes, more than %d, and is ignored", fi.Size(), limit))
		return nil, 0
	}
	f, err := t.FS.Open(name)
	if err != nil {
		t.Fail(name, err)
		return nil, 0
	}
	return f, max(fi.Size(), 0)
}

// Text reads a configuration file; the second result is false if there is
// none to read.
func (t *Tree) Text(name string) ([]byte, bool) {
	f, size := t.Open(name, t.O.MaxConfig)
	if f == nil {
		return nil, false
	}
	defer f.Close()
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(f, size)); err != nil {
		t.Fail(name, err)
		return nil, false
	}
	return bytes.TrimPrefix(b.Bytes(), []byte("\xEF\xBB\xBF")), true
}

// regular opens a regular file of any size; what is none is not there.
func (t *Tree) regular(name string) (fs.File, int64) {
	fi := t.Stat(name)
	if fi == nil || !fi.Mode().IsRegular() {
		return nil, 0
	}
	f, err := t.FS.Open(name)
	if err != nil {
		t.Fail(name, err)
		return nil, 0
	}
	return f, max(fi.Size(), 0)
}

// Head reads the first n bytes of a regular file of any size, or fewer.
func (t *Tree) Head(name string, n int) []byte {
	f, _ := t.regular(name)
	if f == nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, n)
	n, err := io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		t.Fail(name, err)
		return nil
	}
	return b[:n]
}

// Tail reads the last n bytes of a regular file of any size, or fewer, if the file can
// be read at any place.
func (t *Tree) Tail(name string, n int64) []byte {
	f, size := t.regular(name)
	if f == nil {
		return nil
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil
	}
	n = min(n, size)
	b := make([]byte, n)
	if _, err := at.ReadAt(b, size-n); err != nil && err != io.EOF {
		t.Fail(name, err)
		return nil
	}
	return b
}

// Lines yields the lines of a text without their ends, numbered from 1.
func Lines(b []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i := 1; len(b) > 0; i++ {
			var line []byte
			line, b, _ = bytes.Cut(b, []byte("\n"))
			if !yield(i, string(bytes.TrimSuffix(line, []byte("\r")))) {
				return
			}
		}
	}
}

// Entries yields the lines that are neither blank nor a comment, trimmed.
func Entries(b []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i, line := range Lines(b) {
			line = strings.TrimSpace(line)
			if line != "" && line[0] != '#' && !yield(i, line) {
				return
			}
		}
	}
}

// Real resolves all symbolic links of a name, inside of the guest. The result
// exists; it is "" if the name leads nowhere.
func (t *Tree) Real(name string) string {
	todo := strings.Split(name, "/")
	var done []string
	for links, steps := 0, 0; len(todo) > 0; steps++ {
		if steps > MaxEntries {
			return ""
		}
		el := todo[0]
		todo = todo[1:]
		switch el {
		case "", ".":
			continue
		case "..":
			done = done[:max(0, len(done)-1)]
			continue
		}
		at := path.Join(path.Join(done...), el)
		fi := t.Lstat(at)
		if fi == nil {
			return ""
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			done = append(done, el)
			continue
		}
		target, err := fs.ReadLink(t.FS, at)
		if links++; links > maxLinks && err == nil {
			err = block.ErrLoop
		}
		if err != nil {
			t.Fail(at, err)
			return ""
		}
		if strings.HasPrefix(target, "/") {
			done = nil
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return path.Join(done...)
}

// Fold finds a path whose elements may differ in case from those asked for,
// as on a filesystem of Windows: "Windows/System32". It is "" if there is none.
func (t *Tree) Fold(name string) string {
	if f, ok := t.FS.(vfs.FS); ok && f.Info().CaseInsensitive {
		if t.IsThere(name) {
			return name
		}
		return ""
	}
	at := "."
	for _, el := range strings.Split(name, "/") {
		if next := path.Join(at, el); t.IsThere(next) {
			at = next
			continue
		}
		found := ""
		for _, e := range t.List(at) {
			if strings.EqualFold(e.Name(), el) {
				found = e.Name()
				break
			}
		}
		if found == "" {
			return ""
		}
		at = path.Join(at, found)
	}
	return at
}

// Value is fit for a value in a line of a file.
func (t *Tree) Value(s, name string, line int) string {
	return t.Fit(s, fmt.Sprintf("/%s line %d", name, line))
}

// Fit makes guest text fit for a field: valid UTF-8 without white space around
// it. A value that is too long is none.
func (t *Tree) Fit(s, where string) string {
	s = strings.TrimSpace(s)
	if len(s) > MaxValue {
		t.Problem(block.Errorf("", where, -1, block.ErrLimit, "a value of %d bytes is ignored", len(s)))
		return ""
	}
	clean := strings.ToValidUTF8(s, "\uFFFD")
	if clean != s {
		t.Problem(block.Errorf("", where, -1, block.ErrCorrupt, "the value is not valid UTF-8"))
	}
	return clean
}

// Name turns a path that a file of the guest states, "/boot//efi/", into
// the form of io/fs: "boot/efi". The root is ".". It does not resolve links.
func Name(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if p == "" {
		return "."
	}
	els := strings.Split(p, "/")
	for i, el := range els {
		els[i] = vfs.Escape(el)
	}
	return strings.Join(els, "/")
}

// Shown is Name the other way round: a path as the guest's users know it.
func Shown(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + name
}

// Named says where a fault is.
func Named(where string, err error) error {
	if where == "" { // it has its place in itself
		return err
	}
	var e *block.Error
	if errors.As(err, &e) {
		what := *e
		what.What = where + ": " + e.What
		if e.Format != "" {
			what.What, what.Format = where+": "+e.Format+": "+e.What, ""
		}
		return &what
	}
	return &block.Error{What: where, Off: -1, Err: err}
}
