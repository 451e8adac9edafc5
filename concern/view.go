package concern

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect"
)

// A view is a system that is looked at.
type view struct {
	ctx      context.Context
	rep      *inspect.Report
	sys      *inspect.System
	fs       fs.FS // nil if it cannot be read
	problems []error
	texts    map[string][]string // lines of files that were read
	kept     int                 // bytes of them, and of what leads to them
}

// A row is a kind of concern and how it is found.
type row struct {
	Kind
	find func(v *view, f *finding)
}

// A finding is what was found of one kind.
type finding struct {
	said     []string // the first of what was found
	more     int
	seen     map[string]bool
	evidence []inspect.Evidence
}

// Bounds of a finding: a hostile guest says the same a million times, in long words.
const (
	maxSaid     = 5
	maxEvidence = 32
	maxText     = 300
)

// say notes a place.
func (f *finding) say(e inspect.Evidence, format string, args ...any) {
	e.Field, e.Detail = "concerns", short(e.Detail)
	if len(f.evidence) < maxEvidence {
		f.evidence = append(f.evidence, e)
	}
	text := short(fmt.Sprintf(format, args...))
	switch {
	case f.seen[text]:
	case len(f.said) < maxSaid:
		if f.seen == nil {
			f.seen = map[string]bool{}
		}
		f.seen[text] = true
		f.said = append(f.said, text)
	default:
		f.more++
	}
}

func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// message is what was found, in a sentence or some.
func (f *finding) message() string {
	text := strings.Join(f.said, "; ")
	if f.more > 0 {
		text += fmt.Sprintf("; and %d more", f.more)
	}
	return text
}

// concerns are all that the system has, the gravest first.
func (v *view) concerns() []Concern {
	var out []Concern
	for _, r := range rows {
		if v.ctx.Err() != nil {
			return out
		}
		var f finding
		r.find(v, &f)
		if len(f.said) > 0 {
			k := r.Kind
			k.Targets = append([]string{}, k.Targets...)
			out = append(out, Concern{Kind: k, System: v.sys.Volume, Message: f.message(), Evidence: f.evidence})
		}
	}
	slices.SortStableFunc(out, func(a, b Concern) int { return a.Severity.rank() - b.Severity.rank() })
	return out
}

// Bounds of the files that are read.
const (
	maxFile  = 4 << 20
	maxLines = 200_000
	maxKept  = 128 << 20 // of all of them; a file may have a thousand names
	maxNames = 1000      // of a folder
)

// lines reads a text file of the guest, nil if it is not there. One that cannot be
// read, or is too large, is a problem.
func (v *view) lines(name string) []string {
	if v.fs == nil {
		return nil
	}
	if got, ok := v.texts[name]; ok {
		return got
	}
	text, err := "", error(nil)
	if v.kept > maxKept {
		err = fmt.Errorf("%w: more than %d bytes of files would be kept", block.ErrLimit, maxKept)
	} else {
		text, err = v.read(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.problems = append(v.problems, fmt.Errorf("%s: /%s: %w", v.sys.Volume, name, err))
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	out := slices.Grow([]string(nil), min(strings.Count(text, "\n"), maxLines))
	for line := range strings.Lines(text) {
		if len(out) == maxLines {
			v.problems = append(v.problems, fmt.Errorf("%s: /%s: %w: more than %d lines", v.sys.Volume, name, block.ErrLimit, maxLines))
			break
		}
		out = append(out, strings.TrimRight(line, "\r\n"))
	}
	if v.texts == nil {
		v.texts = map[string][]string{}
	}
	v.texts[name] = out
	v.kept += len(text) + 16*cap(out)
	return out
}

func (v *view) read(name string) (string, error) {
	fi, err := fs.Stat(v.fs, name)
	if err != nil {
		return "", err
	}
	switch {
	case !fi.Mode().IsRegular():
		return "", fmt.Errorf("%w: it is no regular file", block.ErrUnsupported)
	case fi.Size() > maxFile:
		return "", fmt.Errorf("%w: it has %d bytes, more than %d", block.ErrLimit, fi.Size(), maxFile)
	}
	f, err := v.fs.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var text strings.Builder
	text.Grow(int(max(fi.Size(), 0)))
	_, err = io.Copy(&text, io.LimitReader(f, maxFile))
	return text.String(), err
}

// names lists a folder of the guest, up to a bound; none if it is not there.
func (v *view) names(dir string) []string {
	if v.fs == nil {
		return nil
	}
	entries, err := fs.ReadDir(v.fs, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.problems = append(v.problems, fmt.Errorf("%s: /%s: %w", v.sys.Volume, dir, err))
	}
	var out []string
	if len(entries) > maxNames {
		v.problems = append(v.problems, fmt.Errorf("%s: /%s: %w: more than %d files", v.sys.Volume, dir, block.ErrLimit, maxNames))
	}
	for _, e := range entries[:min(len(entries), maxNames)] {
		out = append(out, e.Name())
	}
	return out
}

// volume is the one of that name, nil if there is none.
func (v *view) volume(name string) *inspect.Volume {
	for _, vol := range v.rep.Volumes {
		if vol.Name == name {
			return vol
		}
	}
	return nil
}

// mine reports whether a volume is of this system: it holds the root, or is
// mounted, has a letter, or lies on a disk with them while there is one system only.
func (v *view) mine(name string) bool {
	if len(v.rep.Systems) == 1 || name == v.sys.Volume {
		return true
	}
	for _, m := range v.sys.Mounts {
		if m.Volume == name {
			return true
		}
	}
	return false
}

// bootKernels are the kernels that start if nobody chooses: the default one, or all
// that a boot entry or an image has.
func (v *view) bootKernels() []inspect.Kernel {
	var out []inspect.Kernel
	for _, k := range v.sys.Kernels {
		if k.Default {
			return []inspect.Kernel{k}
		}
		if k.Image != "" || k.Entry != "" {
			out = append(out, k)
		}
	}
	return out
}
