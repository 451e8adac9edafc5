package ext4

import (
	"github.com/guestkit/guestkit/block"
)

// inlineSize is how much inline data fits into i_block; the rest is the value
// of the attribute system.data.
const inlineSize = 60

// maxInline bounds inline data: i_block and what an inode has room for.
const maxInline = 1 << 16

// inlineRest returns what inline data has beside i_block.
func (n *inode) inlineRest() ([]byte, error) {
	x, err := n.inodeXattrs()
	if err != nil {
		return nil, err
	}
	for _, e := range x.entries {
		if e.index == xattrSystem && e.name == "data" && e.valueInum == 0 {
			return x.value(e)
		}
	}
	return nil, nil
}

// inlineData returns the content of an inode that lies in it.
func (n *inode) inlineData() ([]byte, error) {
	size := n.stat.Size
	if size > maxInline {
		return nil, n.corrupt("%d bytes of inline data", size)
	}
	b := append([]byte(nil), n.block[:]...)
	if size > inlineSize {
		rest, err := n.inlineRest()
		if err != nil {
			return nil, err
		}
		b = append(b, rest...)
		if size > int64(len(b)) {
			return nil, n.fault(block.ErrTruncated, "%d bytes of inline data, there are %d", size, len(b))
		}
	}
	return b[:size], nil
}

// eachInline calls visit with the two parts of an inline directory: i_block,
// past the number of the parent, and the value of system.data. There are no dot
// entries, and entries do not cross from one part into the other.
func (n *inode) eachInline(visit func(b []byte) (bool, error)) error {
	if more, err := visit(n.block[4:]); err != nil || !more {
		return err
	}
	rest, err := n.inlineRest()
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return nil
	}
	_, err = visit(rest)
	return err
}
