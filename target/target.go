package target

import (
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/internal/problem"
)

// A Target is a platform that takes images.
type Target struct {
	Name  string // "azure"
	Title string // "Microsoft Azure"
	Rules []Rule

	// align is what the size of the disk is a multiple of.
	align int64
	// least is the size of the smallest disk, a multiple of align.
	least int64
	// outputs are the formats to write, the best one first.
	outputs []output
}

// A Rule is one thing that a platform asks of an image.
type Rule struct {
	ID     string // "fixed"; unique in its target
	Text   string // what is asked
	Source string // where the documentation says so
	Fix    string // what convert does about it
	// broken says what is wrong with an image, "" if nothing is.
	broken func(f *Facts) string
}

// An output is one way to write an image for a platform.
type output struct {
	format string
	set    func(o *convert.Output)
	facts  Facts // what it will be, but for sizes
}

// A Finding is a rule that an image breaks.
type Finding struct {
	Target *Target
	Rule   Rule
	Detail string
}

// Error says which rule it is, what breaks it, and where the rule is from.
func (f *Finding) Error() string {
	return fmt.Sprintf("%s: %s: %s: %s (%s)", f.Target.Name, f.Rule.ID, f.Detail, f.Rule.Text, f.Rule.Source)
}

// Names lists the targets.
func Names() []string {
	var out []string
	for _, t := range targets() {
		out = append(out, t.Name)
	}
	return out
}

// Named returns the target of that name.
func Named(name string) (*Target, error) {
	for _, t := range targets() {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, problem.Option("unknown target %q (supported: %s)", name, strings.Join(Names(), ", "))
}

// Check returns the rules that an image breaks, in the order of the table.
func (t *Target) Check(f *Facts) []*Finding {
	var out []*Finding
	for _, r := range t.Rules {
		if detail := r.broken(f); detail != "" {
			out = append(out, &Finding{t, r, detail})
		}
	}
	return out
}

// FormatFor chooses the format to write to a file of that name: the one that the
// name stands for, or the best one where the name tells none. A name that tells
// a format which the platform does not take is an error.
func (t *Target) FormatFor(path string) (string, error) {
	formats := t.Formats()
	named := convert.FormatOf(path)
	switch {
	case slices.Contains(formats, named):
		return named, nil
	case named != "":
		return "", problem.Option("%s takes %s, and the name %s means %s; choose another name, or state the format with -O", t.Title, strings.Join(formats, " or "), path, named)
	}
	return formats[0], nil
}

// Formats returns the formats that are written for the platform, the best one
// first.
func (t *Target) Formats() []string {
	var out []string
	for _, o := range t.outputs {
		out = append(out, o.format)
	}
	return out
}

// Plan sets the format and the layout of out for the platform, and returns the
// disk to write: src, grown by zeros to a size that the platform takes. Where
// out has a format already, it must be one of Formats. The error is the first
// rule that the image would break all the same, such as a limit of size.
func (t *Target) Plan(out *convert.Output, src block.Device) (block.Device, error) {
	asked := *out
	for _, o := range t.outputs {
		if out.Format != "" && out.Format != o.format {
			continue
		}
		size := max(src.Size(), t.least)
		if rest := size % t.align; rest != 0 {
			size += t.align - rest
		}
		f := o.facts
		f.Size, f.FileSize = size, -1
		f.Members = append([]member(nil), f.Members...)
		for i := range f.Members {
			f.Members[i].size = size
		}
		f.Disks = slices.Clone(f.Disks)
		for i, d := range f.Disks {
			d := *d
			d.Size, d.FileSize = size, -1
			f.Disks[i] = &d
		}
		if broken := t.Check(&f); len(broken) > 0 {
			return nil, broken[0]
		}
		out.Format = o.format
		if o.set != nil {
			o.set(out)
		}
		for _, s := range [][2]string{{asked.VMDK.Subformat, out.VMDK.Subformat}, {asked.VHD.Subformat, out.VHD.Subformat}, {asked.VHDX.Subformat, out.VHDX.Subformat}} {
			if s[0] != "" && s[0] != s[1] {
				return nil, problem.Option("%s takes the subformat %s, not %s", t.Title, s[1], s[0])
			}
		}
		if size == src.Size() {
			return src, nil
		}
		return &grown{src, size}, nil
	}
	return nil, fmt.Errorf("%w: %s takes no %s images; it takes %s", block.ErrUnsupported, t.Title, out.Format, strings.Join(t.Formats(), ", "))
}
