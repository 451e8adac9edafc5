package ntfs

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/guestkit/guestkit/block"
)

const bootSize = 512

// Limits of the structures whose size the boot sector states, in bytes.
const (
	minSector, maxSector   = 512, 4096
	minCluster, maxCluster = 512, 2 << 20
	minRecord, maxRecord   = 512, 64 << 10
	minBlock, maxBlock     = 512, 64 << 10
)

// bootSector is the BIOS parameter block of sector 0 ($Boot).
type bootSector struct {
	oem               [8]byte // 0x03 "NTFS    "
	bytesPerSector    uint16  // 0x0B
	sectorsPerCluster uint8   // 0x0D above 0x80: two to the power of its negative
	totalSectors      uint64  // 0x28 one less than the partition: the backup boot sector
	mftLCN            uint64  // 0x30
	mirrorLCN         uint64  // 0x38
	clustersPerRecord int8    // 0x40 negative: two to the power of its negative, in bytes
	clustersPerBlock  int8    // 0x44 the same for index blocks
	serial            uint64  // 0x48
}

func (h *bootSector) decode(b []byte) {
	copy(h.oem[:], b[0x03:])
	h.bytesPerSector = binary.LittleEndian.Uint16(b[0x0B:])
	h.sectorsPerCluster = b[0x0D]
	h.totalSectors = binary.LittleEndian.Uint64(b[0x28:])
	h.mftLCN = binary.LittleEndian.Uint64(b[0x30:])
	h.mirrorLCN = binary.LittleEndian.Uint64(b[0x38:])
	h.clustersPerRecord = int8(b[0x40])
	h.clustersPerBlock = int8(b[0x44])
	h.serial = binary.LittleEndian.Uint64(b[0x48:])
}

// geometry is what the boot sector says, in bytes and checked.
type geometry struct {
	size     int64 // of the volume
	cluster  int64
	record   int64 // MFT record
	block    int64 // index block
	clusters int64 // of the volume, a last partial one not counted
	mft      int64 // LCN of $MFT
	mirror   int64 // LCN of $MFTMirr
}

func bootError(off int64, detail string, args ...any) error {
	return block.Errorf("ntfs", "boot sector", off, block.ErrCorrupt, detail, args...)
}

// validate checks the boot sector and returns the geometry of the volume.
func (h *bootSector) validate() (g geometry, err error) {
	if !bytes.Equal(h.oem[:], []byte("NTFS    ")) {
		return g, block.Errorf("ntfs", "boot sector", 0x03, block.ErrFormat, "")
	}
	sector := int64(h.bytesPerSector)
	if sector < minSector || sector > maxSector || !powerOfTwo(sector) {
		return g, bootError(0x0B, "%d bytes per sector", sector)
	}
	perCluster := int64(h.sectorsPerCluster)
	if perCluster > 0x80 {
		shift := 0x100 - perCluster
		if shift > 12 {
			return g, bootError(0x0D, "2^%d sectors per cluster", shift)
		}
		perCluster = 1 << shift
	}
	g.cluster = perCluster * sector
	if !powerOfTwo(perCluster) || g.cluster < minCluster || g.cluster > maxCluster {
		return g, bootError(0x0D, "%d sectors per cluster", perCluster)
	}
	if g.record = unitSize(h.clustersPerRecord, g.cluster, minRecord, maxRecord); g.record == 0 {
		return g, bootError(0x40, "MFT records of %d clusters", h.clustersPerRecord)
	}
	if g.block = unitSize(h.clustersPerBlock, g.cluster, minBlock, maxBlock); g.block == 0 {
		return g, bootError(0x44, "index blocks of %d clusters", h.clustersPerBlock)
	}
	if h.totalSectors == 0 || h.totalSectors > uint64(1<<62/sector) {
		return g, bootError(0x28, "%d sectors", h.totalSectors)
	}
	g.size = int64(h.totalSectors) * sector
	g.clusters = g.size / g.cluster
	if h.mftLCN == 0 || h.mftLCN >= uint64(g.clusters) {
		return g, bootError(0x30, "$MFT at cluster %#x of %#x", h.mftLCN, g.clusters)
	}
	if h.mirrorLCN >= uint64(g.clusters) {
		return g, bootError(0x38, "$MFTMirr at cluster %#x of %#x", h.mirrorLCN, g.clusters)
	}
	g.mft, g.mirror = int64(h.mftLCN), int64(h.mirrorLCN)
	return g, nil
}

// unitSize decodes the size of an MFT record or index block: clusters, or if
// negative a binary logarithm of bytes. It is 0 if it is no power of two
// between low and high.
func unitSize(n int8, cluster, low, high int64) int64 {
	size := int64(n) * cluster
	switch {
	case n < -31:
		return 0
	case n < 0:
		size = 1 << -int(n)
	}
	if !powerOfTwo(size) || size < low || size > high {
		return 0
	}
	return size
}

func powerOfTwo(n int64) bool { return n > 0 && bits.OnesCount64(uint64(n)) == 1 }
