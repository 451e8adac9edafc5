package block

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// OpenParent opens the parent of a differencing image by the first of its
// names that open gives a Device for which accept has no error. ref is the Ref
// of all but the name; names may be Windows paths, which reach the Opener with
// slashes and without a leading "./". The error wraps ErrParent and all that
// was tried, and ErrRefused if open is nil.
//
// Images are moved with their parents, and the paths in them stay: last, the
// names are looked for in the folder of the image itself. Then accept must have
// proof that the parent is the right one.
func OpenParent(open Opener, ref Ref, names []string, accept func(Device) (proven bool, err error)) (Device, error) {
	if open == nil {
		return nil, fmt.Errorf("%w and %w: the image holds only the changes to %s", ErrParent, ErrRefused, quoted(names))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: the image names none", ErrParent)
	}
	all := ErrParent
	tried := map[string]bool{}
	for i := range 2 * len(names) {
		name, beside := names[i%len(names)], i >= len(names)
		ref.Name = slashed(name)
		if beside {
			ref.Name = ref.Name[strings.LastIndexByte(ref.Name, '/')+1:]
		}
		if tried[ref.Name] {
			continue
		}
		tried[ref.Name] = true
		d, err := open(ref)
		if err == nil {
			var proven bool
			if proven, err = accept(Unwrap(d)); err == nil && beside && !proven {
				err = errors.New("it lies beside the image, and nothing shows that it is the parent")
			}
			if err == nil {
				return d, nil
			}
			Close(d)
		}
		if !beside || !errors.Is(err, fs.ErrNotExist) {
			all = fmt.Errorf("%w: %q: %w", all, ref.Name, err)
		}
	}
	return nil, all
}

// Unwrap returns the Device of the driver behind d, where d is a wrapper that
// has a method Unwrap; else d itself.
func Unwrap(d Device) Device {
	for {
		w, ok := d.(interface{ Unwrap() Device })
		if !ok {
			return d
		}
		d = w.Unwrap()
	}
}

func slashed(name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	for strings.HasPrefix(name, "./") {
		name = strings.TrimPrefix(name, "./")
	}
	return name
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "a parent that it does not name"
	}
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(q, " or ")
}

// Close closes d if it can be closed: what an Opener returned. A nil Device is
// closed already.
func Close(d Device) error {
	if c, ok := d.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// OpenReference opens the one file that ref names, for an image of a format: its error
// says so, and wraps ErrRefused if open is nil.
func OpenReference(open Opener, format string, ref Ref) (Device, error) {
	if open == nil {
		return nil, Errorf(format, ref.Kind, -1, ErrRefused, "%q, and no file that an image names may be opened", ref.Name)
	}
	d, err := open(ref)
	if err != nil {
		return nil, Locate(format, ref.Kind, -1, err)
	}
	return d, nil
}

// ReadParent fills p with the bytes of a parent image at off. A parent that is
// shorter than its child reads as zeros past its end.
func ReadParent(parent Device, p []byte, off int64) error {
	n := int(min(max(parent.Size()-off, 0), int64(len(p))))
	clear(p[n:])
	return ReadFull(parent, p[:n], off)
}

// ParentExtent describes x, a run that a child image leaves to its parent, by
// what the parent says of its beginning. Len becomes at most that of x, and
// Depth one more than the parent's; past the end of a shorter parent the run
// is unset, at the depth of x.
func ParentExtent(parent Device, x Extent) (Extent, error) {
	size := parent.Size()
	if x.Off >= size {
		x.Zero, x.Unset = true, true
		return x, nil
	}
	e, err := parent.Extent(x.Off)
	if err != nil {
		return Extent{}, err
	}
	e.Len = min(e.Len, x.Len, size-x.Off)
	e.Depth++
	return e, nil
}
