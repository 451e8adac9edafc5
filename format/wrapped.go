package format

import (
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/wrapped"
)

// WrappedLimits bounds what a file that is compressed as a whole may ask for, in
// bytes where nothing else is said. A field that is 0 takes its value from [DefaultWrappedLimits].
type WrappedLimits struct {
	Size       int64 // of what it holds
	ZstdWindow int64 // window of a zstd frame, which is held in memory
	XzDict     int64 // dictionary of an xz block, which is held in memory
	// Ratio is how many bytes of data it may hold for each of its own, beyond the
	// first GiB, and of zeros eight times as many, beyond 4 GiB. It is a count.
	Ratio int64
}

// DefaultWrappedLimits returns the limits that apply where none are given.
func DefaultWrappedLimits() WrappedLimits {
	d := wrapped.DefaultLimits()
	return WrappedLimits{Size: d.Size, ZstdWindow: d.ZstdWindow, XzDict: d.XzDict, Ratio: d.Ratio}
}

func (l WrappedLimits) limits() wrapped.Limits {
	return wrapped.Limits{Size: l.Size, ZstdWindow: l.ZstdWindow, XzDict: l.XzDict, Ratio: l.Ratio}
}

// splitFormat splits a stated format such as "qcow2.xz". Where nothing is packed
// the wrapper is "".
func splitFormat(name string) (format, wrapper string) {
	if i := strings.LastIndexByte(name, '.'); i >= 0 && wrapped.Known(name[i+1:]) {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// KnownWrapped reports whether Options.Format may be this name where Unwrap is
// set: one that is Known, or such a one in a wrapper ("raw.xz").
func KnownWrapped(name string) bool {
	format, _ := splitFormat(name)
	return Known(format)
}

// around is the file around an image, nil if there is none.
type around struct {
	wrapper string
	file    block.Reader
	held    *wrapped.File // what it holds
}

// fill says of an image what its file is.
func (p *around) fill(info *Info) {
	if p == nil {
		return
	}
	info.Wrapper = p.wrapper
	info.FileSize = p.file.Size()
	if f, ok := p.file.(Source); ok {
		info.Allocated = f.Allocated()
	}
}

// unwrap returns what is in r if it is compressed, and how that is to be opened.
func unwrap(r block.Reader, o *Options) (block.Reader, *Options, *around, error) {
	if !o.Unwrap {
		return r, o, nil, nil
	}
	inner := *o
	inner.Unwrap = false
	wrapper := ""
	if inner.Format, wrapper = splitFormat(o.Format); o.Format == "" {
		found, err := Probe(r)
		if err != nil || !wrapped.Known(found.Format) {
			return r, &inner, nil, nil // choose says what is wrong
		}
		wrapper = found.Format
	}
	if wrapper == "" {
		return r, &inner, nil, nil
	}
	f, err := wrapped.Open(wrapper, r, o.Wrapped.limits())
	if err != nil {
		return nil, nil, nil, err
	}
	return f, &inner, &around{wrapper, r, f}, nil
}
