package main

// #include <stdlib.h>
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"syscall"
	"unsafe"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// table holds what callers have handles of.
var table struct {
	sync.Mutex
	next    int64
	objects map[int64]any
	running map[int64]*operation
}

// An operation is a call that may take long.
type operation struct {
	cancel      context.CancelFunc
	done, total int64
}

func put(x any) int64 {
	table.Lock()
	defer table.Unlock()
	if table.objects == nil {
		table.objects = map[int64]any{}
	}
	table.next++
	table.objects[table.next] = x
	return table.next
}

// get returns the object of a handle, if it is of that type.
func get[T any](handle int64) (T, error) {
	table.Lock()
	defer table.Unlock()
	x, ok := table.objects[handle].(T)
	if !ok {
		return x, fs.ErrClosed
	}
	return x, nil
}

func drop(handle int64) any {
	table.Lock()
	defer table.Unlock()
	x := table.objects[handle]
	delete(table.objects, handle)
	return x
}

// begin makes the context of a call that has a number by which another thread
// cancels it or asks how far it is.
func begin(number int64) (context.Context, *operation, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	op := &operation{cancel: cancel}
	table.Lock()
	defer table.Unlock()
	if table.running == nil {
		table.running = map[int64]*operation{}
	}
	if number != 0 {
		table.running[number] = op
	}
	return ctx, op, func() {
		cancel()
		table.Lock()
		defer table.Unlock()
		delete(table.running, number)
	}
}

// GuestkitCall runs a method. The answer is to be given to GuestkitFree.
//
//export GuestkitCall
func GuestkitCall(method, request *C.char) *C.char {
	b, err := json.Marshal(answer(C.GoString(method), C.GoString(request)))
	if err != nil {
		b = []byte(`{"error": {"class": "Error", "message": "the answer is no JSON"}}`)
	}
	return C.CString(string(b))
}

// GuestkitFree frees an answer.
//
//export GuestkitFree
func GuestkitFree(p *C.char) { C.free(unsafe.Pointer(p)) }

// GuestkitRead reads n bytes at off of an open file into p. It returns how many
// there were, 0 at the end, or -1 after an error, which GuestkitCall's method
// "file_error" tells.
//
//export GuestkitRead
func GuestkitRead(handle C.longlong, p unsafe.Pointer, n, off C.longlong) C.longlong {
	f, err := get[*openFile](int64(handle))
	if err != nil || n < 0 || p == nil && n > 0 {
		return -1
	}
	m, err := f.ReadAt(unsafe.Slice((*byte)(p), int(n)), int64(off))
	if err != nil && !errors.Is(err, io.EOF) {
		f.mu.Lock()
		f.err = err
		f.mu.Unlock()
		return -1
	}
	return C.longlong(m)
}

// An openFile is a file of a guest, and the last error of reading it.
type openFile struct {
	*vfs.File
	mu  sync.Mutex
	err error
}

// GuestkitSetReader sets the function that reads objects of the caller's, which threads
// of this library call; nil takes it away, when no call of it is under way any more:
//
//	long long read(long long object, void *p, long long n, long long off, char *text, long long size)
//
// reads n bytes at off into p, and returns how many there were, or -1 with what is
// wrong in text, of size bytes.
//
//export GuestkitSetReader
func GuestkitSetReader(f unsafe.Pointer) {
	reader.Lock()
	defer reader.Unlock()
	reader.f = f
}

type reply struct {
	Result any     `json:"result,omitempty"`
	Error  *failed `json:"error,omitempty"`
}

type failed struct {
	Class   string `json:"class"`
	Message string `json:"message"`
	Object  int64  `json:"object,omitempty"` // whose failure it was
}

// classes are the errors that have a class of their own in Python.
var classes = []struct {
	err  error
	name string
}{
	{context.Canceled, "Cancelled"}, {errObject, "ReadFailed"}, {fs.ErrNotExist, "NotFound"}, {fs.ErrPermission, "PermissionDenied"}, {syscall.EISDIR, "IsADirectory"}, {syscall.ENOTDIR, "NotADirectory"}, {fs.ErrClosed, "Closed"},
	{block.ErrOption, "BadOption"}, {block.ErrEncrypted, "Encrypted"}, {block.ErrKey, "Encrypted"}, {block.ErrUnsupported, "Unsupported"}, {block.ErrTruncated, "Truncated"},
	{block.ErrLimit, "LimitExceeded"}, {block.ErrRefused, "Refused"}, {block.ErrParent, "ParentNeeded"}, {block.ErrMissing, "Missing"},
	{block.ErrLoop, "Corrupt"}, {block.ErrChanged, "Changed"}, {block.ErrAmbiguous, "Ambiguous"}, {block.ErrCorrupt, "Corrupt"}, {block.ErrFormat, "UnknownFormat"},
}

func answer(method, request string) (r reply) {
	defer func() {
		if x := recover(); x != nil { // a fault of ours must not end the host
			r = reply{Error: &failed{Class: "Error", Message: fmt.Sprintf("internal error: %v", x)}}
		}
	}()
	m, ok := methods[method]
	if !ok {
		return reply{Error: &failed{Class: "BadOption", Message: fmt.Sprintf("unknown method %q", method)}}
	}
	result, err := m([]byte(request))
	if err == nil {
		return reply{Result: result}
	}
	f := &failed{Class: "Error", Message: err.Error()}
	if x := (*objectError)(nil); errors.As(err, &x) {
		f.Object = x.id
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			f.Class = c.name
			break
		}
	}
	return reply{Error: f}
}

// guest is what open makes.
type guest struct {
	*guestkit.Guest
	kill context.CancelFunc // of what is fetched for it
	mu   sync.Mutex
	rep  *guestkit.Report // when it is inspected
}

// inspected inspects a guest once.
func (g *guest) inspected(ctx context.Context) (*guestkit.Report, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rep != nil {
		return g.rep, nil
	}
	rep, err := g.Inspect(ctx)
	if err == nil && len(rep.Problems()) == 0 { // what failed may go well another time
		g.rep = rep
	}
	return rep, err
}
