package block

import (
	"io"
	"sort"
)

// Concat returns the bytes of several Devices, one behind the other: a file
// that lies in pieces. Where they lie verbatim they still do.
func Concat(parts ...Device) Device {
	c := &concat{parts: parts}
	end := int64(0)
	for _, p := range parts {
		end += p.Size()
		c.ends = append(c.ends, end)
	}
	return c
}

type concat struct {
	parts []Device
	ends  []int64
}

func (c *concat) Size() int64 {
	if len(c.ends) == 0 {
		return 0
	}
	return c.ends[len(c.ends)-1]
}

// at returns the part that holds off, and where that begins.
func (c *concat) at(off int64) (Device, int64) {
	i := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] > off })
	return c.parts[i], c.ends[i] - c.parts[i].Size()
}

func (c *concat) ReadAt(p []byte, off int64) (int, error) {
	q, eof := Clip(p, off, c.Size())
	for done := 0; done < len(q); {
		part, start := c.at(off + int64(done))
		in := off + int64(done) - start
		n := int(min(int64(len(q)-done), part.Size()-in))
		if err := ReadFull(part, q[done:done+n], in); err != nil {
			return done, err
		}
		done += n
	}
	return len(q), eof
}

func (c *concat) Extent(off int64) (Extent, error) {
	if off < 0 || off >= c.Size() {
		return Extent{}, io.EOF
	}
	part, start := c.at(off)
	e, err := part.Extent(off - start)
	e.Off, e.Len = off, min(e.Len, part.Size()-(off-start))
	return e, err
}
