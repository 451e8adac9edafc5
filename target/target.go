package target

import (
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
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
	return nil, fmt.Errorf("there is no target %q; the targets are %s", name, strings.Join(Names(), ", "))
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
		if size == src.Size() {
			return src, nil
		}
		return &grown{src, size}, nil
	}
	return nil, fmt.Errorf("%w: %s takes no %s images; it takes %s", block.ErrUnsupported, t.Title, out.Format, strings.Join(t.Formats(), ", "))
}
