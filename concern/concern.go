// Package concern says what can go wrong where a guest is moved to another
// platform, or its disks are changed: what [inspect] found is weighed by a table of
// risks, each with an ID that stays, how grave it is, against which platforms it
// stands, where the guest says it, and what to do.
package concern

import (
	"context"
	"errors"
	"slices"

	"github.com/guestkit/guestkit/inspect"
)

// A Severity is how grave a concern is.
type Severity string

// Critical is what keeps a guest from starting or loses data, Warning what makes a
// part of it fail or wants a decision, Information what is good to know.
const (
	Critical    Severity = "critical"
	Warning     Severity = "warning"
	Information Severity = "information"
)

// rank orders severities, the gravest first; one that there is not comes last.
func (s Severity) rank() int {
	if i := slices.Index([]Severity{Critical, Warning, Information}, s); i >= 0 {
		return i
	}
	return 3
}

// AtLeast reports whether s is as grave as another one.
func (s Severity) AtLeast(other Severity) bool { return s.rank() <= other.rank() }

// A Kind is what concerns of one ID have in common.
type Kind struct {
	ID       string   `json:"id"` // "no-virtio-storage"; it never changes its meaning
	Severity Severity `json:"severity"`
	// Targets are the platforms that it stands against, by the names of package
	// target; none means all.
	Targets []string `json:"targets"`
	Label   string   `json:"label"` // in a few words
	Remedy  string   `json:"remedy"`
}

// Against reports whether a concern stands against a platform.
func (k Kind) Against(target string) bool {
	return len(k.Targets) == 0 || slices.Contains(k.Targets, target)
}

// A Concern is a risk that a guest has.
type Concern struct {
	Kind
	// System is the volume of the system that has it, "" if it is one of the
	// disks.
	System   string             `json:"system"`
	Message  string             `json:"message"`  // what was found, with the guest's own words
	Evidence []inspect.Evidence `json:"evidence"` // where
}

// Kinds lists all kinds of concerns, in the order in which they are looked for.
func Kinds() []Kind {
	var out []Kind
	for _, r := range rows {
		k := r.Kind
		k.Targets = slices.Clone(k.Targets)
		out = append(out, k)
	}
	return out
}

// Of lists the concerns of a guest, the gravest first, those of one system together.
// The Report must be open still: files of the guest are read. The errors are
// those of files that could not be; what they would say is not known then.
func Of(ctx context.Context, rep *inspect.Report) ([]Concern, []error) {
	out := []Concern{}
	var problems []error
	for _, sys := range rep.Systems {
		if sys.Kind != inspect.KindInstalled {
			continue
		}
		v := &view{ctx: ctx, rep: rep, sys: sys}
		if fsys, err := sys.FS(); err == nil {
			v.fs = fsys
		}
		out = append(out, v.concerns()...)
		problems = append(problems, v.problems...)
	}
	if err := ctx.Err(); err != nil {
		problems = append(problems, err)
	}
	return out, problems
}

// For leaves those that stand against a platform; "" leaves all.
func For(list []Concern, target string) []Concern {
	out := []Concern{}
	for _, c := range list {
		if target == "" || c.Against(target) {
			out = append(out, c)
		}
	}
	return out
}

// Worst is the gravest severity in a list, "" if it is empty.
func Worst(list []Concern) Severity {
	worst := Severity("")
	for _, c := range list {
		if worst == "" || c.Severity.rank() < worst.rank() {
			worst = c.Severity
		}
	}
	return worst
}

// ParseSeverity reads a severity that a user names.
func ParseSeverity(s string) (Severity, error) {
	if sev := Severity(s); sev.rank() < 3 {
		return sev, nil
	}
	return "", errors.New("a severity is critical, warning or information")
}
