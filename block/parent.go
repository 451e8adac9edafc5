package block

import "io"

// Close closes d if it can be closed: what an Opener returned. A nil Device is
// closed already.
func Close(d Device) error {
	if c, ok := d.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// ReadParent fills p with the bytes of a parent image at off. A parent that is
// shorter than its child reads as zeros past its end.
func ReadParent(parent Device, p []byte, off int64) error {
	n := int(min(max(parent.Size()-off, 0), int64(len(p))))
	clear(p[n:])
	return ReadFull(parent, p[:n], off)
}

// ParentExtent describes x, a run that a child image leaves to its parent, by
// what the parent says of its beginning. Len becomes at most that of x, and
// Depth one more than the parent's; past the end of a shorter parent the run
// is unset, at the depth of x.
func ParentExtent(parent Device, x Extent) (Extent, error) {
	size := parent.Size()
	if x.Off >= size {
		x.Zero, x.Unset = true, true
		return x, nil
	}
	e, err := parent.Extent(x.Off)
	if err != nil {
		return Extent{}, err
	}
	e.Len = min(e.Len, x.Len, size-x.Off)
	e.Depth++
	return e, nil
}
