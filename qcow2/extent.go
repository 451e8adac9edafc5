package qcow2

import (
	"io"
	"os"

	"github.com/guestkit/guestkit/block"
)

// Extent implements block.Device. The Host of a stretch that lies verbatim in
// the file is where it lies furthest down; where that is a hole of the host's
// file system, the extent is Zero too, as it is after qemu-img create -o
// preallocation=metadata.
func (im *Image) Extent(off int64) (block.Extent, error) {
	switch {
	case im.closed.Load():
		return block.Extent{}, os.ErrClosed
	case off < 0 || off >= im.size:
		return block.Extent{}, io.EOF
	}
	r, err := im.lookup(off, im.size-off)
	if err != nil {
		return block.Extent{}, err
	}
	e := block.Extent{Off: off, Len: r.n}
	if r.room && im.crypt == nil {
		e.Room, e.HostOff = true, r.host
	}
	switch r.kind {
	case kindUnallocated:
		return im.backingExtent(e)
	case kindZero:
		e.Zero = true
	case kindCompressed:
		e.Compressed = true
	case kindData:
		if im.crypt == nil { // what is encrypted lies nowhere as it is read
			return im.hostExtent(e, r.host)
		}
	}
	return e, nil
}

// hostExtent fills in where the data at host lies.
func (im *Image) hostExtent(e block.Extent, host int64) (block.Extent, error) {
	below, err := im.host.Extent(host)
	if err != nil {
		return block.Extent{}, block.Locate(format, "data cluster", host, err)
	}
	e.Len = min(e.Len, below.Len)
	e.Zero = below.Zero
	e.Host, e.HostOff = below.Host, below.HostOff
	if below.Host == nil && below.Zero {
		e.Host, e.HostOff = im.data, host
	}
	return e, nil
}

// backingExtent asks the backing file about an unallocated stretch.
func (im *Image) backingExtent(e block.Extent) (block.Extent, error) {
	if im.backing == nil || e.Off >= im.backing.Size() {
		e.Zero, e.Unset = true, true
		return e, nil
	}
	below, err := im.backing.Extent(e.Off)
	if err != nil {
		return block.Extent{}, block.Locate(format, "backing file", e.Off, err)
	}
	below.Len = min(below.Len, e.Len, im.backing.Size()-e.Off)
	below.Depth++
	return below, nil
}
