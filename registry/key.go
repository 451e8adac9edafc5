package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
)

const (
	keyNodeSize = 76
	// maxKeyName is how long a name may be in Windows, in bytes: 256 units of
	// UTF-16. Every path and many an error repeats it.
	maxKeyName = 512
)

// The flags of a key that matter to a reader.
const (
	flagPredefined = 0x40 // the number of values is a handle instead
	flagLink       = 0x10
	flagCompressed = 0x20 // the name is Latin-1
)

// keyNode is a key on disk.
type keyNode struct {
	signature [2]byte // 0x00 "nk"
	flags     uint16  // 0x02
	modified  uint64  // 0x04 FILETIME
	// 0x0c access bits
	parent  uint32 // 0x10 offset of the parent's node; of no meaning in the root
	subkeys uint32 // 0x14 how many
	// 0x18 how many volatile ones, which are not on disk
	list uint32 // 0x1c offset of the list of subkeys
	// 0x20 of that of volatile ones
	values    uint32 // 0x24 how many
	valueList uint32 // 0x28 offset of the list of values
	// 0x2c security
	class uint32 // 0x30 offset of the class name
	// 0x34 longest names and data below
	nameLen  uint16 // 0x48 in bytes
	classLen uint16 // 0x4a in bytes
	// 0x4c name
}

func (k *keyNode) decode(p []byte) {
	le := binary.LittleEndian
	copy(k.signature[:], p)
	k.flags = le.Uint16(p[0x02:])
	k.modified = le.Uint64(p[0x04:])
	k.parent = le.Uint32(p[0x10:])
	k.subkeys = le.Uint32(p[0x14:])
	k.list = le.Uint32(p[0x1c:])
	k.values = le.Uint32(p[0x24:])
	k.valueList = le.Uint32(p[0x28:])
	k.class = le.Uint32(p[0x30:])
	k.nameLen = le.Uint16(p[0x48:])
	k.classLen = le.Uint16(p[0x4a:])
}

// A Key is a key of a hive, with subkeys and values. It is immutable and safe
// for concurrent use.
type Key struct {
	h      *Hive
	offset uint32
	node   keyNode
	name   string
	up     *Key
	depth  int
}

// key reads the key at an offset, as a subkey of up.
func (h *Hive) key(what string, offset uint32, up *Key) (*Key, error) {
	k := &Key{h: h, offset: offset, up: up}
	c, err := h.cell(what, offset)
	if err != nil {
		return nil, err
	}
	b, err := c.view(0, keyNodeSize)
	if err != nil {
		return nil, err
	}
	k.node.decode(b)
	if string(k.node.signature[:]) != "nk" {
		return nil, c.corrupt("it is no key")
	}
	if k.node.nameLen > maxKeyName {
		return nil, c.corrupt("its name has %d bytes, more than %d", k.node.nameLen, maxKeyName)
	}
	if b, err = c.view(keyNodeSize, int64(k.node.nameLen)); err != nil {
		return nil, err
	}
	k.name = name(b, k.node.flags&flagCompressed != 0)
	if up == nil {
		return k, nil
	}
	// A key has one parent. That it names it makes a tree of what else might
	// be a web, to walk which takes forever.
	if k.node.parent != up.offset {
		return nil, c.corrupt("the key %q says that its parent is another one, at %#x", k.name, baseSize+int64(k.node.parent))
	}
	for a := up; a != nil; a = a.up {
		if a.offset == offset {
			return nil, block.Errorf(format, what, c.off, block.ErrLoop, "the key %q is its own ancestor", k.name)
		}
	}
	if k.depth = up.depth + 1; k.depth > MaxDepth {
		return nil, block.Errorf(format, what, c.off, block.ErrLimit, "the key %q is more than %d levels deep", k.name, MaxDepth)
	}
	return k, nil
}

// what names the key in errors.
func (k *Key) what(of string) string { return fmt.Sprintf("%s of key %q", of, k.name) }

// Name returns the name of the key. Nothing keeps it from holding any
// character but the backslash, which a hostile hive may hold too.
func (k *Key) Name() string { return k.name }

// Path returns the names of the keys from the root to this one, between
// backslashes. That of the root is empty.
func (k *Key) Path() string {
	var names []string
	for ; k.up != nil; k = k.up {
		names = append(names, k.name)
	}
	for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
		names[i], names[j] = names[j], names[i]
	}
	return strings.Join(names, `\`)
}

// Parent returns the key that k was found in, nil for the root.
func (k *Key) Parent() *Key { return k.up }

// ModTime returns when the key, or a value of it, was last written. It is zero
// if the hive does not say.
func (k *Key) ModTime() time.Time { return filetime(k.node.modified) }

// Link reports whether the key is a symbolic link to another one, which its
// value SymbolicLinkValue names.
func (k *Key) Link() bool { return k.node.flags&flagLink != 0 }

// Class returns the class name of the key, mostly empty.
func (k *Key) Class() (string, error) {
	if k.node.classLen == 0 || k.node.class == nowhere {
		return "", nil
	}
	c, err := k.h.cell(k.what("class name"), k.node.class)
	if err != nil {
		return "", err
	}
	b, err := c.view(0, int64(k.node.classLen))
	if err != nil {
		return "", err
	}
	return utf16le(b), nil
}

// Find returns the key at a path of names between backslashes, from k. Case
// does not matter. The error for a key that is not there wraps
// [fs.ErrNotExist].
func (k *Key) Find(path string) (*Key, error) {
	for name := range strings.SplitSeq(path, `\`) {
		if name == "" {
			continue
		}
		var err error
		if k, err = k.Key(name); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Key returns the subkey of the given name, without regard to case. The error
// for one that is not there wraps [fs.ErrNotExist].
func (k *Key) Key(name string) (*Key, error) {
	want := fold(name)
	found, serr := k.search(want)
	if found != nil || serr != nil && !errors.Is(serr, block.ErrCorrupt) {
		return found, serr
	}
	// The list is in no order, is damaged, or has no such key.
	var damage error
	for sub, err := range k.each() {
		switch {
		case err != nil && damage == nil:
			damage = err
		case err == nil && fold(sub.name) == want:
			if err = serr; err == nil {
				err = block.Errorf(format, k.what("list of subkeys"), k.place(), block.ErrCorrupt, "it is not in order")
			}
			k.h.problems.Add(err)
			return sub, nil
		}
	}
	if damage != nil {
		return nil, damage // which may hide the key
	}
	return nil, block.Errorf(format, fmt.Sprintf("key %q", k.name), k.place(), absent(fmt.Sprintf("subkey %q", name)), "")
}

// place is where the key lies in the file.
func (k *Key) place() int64 { return baseSize + int64(k.offset) }

// Subkeys lists the subkeys in the order of the hive, which is that of their
// names in upper case. An error takes the place of each one that cannot be
// read.
func (k *Key) Subkeys() iter.Seq2[*Key, error] {
	return func(yield func(*Key, error) bool) {
		n := 0
		for sub, err := range k.each() {
			if n++; n > k.h.o.MaxSubkeys {
				yield(nil, block.Errorf(format, k.what("list of subkeys"), k.place(), block.ErrLimit, "there are more than %d", k.h.o.MaxSubkeys))
				return
			}
			if !yield(sub, err) {
				return
			}
		}
	}
}

// Values lists the values in the order of the hive, which is none. An error
// takes the place of each one that cannot be read.
func (k *Key) Values() iter.Seq2[*Value, error] {
	return func(yield func(*Value, error) bool) {
		n := int64(k.node.values)
		if n == 0 || k.node.flags&flagPredefined != 0 {
			return
		}
		c, err := k.h.cell(k.what("list of values"), k.node.valueList)
		if err != nil {
			yield(nil, err)
			return
		}
		if n > c.size/4 {
			yield(nil, c.corrupt("its %d values do not fit into its cell of %d bytes", n, c.size))
			return
		}
		what := k.what("value")
		for i := range n {
			if i >= int64(k.h.o.MaxValues) {
				yield(nil, block.Errorf(format, c.what, c.off, block.ErrLimit, "there are more than %d", k.h.o.MaxValues))
				return
			}
			b, err := c.view(4*i, 4)
			if err != nil {
				yield(nil, err)
				return
			}
			v, err := k.value(what, binary.LittleEndian.Uint32(b))
			if !yield(v, err) {
				return
			}
		}
	}
}

// Value returns the value of the given name, without regard to case; the
// default value has none. The error for one that is not there wraps
// [fs.ErrNotExist].
func (k *Key) Value(name string) (*Value, error) {
	want := fold(name)
	var damage error
	for v, err := range k.Values() {
		switch {
		case err != nil && damage == nil:
			damage = err
		case err == nil && fold(v.name) == want:
			return v, nil
		}
	}
	if damage != nil {
		return nil, damage
	}
	return nil, block.Errorf(format, fmt.Sprintf("key %q", k.name), k.place(), absent(fmt.Sprintf("value %q", name)), "")
}
