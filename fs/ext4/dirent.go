package ext4

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

const (
	// maxDirBlocks bounds the blocks of a directory, which are remembered while it
	// is read: 8 GiB of 1 KiB, where ext4 has 2 GiB without large_dir.
	maxDirBlocks = 1 << 23

	direntHeader = 8
	direntMin    = 12
	dirTailSize  = 12
	dirTailType  = 0xDE
)

// A dirent is one struct ext4_dir_entry_2 and its place in its block.
type dirent struct {
	off      int    // in the block
	inode    uint32 // 0x0, 0 for a free place
	recLen   int    // 0x4
	nameLen  uint8  // 0x6
	fileType uint8  // 0x7
	name     []byte // 0x8, shared with the block
}

// recLen decodes a length that must express blocks of 64 KiB in 16 bits: 65535
// or 0 mean the whole block, and the two low bits are the high ones.
func recLen(v uint16, blockSize int) int {
	switch {
	case blockSize < 1<<16:
		return int(v)
	case v == 0xFFFF || v == 0:
		return blockSize
	}
	return int(v&^3) | int(v&3)<<16
}

// fits reports whether an entry and its name may be so long where room is left.
func fits(recLen, nameLen, room int) bool {
	return recLen >= direntMin && recLen%4 == 0 && recLen <= room && nameLen <= recLen-direntHeader
}

// nextDirent decodes the entry at off of a directory block, or of a part of
// one, that ends at len(b). It returns false where the entry breaks a rule.
func nextDirent(b []byte, off, blockSize int) (dirent, bool) {
	if len(b)-off < direntHeader {
		return dirent{off: off}, false
	}
	le := binary.LittleEndian
	d := dirent{off: off, inode: le.Uint32(b[off:]), recLen: recLen(le.Uint16(b[off+4:]), blockSize),
		nameLen: b[off+6], fileType: b[off+7]}
	if !fits(d.recLen, int(d.nameLen), len(b)-off) {
		return d, false
	}
	d.name = b[off+direntHeader : off+direntHeader+int(d.nameLen)]
	return d, true
}

// measure returns how many entries a block holds before one that breaks a rule, and where
// the last name of these ends.
func measure(b []byte, blockSize int) (entries, end int) {
	for off := 0; len(b)-off >= direntHeader; entries++ {
		size, name := recLen(binary.LittleEndian.Uint16(b[off+4:]), blockSize), int(b[off+6])
		if !fits(size, name, len(b)-off) {
			break
		}
		end = off + direntHeader + name
		off += size
	}
	return entries, end
}

// dirBlock reads the block of a directory that lies at pblk and is its block
// lblk, and verifies its checksum.
func (n *inode) dirBlock(lblk, pblk uint64) ([]byte, error) {
	return n.fs.readBlock(pblk, n.ino, kindDir, func(b []byte) error {
		if n.fs.sb.has(roMetadataCsum) {
			n.fs.problems.Add(n.checkDirSum(b, lblk, pblk))
		}
		return nil
	})
}

// checkDirSum verifies the checksum of a directory block, which is in a tail
// that looks like a free entry, or of a node of its index.
func (n *inode) checkDirSum(b []byte, lblk, pblk uint64) error {
	le := binary.LittleEndian
	if n.indexed() && (lblk == 0 || recLen(le.Uint16(b[4:]), len(b)) == len(b)) {
		return n.checkIndexSum(b, pblk)
	}
	at := len(b) - dirTailSize
	tail := b[at:]
	if le.Uint32(tail) != 0 || le.Uint16(tail[4:]) != dirTailSize || tail[6] != 0 || tail[7] != dirTailType {
		return n.fs.corrupt("directory block", pblk, "no checksum in block %d of inode %d", lblk, n.ino)
	}
	if sum, want := crc32c(n.seed, b[:at]), le.Uint32(tail[8:]); sum != want {
		return n.fs.corrupt("directory block", pblk, "checksum %#08x of inode %d, computed %#08x", want, n.ino, sum)
	}
	return nil
}

// eachDirBlock calls visit with the blocks of a directory, in order, until it
// returns false. A directory with holes is corrupt; they are skipped with a
// problem. A block that comes twice ends the directory: each name has one place,
// and millions of extents may name the same block.
func (n *inode) eachDirBlock(visit func(b []byte, lblk, pblk uint64) (bool, error)) error {
	s := n.fs.sb
	shift := 10 + s.logBlockSize
	blocks := (uint64(n.stat.Size) + uint64(s.blockSize) - 1) >> shift
	seen := map[uint64]struct{}{}
	for lblk := uint64(0); lblk < blocks; {
		r, err := n.mapBlock(lblk)
		if err != nil {
			return err
		}
		r.n = min(r.n, blocks-lblk)
		if r.zero() {
			n.fs.problems.Add(n.corrupt("the directory has a hole at block %d", lblk))
			lblk += r.n
			continue
		}
		if uint64(len(seen))+r.n > maxDirBlocks {
			return n.fault(block.ErrLimit, "a directory of more than %d blocks", maxDirBlocks)
		}
		for i := range r.n {
			if _, twice := seen[r.pblk+i]; twice {
				return n.corrupt("block %d of the directory, %d of the filesystem, has come before", lblk+i, r.pblk+i)
			}
			seen[r.pblk+i] = struct{}{}
			b, err := n.dirBlock(lblk+i, r.pblk+i)
			if err != nil {
				return err
			}
			if more, err := visit(b, lblk+i, r.pblk+i); err != nil || !more {
				return err
			}
		}
		lblk += r.n
	}
	return nil
}

// badDirent is the error of an entry that breaks a rule.
func (n *inode) badDirent(d dirent, pblk uint64) error {
	off := n.fs.blockOff(pblk)
	if off >= 0 {
		off += int64(d.off)
	}
	return block.Errorf("ext4", "directory entry", off, block.ErrCorrupt, "inode %d: length %d, name of %d bytes", n.ino, d.recLen, d.nameLen)
}
