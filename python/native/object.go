//go:build cgo

package main

// #include <stddef.h>
//
// typedef long long (*guestkit_reader)(long long object, void *p, long long n, long long off, char *text, long long size);
//
// static inline long long guestkit_read(void *f, long long object, void *p, long long n, long long off, char *text, long long size) {
//	return ((guestkit_reader)f)(object, p, n, off, text, size);
// }
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"unsafe"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/remote"
)

// errObject is a failure of an object of the caller's.
var errObject = errors.New("the object cannot be read")

// reader is the caller's function that reads objects, nil if there is none. Calls of it
// hold the lock for reading, so that whoever takes it away knows that none is under way.
var reader struct {
	sync.RWMutex
	f unsafe.Pointer
}

// An object is a file object of the caller's: bytes that its function reads.
type object struct {
	ID   int64 `json:"id"`
	Size int64 `json:"length"`
}

// An objectError says of which object it is, so that the caller finds what it has kept
// of it.
type objectError struct {
	id   int64
	text string
}

func (e *objectError) Error() string { return e.text }
func (e *objectError) Unwrap() error { return errObject }

// objectReader reads an object by calls.
type objectReader struct{ object }

func (o objectReader) Size() int64 { return o.object.Size }

func (o objectReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	n := min(int64(len(p)), o.Size()-off)
	if n <= 0 {
		return 0, io.EOF
	}
	reader.RLock()
	defer reader.RUnlock()
	if reader.f == nil {
		return 0, fs.ErrClosed
	}
	var text [512]byte
	m := int64(C.guestkit_read(reader.f, C.longlong(o.ID), unsafe.Pointer(&p[0]), C.longlong(n), C.longlong(off), (*C.char)(unsafe.Pointer(&text[0])), C.longlong(len(text))))
	switch {
	case m < 0 || m > n:
		said, _, _ := bytes.Cut(text[:], []byte{0})
		return 0, &objectError{o.ID, string(said)}
	case m < n: // it said that it was longer
		return int(m), &block.Error{What: "object", Off: off + m, Err: fmt.Errorf("%w: it ends here, and had %d bytes", block.ErrChanged, o.Size())}
	case n < int64(len(p)):
		return int(m), io.EOF
	}
	return int(m), nil
}

// An objectSource is an object as the place of an image.
type objectSource struct {
	format.Source
	id int64
}

// Same reports whether the other one is the same object.
func (s objectSource) Same(other format.Source) bool {
	o, ok := other.(objectSource)
	return ok && o.id == s.id
}

// openAddress opens what is at an address: an object of the request by its name in it,
// or what package remote finds.
func (o *opening) openAddress(address string) (format.Source, error) {
	if x, ok := o.Objects[address]; ok {
		return objectSource{format.NewSource(block.Cached(objectReader{x}, nil), address, nil), x.ID}, nil
	}
	options := &remote.Options{Context: o.ctx}
	if strings.HasPrefix(strings.ToLower(address), "s3://") {
		s3, err := remote.S3FromEnvironment(func(name string) string { return o.Environment[name] }, o.Environment["HOME"])
		if err != nil {
			return nil, err
		}
		options.S3 = s3
	}
	return options.Open(address)
}
