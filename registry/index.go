package registry

import (
	"encoding/binary"
	"iter"

	"github.com/guestkit/guestkit/block"
)

// A leaf is a list of subkeys: li, lf or lh.
type leaf struct {
	cell
	n      int64
	stride int64 // bytes between elements
}

const listHeaderSize = 4

// list reads the head of a list: its signature and how many elements follow.
// The elements of ri and li are offsets, those of lf and lh have a hint or a
// hash of the name behind.
func (k *Key) list(offset uint32) (l leaf, root bool, err error) {
	c, err := k.h.cell(k.what("list of subkeys"), offset)
	if err != nil {
		return leaf{}, false, err
	}
	b, err := c.view(0, listHeaderSize)
	if err != nil {
		return leaf{}, false, err
	}
	l = leaf{cell: c, n: int64(binary.LittleEndian.Uint16(b[2:]))}
	switch string(b[:2]) {
	case "ri":
		l.stride, root = 4, true
	case "li":
		l.stride = 4
	case "lf", "lh":
		l.stride = 8
	default:
		return leaf{}, false, c.corrupt("it has the signature %q", b[:2])
	}
	if l.n > (c.size-listHeaderSize)/l.stride {
		return leaf{}, false, c.corrupt("its %d elements do not fit into its cell of %d bytes", l.n, c.size)
	}
	return l, root, nil
}

// at returns the offset in element i, which is below l.n.
func (l *leaf) at(i int64) (uint32, error) {
	b, err := l.view(listHeaderSize+i*l.stride, 4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// leaves yields the lists of subkeys: that of the key, or those that its ri
// names. There is no ri below another one.
func (k *Key) leaves() iter.Seq2[leaf, error] {
	return func(yield func(leaf, error) bool) {
		if k.node.subkeys == 0 {
			return
		}
		top, root, err := k.list(k.node.list)
		if err != nil || !root {
			yield(top, err)
			return
		}
		for i := range top.n {
			if l, err := k.leaf(top, i); !yield(l, err) {
				return
			}
		}
	}
}

// leaf returns the list that element i of an ri names.
func (k *Key) leaf(top leaf, i int64) (leaf, error) {
	offset, err := top.at(i)
	if err != nil {
		return leaf{}, err
	}
	l, root, err := k.list(offset)
	if err == nil && root {
		err = l.corrupt("a list of lists is in another one")
	}
	return l, err
}

// each yields all subkeys, and an error in place of each that cannot be read.
func (k *Key) each() iter.Seq2[*Key, error] {
	return func(yield func(*Key, error) bool) {
		// A key that is listed twice would be walked twice, and at every
		// level.
		seen := map[uint32]bool{}
		what := k.what("subkey")
		room := min(int64(k.h.base.bins), k.h.r.Size()-baseSize) / (cellHeadSize + keyNodeSize)
		n := int64(0)
		for l, err := range k.leaves() {
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			for i := range l.n {
				switch n++; {
				case n > int64(k.node.subkeys):
					yield(nil, l.corrupt("it has more subkeys than the %d that the key says", k.node.subkeys))
					return
				case n > room: // an ri may name the same list over and over
					yield(nil, l.corrupt("it has more subkeys than the %d that the hive has room for", room))
					return
				}
				offset, err := l.at(i)
				if err == nil && seen[offset] {
					err = l.corrupt("it names the key at %#x twice", baseSize+int64(offset))
				}
				var sub *Key
				if err == nil {
					seen[offset] = true
					sub, err = k.h.key(what, offset, k)
				}
				if !yield(sub, err) {
					return
				}
			}
		}
		if n < int64(k.node.subkeys) {
			yield(nil, block.Errorf(format, k.what("list of subkeys"), k.place(), block.ErrCorrupt, "it has %d of the %d subkeys that the key says", n, k.node.subkeys))
		}
	}
}

// search looks a folded name up by halves. It returns nil if it is not found,
// which proves nothing where a list is out of order.
func (k *Key) search(want string) (*Key, error) {
	if k.node.subkeys == 0 {
		return nil, nil
	}
	top, root, err := k.list(k.node.list)
	if err != nil {
		return nil, err
	}
	if !root {
		return k.searchLeaf(top, want)
	}
	// The last list whose first name does not come after the one wanted.
	lo, hi := int64(0), top.n
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		l, err := k.leaf(top, mid)
		if err != nil {
			return nil, err
		}
		order := -1
		if l.n > 0 {
			if _, order, err = k.probe(l, 0, want); err != nil {
				return nil, err
			}
		}
		if order <= 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	if lo == hi {
		return nil, nil
	}
	l, err := k.leaf(top, lo)
	if err != nil {
		return nil, err
	}
	return k.searchLeaf(l, want)
}

func (k *Key) searchLeaf(l leaf, want string) (*Key, error) {
	for lo, hi := int64(0), l.n; lo < hi; {
		mid := lo + (hi-lo)/2
		sub, order, err := k.probe(l, mid, want)
		switch {
		case err != nil || order == 0:
			return sub, err
		case order < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil, nil
}

// probe reads the subkey that element i of a list names, and tells whether its
// name comes before the one wanted (negative), is it (0) or comes after it.
func (k *Key) probe(l leaf, i int64, want string) (*Key, int, error) {
	offset, err := l.at(i)
	if err != nil {
		return nil, 0, err
	}
	sub, err := k.h.key(k.what("subkey"), offset, k)
	if err != nil {
		return nil, 0, err
	}
	return sub, compare(fold(sub.name), want), nil
}
