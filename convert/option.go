package convert

import (
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/internal/bytesize"
	"github.com/guestkit/guestkit/internal/problem"
)

// An Option is one setting of what is written, as data: what users are told of
// it and how its text is taken. Those of a format are in the row of its writer.
type Option struct {
	Name    string
	Help    string // what it sets, in a line without a full stop
	Kind    Kind
	Values  []string // the texts that it takes; nil where they are too many to list
	Default string   // "" where there is none, or it depends on the disk

	set func(o *Output, v string) error
}

// A Kind is what the text of an Option stands for.
type Kind string

// The kinds of options.
const (
	KindText   Kind = "text"
	KindBool   Kind = "on|off"
	KindNumber Kind = "number"
	KindSize   Kind = "size" // bytes, or like 64K
)

// FormatOptions lists the options of a format that can be written, in order of
// their names; nil if there is no such format.
func FormatOptions(format string) []Option {
	w, err := writerOf(format)
	if err != nil {
		return nil
	}
	out := slices.Clone(w.options)
	slices.SortFunc(out, func(a, b Option) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Set sets the option name of the image's Format from text. The error wraps
// block.ErrOption if there is no such option or it does not take the value.
func (out *Output) Set(name, text string) error {
	options := FormatOptions(out.Format)
	var names []string
	for _, o := range options {
		if o.Name != name {
			names = append(names, o.Name)
			continue
		}
		if len(o.Values) > 0 && !slices.Contains(o.Values, text) {
			return badOption("%s is %s, not %q", name, strings.Join(o.Values, ", "), text)
		}
		return o.set(out, text)
	}
	if len(names) == 0 {
		return badOption("%s has no options", out.Format)
	}
	return badOption("%s has no option %q; it has %s", out.Format, name, strings.Join(names, ", "))
}

// SetCompression chooses how the image is compressed: zlib or zstd, "" for what
// is usual, and a level, "" for a good one.
func (out *Output) SetCompression(typ, level string) error {
	w, err := writerOf(out.Format)
	if err != nil {
		return err
	}
	if !w.compresses {
		return badOption("%s images cannot be compressed", w.name)
	}
	if w.compression == nil {
		if typ != "" || level != "" {
			return badOption("%s images are always compressed with gzip", w.name)
		}
		return nil
	}
	return w.compression(out, typ, level)
}

func badOption(detail string, args ...any) error { return problem.Option(detail, args...) }

// The constructors of rows: where a kind needs no more than a place for its
// value.

func textOption(name, help, def string, values []string, at func(*Output) *string) Option {
	return Option{name, help, KindText, values, def, func(o *Output, v string) error { *at(o) = v; return nil }}
}

func boolOption(name, help, def string, at func(*Output) *bool) Option {
	return Option{name, help, KindBool, nil, def, func(o *Output, v string) error {
		on, err := parseBool(name, v)
		if err == nil {
			*at(o) = on
		}
		return err
	}}
}

func numberOption(name, help, def string, at func(*Output) *int) Option {
	return Option{name, help, KindNumber, nil, def, func(o *Output, v string) error { return setNumber(name, v, at(o)) }}
}

func sizeOption(name, help, def string, at func(*Output) *int64) Option {
	return Option{name, help, KindSize, nil, def, func(o *Output, v string) error {
		n, err := bytesize.Parse(v)
		if err != nil {
			return badOption("%s=%q: %v", name, v, err)
		}
		*at(o) = n
		return nil
	}}
}

func setNumber(name, v string, p *int) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return badOption("%s is a number, not %q", name, v)
	}
	*p = n
	return nil
}

func parseBool(name, v string) (bool, error) {
	switch v {
	case "on", "true", "yes":
		return true, nil
	case "off", "false", "no":
		return false, nil
	}
	return false, badOption("%s is on or off, not %q", name, v)
}
