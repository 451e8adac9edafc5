package btrfs

import (
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

const (
	rootItemOld    = 239 // before Linux 3.6
	rootFlagRdonly = 0x1
)

// rootItem is struct btrfs_root_item as far as a reader needs it.
type rootItem struct {
	generation   uint64 // 0xA0
	rootDirid    uint64 // 0xA8
	bytenr       uint64 // 0xB0
	flags        uint64 // 0xD0
	refs         uint32 // 0xD8
	level        uint8  // 0xEE
	generationV2 uint64 // 0xEF
	uuid         uuid   // 0xF7
	parentUUID   uuid   // 0x107
	receivedUUID uuid   // 0x117
}

// decode reads an item; that before Linux 3.6 has no UUIDs, and where such a
// kernel has written a newer one they are stale.
func (r *rootItem) decode(b []byte) {
	le := binary.LittleEndian
	r.generation = le.Uint64(b[0xA0:])
	r.rootDirid = le.Uint64(b[0xA8:])
	r.bytenr = le.Uint64(b[0xB0:])
	r.flags = le.Uint64(b[0xD0:])
	r.refs = le.Uint32(b[0xD8:])
	r.level = b[0xEE]
	if len(b) < 0x127 {
		return
	}
	if r.generationV2 = le.Uint64(b[0xEF:]); r.generationV2 == r.generation {
		copy(r.uuid[:], b[0xF7:])
		copy(r.parentUUID[:], b[0x107:])
		copy(r.receivedUUID[:], b[0x117:])
	}
}

func treeName(id uint64) string { return fmt.Sprintf("tree %d", int64(id)) }

// rootItem finds the item of a tree: of several, the newest.
func (f *filesystem) rootItem(id uint64) (*rootItem, error) {
	k, data, ok, err := f.rootTree.floor(key{id, typeRootItem, 1<<64 - 1})
	if err != nil {
		return nil, err
	}
	if !ok || k.objectid != id || k.typ != typeRootItem {
		return nil, block.Errorf(format, treeName(id), -1, block.ErrCorrupt, "there is no such tree")
	}
	return f.decodeRoot(id, data)
}

func (f *filesystem) decodeRoot(id uint64, data []byte) (*rootItem, error) {
	if len(data) < rootItemOld {
		return nil, block.Errorf(format, treeName(id), -1, block.ErrCorrupt, "a root item of %d bytes", len(data))
	}
	r := new(rootItem)
	r.decode(data)
	if r.level >= maxLevel {
		return nil, block.Errorf(format, treeName(id), -1, block.ErrCorrupt, "%d levels", r.level+1)
	}
	return r, nil
}

// loadTree opens a tree, and reads its top.
func (f *filesystem) loadTree(id uint64) (*tree, error) {
	r, err := f.rootItem(id)
	if err != nil {
		return nil, err
	}
	t := f.treeOf(id, r)
	_, err = t.root()
	return t, err
}

func (f *filesystem) treeOf(id uint64, r *rootItem) *tree {
	return &tree{f: f, id: id, bytenr: r.bytenr, level: r.level, generation: r.generation, readOnly: r.flags&rootFlagRdonly != 0}
}
