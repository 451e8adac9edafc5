package pipeline

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/target"
)

// Convert copies the disk into a new image, as guestkit.Convert does.
type Convert struct {
	// To is the name of the output; "{name}" stands for that of the image,
	// "{index}" for its place in the plan, from 0, "{file}" for that of its file.
	To string `json:"to"`
	// Format is that of the output, "" for the one that To stands for.
	Format string `json:"format,omitempty"`
	// Options are those of the format, as -o takes them.
	Options map[string]string `json:"options,omitempty"`
	// Compress is a way to compress (zlib, zstd), "auto" for what is usual and ""
	// for none.
	Compress string `json:"compress,omitempty"`
	// Target is a platform, for which the image is laid out.
	Target string `json:"target,omitempty"`
	// Snapshot copies the disk as it was in an internal snapshot.
	Snapshot string `json:"snapshot,omitempty"`
	// Replace lets the output take the place of a file that exists.
	Replace bool `json:"replace,omitempty"`
	// MaxVirtualSize refuses larger disks, in bytes; 0 does not.
	MaxVirtualSize int64 `json:"max_virtual_size,omitempty"`
}

// A ConvertResult is what a conversion did.
type ConvertResult struct {
	Format      string `json:"format"`
	VirtualSize int64  `json:"virtual_size"`
	Size        int64  `json:"size"` // of all files
	Data        int64  `json:"data"`
	Zero        int64  `json:"zero"`
	Cloned      int64  `json:"cloned"`
}

// Kind is the word for it.
func (*Convert) Kind() string { return "convert" }

// Output is the pattern of what it writes, "" for nothing.
func (c *Convert) Output() string { return c.To }

// Check says what is wrong with what is asked for.
func (c *Convert) Check() []*Problem {
	var out []*Problem
	if c.To == "" {
		return []*Problem{problemf("to", "no output is given")}
	}
	if c.To == "-" {
		out = append(out, problemf("to", "a stage writes files, not standard output"))
	}
	if c.Target != "" {
		if _, err := target.Named(c.Target); err != nil {
			out = append(out, problemf("target", "%v", err))
			return out
		}
	}
	f, err := c.format()
	switch {
	case err != nil:
		out = append(out, problemf("format", "%v", err))
	case f == "" && c.Format != "":
		out = append(out, problemf("format", "cannot write format %q; there are %s", c.Format, strings.Join(convert.Formats(), ", ")))
	case f == "":
		out = append(out, problemf("to", "the name %q tells no format; state one (format)", c.To))
	default:
		o := convert.Output{Format: f}
		for _, name := range slices.Sorted(maps.Keys(c.Options)) {
			if err := o.Set(name, c.Options[name]); err != nil {
				out = append(out, problemf("options."+name, "%v", err))
			}
		}
		if err := c.compress(&o); err != nil {
			out = append(out, problemf("compress", "%v", err))
		}
	}
	return out
}

// format is that of the output, "" if there is none.
func (c *Convert) format() (string, error) {
	switch {
	case c.Format != "":
		return convert.FormatNamed(c.Format), nil
	case c.Target != "":
		t, err := target.Named(c.Target)
		if err != nil {
			return "", err
		}
		return t.FormatFor(c.To)
	}
	return convert.FormatOf(c.To), nil
}

func (c *Convert) compress(out *convert.Output) error {
	if c.Compress == "" {
		return nil
	}
	typ := c.Compress
	if typ == "auto" {
		typ = ""
	}
	return out.SetCompression(typ, "")
}

// Do converts an image.
func (c *Convert) Do(ctx context.Context, t *Task) (any, error) {
	o := &guestkit.ConvertOptions{Format: t.Open(t.Image), MaxVirtualSize: c.MaxVirtualSize, Platform: c.Target}
	o.Format.Snapshot = c.Snapshot
	o.Copy.Compress = c.Compress != ""
	out := &o.Output
	var err error
	if out.Format, err = c.format(); err != nil {
		return nil, err
	}
	for name, value := range c.Options {
		if err := out.Set(name, value); err != nil {
			return nil, err
		}
	}
	if err := c.compress(out); err != nil {
		return nil, err
	}
	out.File.Replace = c.Replace || t.Again
	out.File.Sources = t.Keep
	out.File.Placing = t.placing
	if err := os.MkdirAll(filepath.Dir(t.Output), 0o777); err != nil {
		return nil, err
	}
	x, err := guestkit.Convert(ctx, t.Image.Path, t.Output, o)
	if err != nil {
		return nil, err
	}
	return &ConvertResult{x.Output.Format, x.Size, x.File, x.Data, x.Zero, x.Cloned}, nil
}

// Verify reads an image that a stage wrote, and its source, and fails where their
// disks do not hold the same bytes. Zeros behind the end of one are no difference:
// some platforms ask for them.
type Verify struct {
	// Strict makes another size of the disk a failure too.
	Strict bool `json:"strict,omitempty"`
}

// A VerifyResult says what was compared.
type VerifyResult struct {
	Disks int   `json:"disks"`
	Size  int64 `json:"size"` // of all of them together, in bytes
	// Off is the first byte that differs, -1 if none does.
	Off int64 `json:"difference"`
}

// Kind is the word for it.
func (*Verify) Kind() string { return "verify" }

// Output is the pattern of what it writes, "" for nothing.
func (*Verify) Output() string { return "" }

// Check finds nothing: each value is good.
func (*Verify) Check() []*Problem { return nil }

// Do compares an image with its source.
func (v *Verify) Do(ctx context.Context, t *Task) (any, error) {
	a, err := format.OpenFileDisks(t.Source.Path, t.Open(t.Source))
	if err != nil {
		return nil, err
	}
	defer closeAll(a)
	b, err := format.OpenFileDisks(t.Image.Path, t.Open(t.Image))
	if err != nil {
		return nil, err
	}
	defer closeAll(b)
	res := &VerifyResult{Disks: len(a), Off: -1}
	if len(a) != len(b) {
		return res, found("the source has %d disks, and %s %d", len(a), t.Image.Path, len(b))
	}
	for i := range a {
		d, err := convert.Compare(ctx, a[i], b[i], v.Strict, nil)
		if err != nil {
			return nil, err
		}
		res.Size += a[i].Size()
		if d != nil {
			res.Off = d.Off
			return res, found("disk %d of %s differs from its source at byte %d", i+1, t.Image.Path, d.Off)
		}
	}
	for _, img := range append(a, b...) {
		if c, ok := img.(interface{ Changed() error }); ok {
			if err := c.Changed(); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

func closeAll(images []format.Image) {
	for _, img := range images {
		img.Close()
	}
}

// mayPass reports whether another try may succeed where one failed with err.
func mayPass(err error) bool {
	var f *finding
	if errors.As(err, &f) {
		return false
	}
	for _, class := range []error{block.ErrFormat, block.ErrAmbiguous, block.ErrCorrupt, block.ErrUnsupported, block.ErrEncrypted, block.ErrLimit,
		block.ErrRefused, block.ErrParent, block.ErrMissing, block.ErrLoop, block.ErrOption, convert.ErrDevice, os.ErrExist, os.ErrNotExist, os.ErrPermission} {
		if errors.Is(err, class) {
			return false
		}
	}
	return true
}
