// Package problem collects recoverable faults while an image is read.
package problem

import (
	"fmt"
	"slices"
	"sync"
)

// max is how many different problems a List keeps; the rest are counted.
const max = 1000

// A List is a set of problems, safe for concurrent use. The zero value is
// empty. The same text is kept once.
type List struct {
	mu   sync.Mutex
	seen map[string]bool
	errs []error
	more int
}

// Add records err, unless it is nil or was recorded before.
func (l *List) Add(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[text] {
		return
	}
	if len(l.errs) >= max {
		l.more++
		return
	}
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	l.seen[text] = true
	l.errs = append(l.errs, err)
}

// All returns the problems in the order in which they were met, and last how
// many more there were.
func (l *List) All() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.errs)
	if l.more > 0 {
		out = append(out, fmt.Errorf("%d more problems are not listed", l.more))
	}
	return out
}
