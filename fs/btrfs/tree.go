package btrfs

import (
	"github.com/guestkit/guestkit/block"
)

// Objects and trees with fixed ids.
const (
	rootTree        = 1
	extentTree      = 2
	chunkTree       = 3
	devTree         = 4
	fsTree          = 5
	rootTreeDir     = 6
	csumTree        = 7
	firstFree       = 256 // the first subvolume, and the root directory in each
	lastFree        = 1<<64 - 256
	treeLog         = 1<<64 - 6
	extentCsum      = 1<<64 - 10
	firstChunkTree  = 256
	emptySubvolDir  = 2
	devItemsObjects = 1
)

// Types of items.
const (
	typeInodeItem   = 1
	typeInodeRef    = 12
	typeInodeExtref = 13
	typeXattrItem   = 24
	typeOrphanItem  = 48
	typeDirLogItem  = 60
	typeDirLogIndex = 72
	typeDirItem     = 84
	typeDirIndex    = 96
	typeExtentData  = 108
	typeExtentCsum  = 128
	typeRootItem    = 132
	typeRootBackref = 144
	typeRootRef     = 156
	typeDevItem     = 216
	typeChunkItem   = 228
)

// A tree is a B-tree of items, with the changes of a log over them.
type tree struct {
	f          *filesystem
	id         uint64
	bytenr     uint64
	generation uint64
	level      uint8
	readOnly   bool
	over       *overlay // nil without a log
}

// A cursor stands at an item of a tree.
type cursor struct {
	t     *tree
	steps [maxLevel]step // by level, of the nodes on the way
	ended bool           // the blocks have no more items
	at    spot           // the first of the changes that is not passed

	key  key
	data []byte // shared, not to be changed
	ok   bool   // there is an item here
	base bool   // it is one of the blocks
}

type step struct {
	n    *node
	slot int
	end  key // all keys of the node are below it, or it is the greatest
}

// root returns the top of the tree.
func (t *tree) root() (*node, error) { return t.f.node(t.bytenr, t.level, t.generation) }

// down reads the child that the step at level leads to, and checks that it fits
// there: its first key is that of the pointer, and its last below the next
// pointer's. So no block is met twice in a tree, and none leads in a circle.
func (c *cursor) down(level int) error {
	s := &c.steps[level]
	bytenr, generation := s.n.ptr(s.slot)
	n, err := c.t.f.node(bytenr, uint8(level-1), generation)
	if err != nil {
		return err
	}
	end := s.end
	if s.slot+1 < s.n.n {
		end = s.n.key(s.slot + 1)
	}
	if n.n == 0 || n.key(0) != s.n.key(s.slot) || end != maxKey && !n.key(n.n-1).less(end) {
		name, off := c.t.f.where(bytenr, 0)
		return block.Errorf(format, "tree block on "+name, off, block.ErrCorrupt, "it does not fit its place in tree %d", int64(c.t.id))
	}
	c.steps[level-1] = step{n: n, end: end}
	return nil
}

// seekBase goes to the first item of the blocks whose key is k or greater; with
// floor, to the last one whose key is k or less.
func (c *cursor) seekBase(k key, floor bool) error {
	n, err := c.t.root()
	if err != nil {
		return err
	}
	top := int(c.t.level)
	c.steps[top] = step{n: n, end: maxKey}
	c.ended = false
	for level := top; ; level-- {
		s := &c.steps[level]
		i := s.n.search(k)
		exact := i < s.n.n && s.n.key(i) == k
		if level > 0 || floor {
			if !exact {
				i--
			}
			if i < 0 && floor {
				c.ended = true
				return nil
			}
			i = max(i, 0)
		}
		s.slot = i
		if level == 0 {
			break
		}
		if err := c.down(level); err != nil {
			return err
		}
	}
	if c.steps[0].slot >= c.steps[0].n.n {
		return c.nextLeaf()
	}
	return nil
}

// nextLeaf goes to the first item of the next leaf.
func (c *cursor) nextLeaf() error {
	level, top := 1, int(c.t.level)
	for ; level <= top; level++ {
		if s := &c.steps[level]; s.slot+1 < s.n.n {
			s.slot++
			break
		}
	}
	if level > top {
		c.ended = true
		return nil
	}
	for ; level > 0; level-- {
		if err := c.down(level); err != nil {
			return err
		}
	}
	return nil
}

func (c *cursor) nextBase() error {
	s := &c.steps[0]
	if s.slot++; s.slot < s.n.n {
		return nil
	}
	return c.nextLeaf()
}

// settle finds the item at which the cursor stands: that of the blocks or a
// changed one, whichever comes first. A changed one hides that of the blocks.
func (c *cursor) settle() error {
	for {
		var k key
		if !c.ended {
			k = c.steps[0].n.key(c.steps[0].slot)
		}
		o := c.t.over.at(c.at)
		if o == nil || !c.ended && k.less(o.key) {
			c.base = true
			if c.ok = !c.ended; c.ok {
				c.key, c.data = k, c.steps[0].n.item(c.steps[0].slot)
			}
			return nil
		}
		if !c.ended && k == o.key {
			if err := c.nextBase(); err != nil {
				return err
			}
		}
		if !o.gone {
			c.key, c.data, c.ok, c.base = o.key, o.data, true, false
			return nil
		}
		c.at = c.t.over.next(c.at)
	}
}

// seek returns a cursor at the first item whose key is k or greater.
func (t *tree) seek(k key) (c cursor, err error) {
	c.t = t
	if err := c.seekBase(k, false); err != nil {
		return c, err
	}
	if t.over != nil {
		c.at = t.over.search(k)
	}
	return c, c.settle()
}

// next goes to the next item.
func (c *cursor) next() error {
	if !c.base {
		c.at = c.t.over.next(c.at)
	} else if err := c.nextBase(); err != nil {
		c.ok = false
		return err
	}
	return c.settle()
}

// floor returns the last item whose key is k or less.
func (t *tree) floor(k key) (found key, data []byte, ok bool, err error) {
	for {
		c := cursor{t: t}
		if err := c.seekBase(k, true); err != nil {
			return key{}, nil, false, err
		}
		if ok = !c.ended; ok {
			found, data = c.steps[0].n.key(c.steps[0].slot), c.steps[0].n.item(c.steps[0].slot)
		}
		if t.over == nil {
			return found, data, ok, nil
		}
		hidden := false
		for p, o := t.over.before(k); o != nil && !(ok && o.key.less(found)); p, o = t.over.prev(p) {
			if !o.gone {
				return o.key, o.data, true, nil
			}
			if hidden = ok && o.key == found; hidden {
				break
			}
		}
		if !hidden {
			return found, data, ok, nil
		}
		if found == (key{}) {
			return key{}, nil, false, nil
		}
		k = found.prev() // what is below the item that is gone
	}
}

// prev returns the greatest key that is less than k, which is not the least.
func (k key) prev() key {
	if k.offset--; k.offset == 1<<64-1 {
		if k.typ--; k.typ == 0xFF {
			k.objectid--
		}
	}
	return k
}

// get returns the item with the key k, nil if there is none.
func (t *tree) get(k key) ([]byte, error) {
	c, err := t.seek(k)
	if err != nil || !c.ok || c.key != k {
		return nil, err
	}
	if c.data == nil {
		return []byte{}, nil
	}
	return c.data, nil
}
