// Package pattern has regular expressions that are compiled when one is first
// asked for, so that the start of a program pays for none.
package pattern

import (
	"regexp"
	"sync"
)

// Of returns what compiles an expression once. It panics, at first use, if the
// expression is wrong: TestPatterns of internal/layers compiles all of them.
func Of(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
