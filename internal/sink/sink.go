// Package sink holds what the writers of all image formats do alike.
package sink

import (
	"errors"
	"os"

	"github.com/guestkit/guestkit/block"
)

// Clone fills the n bytes of f at off with those of src, by sharing blocks, if f
// is a block.Cloner. Else the error wraps errors.ErrUnsupported.
func Clone(f any, off, n int64, src *os.File, srcOff int64) error {
	if c, ok := f.(block.Cloner); ok {
		return c.CloneRange(off, n, src, srcOff)
	}
	return errors.ErrUnsupported
}

// Copy is Clone that copies in the kernel, if f is a block.Copier.
func Copy(f any, off, n int64, src *os.File, srcOff int64) error {
	if c, ok := f.(block.Copier); ok {
		return c.CopyRange(off, n, src, srcOff)
	}
	return errors.ErrUnsupported
}

// A Disk is the face that a writer of an image shows to what copies a disk. The
// writers of all formats embed one.
type Disk struct {
	place func(off, n int64) (host, placed int64, err error)
	file  func(host int64) (f block.File, at int64)
}

// New returns the face of a writer. place gives the n bytes of the disk at off
// their place, or fewer of them; file says in which file, and where in it, such a
// place lies.
func New(place func(off, n int64) (host, placed int64, err error), file func(host int64) (f block.File, at int64)) Disk {
	return Disk{place, file}
}

// One is the file of an image that lies in one.
func One(f block.File) func(host int64) (block.File, int64) {
	return func(host int64) (block.File, int64) { return f, host }
}

// Place decides where the n bytes of the disk at off will lie. It may do so for
// fewer of them, and returns for how many; the caller hands their bytes to
// WriteHost, CloneHost or CopyHost. Offsets never fall.
func (d *Disk) Place(off, n int64) (host, placed int64, err error) { return d.place(off, n) }

// WriteHost writes bytes to where Place has put them. It is safe for concurrent
// use.
func (d *Disk) WriteHost(p []byte, host int64) error {
	f, at := d.file(host)
	_, err := f.WriteAt(p, at)
	return err
}

// CloneHost fills the n bytes at host with those of src, by sharing blocks. It
// returns an error that wraps errors.ErrUnsupported where that cannot be done.
// It is safe for concurrent use.
func (d *Disk) CloneHost(host, n int64, src *os.File, srcOff int64) error {
	f, at := d.file(host)
	return Clone(f, at, n, src, srcOff)
}

// CopyHost is CloneHost that copies, in the kernel. It is safe for concurrent
// use.
func (d *Disk) CopyHost(host, n int64, src *os.File, srcOff int64) error {
	f, at := d.file(host)
	return Copy(f, at, n, src, srcOff)
}

// WriteAt implements io.WriterAt on the disk. Offsets never fall.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		host, n, err := d.Place(off+int64(done), int64(len(p)-done))
		if err == nil {
			err = d.WriteHost(p[done:done+int(n)], host)
		}
		if err != nil {
			return done, err
		}
		done += int(n)
	}
	return done, nil
}
