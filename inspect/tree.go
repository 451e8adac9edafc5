package inspect

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
)

// Bounds of what is taken from a guest.
const (
	maxValue   = 4 << 10 // bytes of one value; longer ones are not values
	maxEntries = 4096    // names of one directory that a detector looks at
	maxLinks   = 40
)

// A tree reads the files of a guest for the detectors. Nothing that it meets
// is fatal: a file that is missing is not there, one that cannot be read, or
// is no regular file, or is too large, is reported and counts as not there.
// Names have the form of io/fs.
type tree struct {
	ctx     context.Context
	fsys    fs.FS
	o       *Options
	problem func(error)
}

// fail reports an error that came from the file name, unless the file is
// simply not there.
func (t *tree) fail(name string, err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	t.problem(&block.Error{What: "/" + name, Off: -1, Err: err})
}

func (t *tree) stat(name string) fs.FileInfo {
	fi, err := fs.Stat(t.fsys, name)
	if err != nil {
		t.fail(name, err)
		return nil
	}
	return fi
}

func (t *tree) lstat(name string) fs.FileInfo {
	fi, err := fs.Lstat(t.fsys, name)
	if err != nil {
		t.fail(name, err)
		return nil
	}
	return fi
}

func (t *tree) isDir(name string) bool {
	fi := t.stat(name)
	return fi != nil && fi.IsDir()
}

func (t *tree) isFile(name string) bool {
	fi := t.stat(name)
	return fi != nil && fi.Mode().IsRegular()
}

// isThere reports whether there is anything of that name, be it a link to
// nowhere.
func (t *tree) isThere(name string) bool { return t.lstat(name) != nil }

// firstFile returns the first of the names that is a regular file.
func (t *tree) firstFile(names ...string) (string, bool) {
	for _, name := range names {
		if t.isFile(name) {
			return name, true
		}
	}
	return "", false
}

// list returns the entries of a directory, none if there is no such directory.
func (t *tree) list(name string) []fs.DirEntry {
	es, err := fs.ReadDir(t.fsys, name)
	t.fail(name, err)
	if len(es) > maxEntries {
		t.problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "%d entries; the first %d are looked at", len(es), maxEntries))
		es = es[:maxEntries]
	}
	return es
}

// open opens a regular file of at most limit bytes.
func (t *tree) open(name string, limit int64) (fs.File, int64) {
	fi := t.stat(name)
	if fi == nil {
		return nil, 0
	}
	if !fi.Mode().IsRegular() {
		t.problem(block.Errorf("", "/"+name, -1, block.ErrUnsupported, "it is no regular file (%v) and is ignored", fi.Mode().Type()))
		return nil, 0
	}
	if fi.Size() > limit {
		t.problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "it has %d bytes, more than %d, and is ignored", fi.Size(), limit))
		return nil, 0
	}
	f, err := t.fsys.Open(name)
	if err != nil {
		t.fail(name, err)
		return nil, 0
	}
	return f, fi.Size()
}

// text reads a configuration file; the second result is false if there is
// none to read.
func (t *tree) text(name string) ([]byte, bool) {
	f, size := t.open(name, t.o.maxConfig())
	if f == nil {
		return nil, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, size))
	if err != nil {
		t.fail(name, err)
		return nil, false
	}
	return bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF")), true
}

// head reads the first n bytes of a regular file of any size, or fewer.
func (t *tree) head(name string, n int) []byte {
	fi := t.stat(name)
	if fi == nil || !fi.Mode().IsRegular() {
		return nil
	}
	f, err := t.fsys.Open(name)
	if err != nil {
		t.fail(name, err)
		return nil
	}
	defer f.Close()
	b := make([]byte, n)
	n, err = io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		t.fail(name, err)
		return nil
	}
	return b[:n]
}

// lines yields the lines of a text without their ends, numbered from 1.
func lines(b []byte) iter.Seq2[int, string] {
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

// entries yields the lines that are neither blank nor a comment, trimmed.
func entries(b []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i, line := range lines(b) {
			line = strings.TrimSpace(line)
			if line != "" && line[0] != '#' && !yield(i, line) {
				return
			}
		}
	}
}

// real resolves all symbolic links of a name, inside of the guest. The result
// exists; it is "" if the name leads nowhere.
func (t *tree) real(name string) string {
	todo := strings.Split(name, "/")
	var done []string
	for links, steps := 0, 0; len(todo) > 0; steps++ {
		if steps > maxEntries {
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
		fi := t.lstat(at)
		if fi == nil {
			return ""
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			done = append(done, el)
			continue
		}
		target, err := fs.ReadLink(t.fsys, at)
		if links++; links > maxLinks && err == nil {
			err = block.ErrLoop
		}
		if err != nil {
			t.fail(at, err)
			return ""
		}
		if strings.HasPrefix(target, "/") {
			done = nil
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return path.Join(done...)
}

// fold finds a path whose elements may differ in case from those asked for,
// as on a filesystem of Windows: "Windows/System32". It is "" if there is none.
func (t *tree) fold(name string) string {
	if f, ok := t.fsys.(vfs.FS); ok && f.Info().CaseInsensitive {
		if t.isThere(name) {
			return name
		}
		return ""
	}
	at := "."
	for _, el := range strings.Split(name, "/") {
		if next := path.Join(at, el); t.isThere(next) {
			at = next
			continue
		}
		found := ""
		for _, e := range t.list(at) {
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

// value is fit for a value in a line of a file.
func (t *tree) value(s, name string, line int) string {
	return t.fit(s, fmt.Sprintf("/%s line %d", name, line))
}

// fit makes guest text fit for a field: valid UTF-8 without white space around
// it. A value that is too long is none.
func (t *tree) fit(s, where string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxValue {
		t.problem(block.Errorf("", where, -1, block.ErrLimit, "a value of %d bytes is ignored", len(s)))
		return ""
	}
	clean := strings.ToValidUTF8(s, "\uFFFD")
	if clean != s {
		t.problem(block.Errorf("", where, -1, block.ErrCorrupt, "the value is not valid UTF-8"))
	}
	return clean
}

// guestPath turns a path that a file of the guest states, "/boot//efi/", into
// the form of io/fs: "boot/efi". The root is ".". It does not resolve links.
func guestPath(p string) string {
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

// shown is guestPath the other way round: a path as the guest's users know it.
func shown(name string) string {
	if name == "." {
		return "/"
	}
	return "/" + name
}
