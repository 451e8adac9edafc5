package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
)

// Check follows the references in the metadata of an image, as the command of that
// name does. The stage fails where something is corrupt.
type Check struct {
	// Leaks makes clusters that nothing uses a failure as well.
	Leaks bool `json:"leaks,omitempty"`
	// Untrusted vets an image that a stranger has sent: every reason to refuse it
	// is a failure, and no other file is read.
	Untrusted bool `json:"untrusted,omitempty"`
}

// A CheckResult is what a check found.
type CheckResult struct {
	Format      string   `json:"format,omitempty"`
	Checked     bool     `json:"checked"` // false where the format has nothing to check
	Corruptions int64    `json:"corruptions"`
	Leaks       int64    `json:"leaks"`
	Faults      []string `json:"faults"` // the first hundred of them
}

const maxFaults = 100

// Kind is the word for it.
func (*Check) Kind() string { return "check" }

// Output is the pattern of what it writes, "" for nothing.
func (*Check) Output() string { return "" }

// Check finds nothing: each value is good.
func (*Check) Check() []*Problem { return nil }

// Do checks an image.
func (c *Check) Do(ctx context.Context, t *Task) (any, error) {
	if c.Untrusted {
		return c.vet(ctx, t)
	}
	res := &CheckResult{Faults: []string{}}
	o := t.Open(t.Image)
	o.Unwrap = false // the file itself
	r, err := format.CheckFile(ctx, t.Image.Path, o, func(f format.Fault) {
		if len(res.Faults) < maxFaults {
			res.Faults = append(res.Faults, f.Err.Error())
		}
	})
	switch {
	case errors.Is(err, block.ErrUnsupported):
		info, _, derr := format.DescribeFile(t.Image.Path, o)
		if derr != nil || format.Checks(info.Format) {
			return nil, err
		}
		res.Format = info.Format
		return res, nil
	case err != nil:
		return nil, err
	}
	res.Checked, res.Format, res.Corruptions, res.Leaks = true, r.Format, r.Corruptions, r.Leaks
	switch {
	case r.Corruptions > 0:
		return res, found("%d faults in its metadata", r.Corruptions)
	case c.Leaks && r.Leaks > 0:
		return res, found("%d clusters that nothing uses", r.Leaks)
	}
	return res, nil
}

func (c *Check) vet(ctx context.Context, t *Task) (any, error) {
	src, err := format.PathSource(t.Image.Path, t.Open(t.Image))
	if err != nil {
		return nil, err
	}
	defer src.Close()
	reasons, err := convert.CheckUntrusted(ctx, src, &convert.Gate{Format: t.Image.Format})
	if err != nil {
		return nil, err
	}
	res := &CheckResult{Checked: true, Faults: []string{}}
	for _, r := range reasons {
		if len(res.Faults) < maxFaults {
			res.Faults = append(res.Faults, r.Error())
		}
	}
	if len(reasons) > 0 {
		return res, found("%d reasons to refuse it, the first: %v", len(reasons), reasons[0])
	}
	return res, nil
}

// A finding is what a stage is there to find: to look again does not help.
type finding struct{ text string }

// Error says where and what.
func (f *finding) Error() string { return f.text }

func found(text string, args ...any) error { return &finding{fmt.Sprintf(text, args...)} }
