package testimg

import (
	"os"
	"syscall"
)

// Full is a file on a disk that has no room any more after some writes: all that
// would make it longer fails from then on, and what lies in it can be written.
type Full struct {
	*Power
	Left int // how many writes there is room for
}

func (f *Full) room(end int64) error {
	if end <= f.Size() {
		return nil
	}
	if f.Left--; f.Left < 0 {
		return &os.PathError{Op: "write", Path: "image", Err: syscall.ENOSPC}
	}
	return nil
}

// WriteAt implements io.WriterAt.
func (f *Full) WriteAt(p []byte, off int64) (int, error) {
	if err := f.room(off + int64(len(p))); err != nil {
		return 0, err
	}
	return f.Power.WriteAt(p, off)
}

// Replace is that of Power: the file takes the place of another one.
func (f *Full) Replace(b []byte) error {
	if err := f.room(f.Size() + 1); err != nil {
		return err
	}
	return f.Power.Replace(b)
}

// Truncate implements block.File.
func (f *Full) Truncate(size int64) error {
	if err := f.room(size); err != nil {
		return err
	}
	return f.Power.Truncate(size)
}

// FillsUp runs an operation again and again, with room for 0, 1, 2 … writes that make
// the file longer, until it succeeds. Each time before, which must end in ENOSPC, it
// shows what is left to look.
func FillsUp(b []byte, run func(f *Full) error, look func(left int, b []byte, err error)) {
	for left := 0; ; left++ {
		f := &Full{NewPower(b), left}
		err := run(f)
		look(left, f.B, err)
		if err == nil {
			return
		}
	}
}
