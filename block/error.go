package block

import (
	"errors"
	"fmt"
	"strings"
)

// The classes of failure. Every error of the module that speaks of an image
// wraps one of them or an I/O error; match them with [errors.Is].
var (
	ErrFormat      = errors.New("not this format")           // and nothing else is wrong
	ErrAmbiguous   = errors.New("ambiguous format")          // several formats claim the bytes
	ErrCorrupt     = errors.New("corrupt")                   // a rule of the format is broken
	ErrTruncated   = errors.New("truncated")                 // allocated bytes lie past the end
	ErrUnsupported = errors.New("unsupported")               // a version or feature, named
	ErrEncrypted   = errors.New("encrypted")                 // a key is needed
	ErrLimit       = errors.New("limit exceeded")            // larger than the options allow
	ErrRefused     = errors.New("reference refused")         // a named file may not be opened
	ErrParent      = errors.New("parent image needed")       // a differencing image came alone
	ErrMissing     = errors.New("incomplete")                // members of a volume that lies on several disks are not there
	ErrLoop        = errors.New("loop")                      // pointers or references in a circle
	ErrChanged     = errors.New("changed while it was read") // the source
	ErrDirty       = errors.New("journal not replayed")      // what was read may be stale
	ErrOption      = errors.New("invalid option")            // of what was to be written: the caller's fault
)

// Error locates a fault in an image.
type Error struct {
	Format string // "qcow2", "ext4"; empty if unknown
	What   string // the structure: "L2 table", "inode 12"
	Off    int64  // where it lies in bytes, -1 if nowhere
	Err    error  // a sentinel of this package, wrapped or not, or an I/O error
}

// Error is "format: structure at offset 0x…: what is wrong".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Format != "" {
		b.WriteString(e.Format + ": ")
	}
	if e.What != "" {
		b.WriteString(e.What)
		if e.Off >= 0 {
			fmt.Fprintf(&b, " at offset %#x", e.Off)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

// Unwrap returns Err, for errors.Is with the sentinels of this package.
func (e *Error) Unwrap() error { return e.Err }

// Errorf builds an [*Error] of the given class: a sentinel, or an error to
// carry. The detail says what is wrong in words.
func Errorf(format, what string, off int64, class error, detail string, args ...any) *Error {
	err := class
	if detail != "" {
		err = fmt.Errorf("%w: %s", class, fmt.Sprintf(detail, args...))
	}
	return &Error{Format: format, What: what, Off: off, Err: err}
}

// Locate gives an error that came from reading the structure what of format
// at off that place, unless it has one of that format already. A nil error
// stays nil.
func Locate(format, what string, off int64, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if e.Format != "" {
			return err
		}
		err = e.Err
	}
	return &Error{Format: format, What: what, Off: off, Err: err}
}
