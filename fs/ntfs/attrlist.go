package ntfs

import (
	"encoding/binary"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// maxList is the longest attribute list that Windows makes, in bytes.
const maxList = 256 << 10

// A listEntry of an $ATTRIBUTE_LIST says which record holds an attribute, or
// the part of it that maps its clusters from lowest on.
type listEntry struct {
	typ        uint32 // 0x00
	length     uint16 // 0x04
	nameLength uint8  // 0x06 UTF-16 units
	nameOffset uint8  // 0x07
	lowest     int64  // 0x08 VCN
	rec        ref    // 0x10
	instance   uint16 // 0x18
	name       []byte
}

const listEntrySize = 0x1A

func (e *listEntry) decode(b []byte) {
	e.typ = binary.LittleEndian.Uint32(b)
	e.length = binary.LittleEndian.Uint16(b[0x04:])
	e.nameLength = b[0x06]
	e.nameOffset = b[0x07]
	e.lowest = int64(binary.LittleEndian.Uint64(b[0x08:]))
	e.rec = ref(binary.LittleEndian.Uint64(b[0x10:]))
	e.instance = binary.LittleEndian.Uint16(b[0x18:])
}

// parseList cuts an attribute list into its entries. A list names all
// attributes but itself: one that does names a way in circles.
func parseList(b []byte) ([]listEntry, error) {
	var out []listEntry
	for len(b) > 0 {
		if len(b) < listEntrySize {
			return nil, errListEntry
		}
		var e listEntry
		e.decode(b)
		nameEnd := int(e.nameOffset) + 2*int(e.nameLength)
		switch {
		case e.length < listEntrySize || int(e.length) > len(b) || e.lowest < 0:
			return nil, errListEntry
		case e.nameLength > 0 && (nameEnd > int(e.length) || e.nameOffset < listEntrySize):
			return nil, errListEntry
		case e.typ == attrAttributeList:
			return nil, errListItself
		}
		if e.nameLength > 0 {
			e.name = b[e.nameOffset:nameEnd:nameEnd]
		}
		out = append(out, e)
		b = b[e.length:]
	}
	return out, nil
}

var (
	errListEntry  = block.Errorf("", "$ATTRIBUTE_LIST", -1, block.ErrCorrupt, "an entry has a wrong length")
	errListItself = block.Errorf("", "$ATTRIBUTE_LIST", -1, block.ErrLoop, "it lists itself")
)

// readList reads the attribute list of a base record. It is nil if the record
// has none, and then holds all attributes of its file.
func (v *volume) readList(rec *record) ([]listEntry, error) {
	a := rec.first(attrAttributeList)
	if a == nil {
		return nil, nil
	}
	d, err := v.open(a, nil, rec.num)
	if err != nil {
		return nil, err
	}
	b, err := block.ReadBytes(d, 0, d.Size(), maxList)
	if err != nil {
		return nil, block.Locate("ntfs", recordName(rec.num)+", $ATTRIBUTE_LIST", v.recordOffset(rec.num), err)
	}
	list, err := parseList(b)
	if err != nil {
		return nil, block.Locate("ntfs", recordName(rec.num)+", $ATTRIBUTE_LIST", v.recordOffset(rec.num), err)
	}
	if list == nil {
		list = []listEntry{}
	}
	return list, nil
}

// segmentsOf returns the parts of the non-resident attribute of the given type
// and name that a list names, in the order of their clusters.
func segmentsOf(list []listEntry, typ uint32, name []byte) []segment {
	var segs []segment
	for i := range list {
		if e := &list[i]; e.typ == typ && string(e.name) == string(name) {
			segs = append(segs, segment{e.lowest, e.rec, typ, e.instance})
		}
	}
	sort.SliceStable(segs, func(i, j int) bool { return segs[i].low < segs[j].low })
	return segs
}
