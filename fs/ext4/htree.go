package ext4

import (
	"encoding/binary"
	"io/fs"
	"sort"
)

// An htree keeps the directory's blocks by the hashes of the names in them. Its
// root is block 0 of the directory, behind entries for "." and ".."; inner
// nodes are blocks that look like one free entry:
//
//	root                          node
//	0x00 ".", "..", 12 bytes each 0x00 a free entry, 8 bytes
//	0x18 info: version, levels    0x08 limit, count, block of entry 0
//	0x20 limit, count, block 0    0x10 hash, block …
//	0x28 hash, block …
const (
	htreeInfo     = 0x18
	htreeRoot     = 0x20
	htreeNode     = 0x08
	htreeEntry    = 8
	htreeInfoSize = 8
)

// indexed reports whether the directory has an index.
func (n *inode) indexed() bool {
	return n.flags&(flagIndex|flagInlineData) == flagIndex && n.fs.sb.featureCompat&compatDirIndex != 0
}

// hashVersion corrects a version on the disk, which does not say how bytes above
// 127 count, by the superblock, which does.
func (s *superblock) hashVersion(v uint8) uint8 {
	if v <= hashTea && s.flags&flagUnsignedHash != 0 {
		v += hashLegacyUnsigned
	}
	return v
}

// htreeEntries are the entries of an index node: pairs of hash and block, of
// which the first has its limit and count in place of the hash.
type htreeEntries []byte

func (e htreeEntries) limit() int { return int(binary.LittleEndian.Uint16(e[0:])) }
func (e htreeEntries) count() int { return int(binary.LittleEndian.Uint16(e[2:])) }

func (e htreeEntries) hash(i int) uint32 { return binary.LittleEndian.Uint32(e[htreeEntry*i:]) }

// block returns the block of the directory that entry i points to. The top four
// bits are not part of it.
func (e htreeEntries) block(i int) uint64 {
	return uint64(binary.LittleEndian.Uint32(e[htreeEntry*i+4:]) & 0x0FFFFFFF)
}

// indexEntries returns the entries of a node, checked.
func (n *inode) indexEntries(b []byte, pblk uint64, root bool) (htreeEntries, error) {
	at := htreeNode
	if root {
		at = htreeRoot
	}
	room := len(b) - at
	if n.fs.sb.has(roMetadataCsum) {
		room -= htreeEntry // the tail with the checksum
	}
	e := htreeEntries(b[at:])
	if e.limit() != room/htreeEntry || e.count() < 1 || e.count() > e.limit() {
		return nil, n.fs.corrupt("htree node", pblk, "inode %d: %d entries of %d", n.ino, e.count(), e.limit())
	}
	return e, nil
}

// checkIndexSum verifies the checksum of a node, which covers the entries in use
// and lies behind the room for all.
func (n *inode) checkIndexSum(b []byte, pblk uint64) error {
	le := binary.LittleEndian
	at := htreeNode
	if recLen(le.Uint16(b[4:]), len(b)) != len(b) {
		at = htreeRoot
	}
	e := htreeEntries(b[at:])
	end, tail := at+htreeEntry*e.count(), at+htreeEntry*e.limit()
	if end > tail || tail > len(b)-htreeEntry {
		return n.fs.corrupt("htree node", pblk, "inode %d: %d entries of %d", n.ino, e.count(), e.limit())
	}
	crc := crc32c(n.seed, b[:end])
	crc = crc32cHole(crc, b[tail:tail+htreeEntry], 4, 4)
	if want := le.Uint32(b[tail+4:]); crc != want {
		return n.fs.corrupt("htree node", pblk, "checksum %#08x of inode %d, computed %#08x", want, n.ino, crc)
	}
	return nil
}

// htreeLevel is a node on the way down, and which of its entries was taken.
type htreeLevel struct {
	e  htreeEntries
	at int
}

// findIndexed looks a name up through the index. It returns fs.ErrNotExist
// itself where the index shows that the name is not there; any other error says
// that the index is unusable.
func (n *inode) findIndexed(m matcher) (uint32, error) {
	b, pblk, err := n.indexBlock(0)
	if err != nil {
		return 0, err
	}
	version, levels := n.fs.sb.hashVersion(b[htreeInfo+4]), int(b[htreeInfo+6])
	maxLevels := 2
	if n.fs.sb.featureIncompat&incompatLargeDir != 0 {
		maxLevels = 3
	}
	if version > hashTeaUnsigned || b[htreeInfo+5] != htreeInfoSize || levels >= maxLevels || binary.LittleEndian.Uint32(b[htreeInfo:]) != 0 {
		return 0, n.fs.corrupt("htree root", pblk, "inode %d: hash version %d, %d levels", n.ino, version, levels)
	}
	hash, _ := nameHash(version, n.fs.sb.hashSeed, m.hashed)
	var path [3]htreeLevel
	e, err := n.indexEntries(b, pblk, true)
	for depth := 0; ; depth++ {
		if err != nil {
			return 0, err
		}
		// Entry 0 has no hash: it stands for all below that of entry 1.
		at := sort.Search(e.count()-1, func(i int) bool { return e.hash(i+1) > hash })
		path[depth] = htreeLevel{e, at}
		if depth == levels {
			break
		}
		if b, pblk, err = n.indexBlock(e.block(at)); err == nil {
			e, err = n.indexEntries(b, pblk, false)
		}
	}
	for {
		b, pblk, err := n.leafBlock(path[levels].e.block(path[levels].at))
		if err != nil {
			return 0, err
		}
		if ino, err := n.findIn(b, pblk, m); ino != 0 || err != nil {
			return ino, err
		}
		more, err := n.nextLeaf(path[:levels+1], hash)
		if err != nil {
			return 0, err
		}
		if !more {
			return 0, fs.ErrNotExist
		}
	}
}

// nextLeaf moves the path to the next leaf, if that may hold names of the same
// hash: the lowest bit of its hash says that it continues the leaf before it.
// It moves forward through the entries of the nodes and so comes to an end.
func (n *inode) nextLeaf(path []htreeLevel, hash uint32) (bool, error) {
	up := len(path) - 1
	for path[up].at+1 >= path[up].e.count() {
		if up--; up < 0 {
			return false, nil
		}
	}
	path[up].at++
	if path[up].e.hash(path[up].at) != hash|1 {
		return false, nil
	}
	for up++; up < len(path); up++ {
		b, pblk, err := n.indexBlock(path[up-1].e.block(path[up-1].at))
		if err != nil {
			return false, err
		}
		e, err := n.indexEntries(b, pblk, false)
		if err != nil {
			return false, err
		}
		path[up] = htreeLevel{e, 0}
	}
	return true, nil
}

// indexBlock reads a block of the directory that is a node of its index.
func (n *inode) indexBlock(lblk uint64) (b []byte, pblk uint64, err error) {
	b, pblk, err = n.leafBlock(lblk)
	if err == nil && lblk != 0 && (binary.LittleEndian.Uint32(b) != 0 || recLen(binary.LittleEndian.Uint16(b[4:]), len(b)) != len(b)) {
		err = n.fs.corrupt("htree node", pblk, "block %d of inode %d is none", lblk, n.ino)
	}
	return b, pblk, err
}

// leafBlock reads any block of the directory.
func (n *inode) leafBlock(lblk uint64) ([]byte, uint64, error) {
	if lblk >= uint64(n.stat.Size)>>(10+n.fs.sb.logBlockSize) {
		return nil, 0, n.corrupt("its index points to block %d of %d bytes", lblk, n.stat.Size)
	}
	r, err := n.mapBlock(lblk)
	if err != nil {
		return nil, 0, err
	}
	if r.zero() {
		return nil, 0, n.corrupt("its index points to block %d, which is a hole", lblk)
	}
	b, err := n.dirBlock(lblk, r.pblk)
	return b, r.pblk, err
}
