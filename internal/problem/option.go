package problem

import (
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// A classError is of a class that its text need not say.
type classError struct{ class, err error }

func (e *classError) Error() string   { return e.err.Error() }
func (e *classError) Unwrap() []error { return []error{e.class, e.err} }

// Class is an error that wraps class, and whose text is the detail alone: for
// where the words of the class would not help.
func Class(class error, detail string, args ...any) error {
	return &classError{class, fmt.Errorf(detail, args...)}
}

// Option is the error for options that cannot be met, of class block.ErrOption.
func Option(detail string, args ...any) error { return Class(block.ErrOption, detail, args...) }
