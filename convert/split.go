package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/internal/parts"
	"github.com/guestkit/guestkit/internal/problem"
	file "github.com/guestkit/guestkit/internal/sink"
)

// whole is the path of a split image without the number of a part.
func (out *Output) whole() string { return strings.TrimSuffix(out.Path, parts.First) }

// first is the path of the first file of the image: Path, or the first part of
// a split image. The error is of an image that cannot be split, or of a part of
// another one that would be read as the next part of this one.
func (out *Output) first() (string, error) {
	if out.SplitSize == 0 {
		if out.Format == "raw" && !out.Device && strings.HasSuffix(out.Path, parts.First) {
			return out.Path, noParts(out.whole(), 2)
		}
		return out.Path, nil
	}
	path := out.whole() + parts.First
	switch {
	case out.Format != "raw":
		return "", problem.Class(block.ErrUnsupported, "cannot split %s images; only raw ones", out.Format)
	case out.Device:
		return "", problem.Class(block.ErrUnsupported, "cannot split the image on a device")
	case out.whole() == "" || strings.HasSuffix(out.whole(), string(filepath.Separator)):
		return "", problem.Class(block.ErrRefused, "%q is not a name for the parts of an image", out.Path)
	case !out.File.Replace:
		return path, noParts(out.whole(), 1)
	}
	return path, nil
}

// partsFrom lists the parts of the image called whole that are there, from the
// one with that number on.
func partsFrom(whole string, least int) ([]string, error) {
	dir, base := filepath.Dir(whole), filepath.Base(whole)
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		if n := parts.Number(base, name); n > 0 && n >= least {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out, nil
}

// noParts returns an error if such parts are there.
func noParts(whole string, least int) error {
	found, err := partsFrom(whole, least)
	if err == nil && len(found) > 0 {
		err = &os.PathError{Op: "create", Path: found[0], Err: fmt.Errorf("%w, and would be read as a part of the image", os.ErrExist)}
	}
	return err
}

// A split is a raw image that is cut into files: what raw.Writer writes to. It
// is safe for concurrent use.
type split struct {
	size   int64 // of a part
	name   string
	beside func(string) (sink, error)

	mu    sync.Mutex
	parts []sink // those that were begun, in their order
	end   int64  // of the image
}

// A splitTarget is a raw.Writer on top of a split.
type splitTarget struct {
	*raw.Writer
	parts *split
}

func newSplit(out *Output, size int64, first sink, beside func(string) (sink, error)) (*split, error) {
	s := &split{size: out.SplitSize, name: filepath.Base(out.whole()), beside: beside, parts: []sink{first}}
	switch {
	case s.size < 4096 || s.size%4096 != 0:
		return nil, problem.Option("split_size is %d, not a multiple of 4096", s.size)
	case !out.growing && (size+s.size-1)/s.size > parts.Max:
		return nil, block.Errorf("raw", "disk", -1, block.ErrLimit, "%d bytes in parts of %d, and there are at most %d parts", size, s.size, parts.Max)
	}
	return s, nil
}

// part returns a part by its number from 0 on, which it begins if need be, with
// all before it.
func (s *split) part(i int64) (sink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= parts.Max {
		return nil, block.Errorf("raw", "disk", i*s.size, block.ErrLimit, "in parts of %d bytes there are more than %d parts", s.size, parts.Max)
	}
	for int64(len(s.parts)) <= i {
		f, err := s.beside(parts.Name(s.name, len(s.parts)+1))
		if err != nil {
			return nil, err
		}
		s.parts = append(s.parts, f)
	}
	return s.parts[i], nil
}

// each calls do for every piece of a range that lies in one part: where it lies
// there, and how many bytes of the range come before it.
func (s *split) each(off, n int64, do func(f sink, at, n, before int64) error) error {
	for before := int64(0); before < n; {
		i, at := (off+before)/s.size, (off+before)%s.size
		part := min(n-before, s.size-at)
		f, err := s.part(i)
		if err == nil {
			err = do(f, at, part, before)
		}
		if err != nil {
			return err
		}
		before += part
	}
	return nil
}

func (s *split) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	err := s.each(off, int64(len(p)), func(f sink, at, n, before int64) error {
		m, err := f.WriteAt(p[before:before+n], at)
		done += m
		return err
	})
	return done, err
}

// Truncate gives all parts their sizes.
func (s *split) Truncate(size int64) error {
	last := max(size-1, 0) / s.size
	if _, err := s.part(last); err != nil {
		return err
	}
	s.end = size
	for i, f := range s.parts {
		if int64(i) > last {
			return errors.New("an image that is cut into parts has got shorter") // no writer does that
		}
		if err := f.Truncate(min(s.size, size-int64(i)*s.size)); err != nil {
			return err
		}
	}
	return nil
}

func (s *split) Sync() error {
	for _, f := range s.parts {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// Allocate reserves room for a range.
func (s *split) Allocate(off, n int64) error {
	return s.each(off, n, func(f sink, at, n, _ int64) error {
		if a, ok := f.(interface{ Allocate(off, n int64) error }); ok {
			return a.Allocate(at, n)
		}
		return errors.ErrUnsupported
	})
}

// CloneRange shares blocks with another file.
func (s *split) CloneRange(off, n int64, src *os.File, srcOff int64) error {
	return s.each(off, n, func(f sink, at, n, before int64) error {
		return file.Clone(f, at, n, src, srcOff+before)
	})
}

// CopyRange lets the kernel copy from another file.
func (s *split) CopyRange(off, n int64, src *os.File, srcOff int64) error {
	return s.each(off, n, func(f sink, at, n, before int64) error {
		return file.Copy(f, at, n, src, srcOff+before)
	})
}

// reader reads what was written.
func (s *split) reader() block.Reader {
	var parts []block.Device
	for i, f := range s.parts {
		if r, ok := f.(io.ReaderAt); ok {
			parts = append(parts, block.Plain(sized{r, min(s.size, s.end-int64(i)*s.size)}))
		}
	}
	return block.Concat(parts...)
}

// replacedParts lists the parts of an earlier image that would be read as parts
// of this one, of n parts, whose first one is to appear at the path of f.
func replacedParts(f *File, n int) ([]string, error) {
	whole := strings.TrimSuffix(f.path, parts.First)
	if !f.o.Replace {
		return nil, noParts(whole, 1)
	}
	return partsFrom(whole, n+1)
}
