package ext4

import (
	"fmt"
	"math/bits"
)

// Feature bits of s_feature_compat: a reader may ignore those it does not know.
const (
	compatHasJournal   = 0x4
	compatDirIndex     = 0x20
	compatSparseSuper2 = 0x200
	compatFastCommit   = 0x400
)

// Feature bits of s_feature_incompat: a reader that does not know one must not
// read the filesystem.
const (
	incompatFiletype   = 0x2
	incompatRecover    = 0x4
	incompatJournalDev = 0x8
	incompatMetaBG     = 0x10
	incompatExtents    = 0x40
	incompat64bit      = 0x80
	incompatMMP        = 0x100
	incompatFlexBG     = 0x200
	incompatEAInode    = 0x400
	incompatCsumSeed   = 0x2000
	incompatLargeDir   = 0x4000
	incompatInlineData = 0x8000
	incompatEncrypt    = 0x10000
	incompatCasefold   = 0x20000

	incompatKnown = incompatFiletype | incompatRecover | incompatMetaBG | incompatExtents | incompat64bit |
		incompatMMP | incompatFlexBG | incompatEAInode | incompatCsumSeed | incompatLargeDir |
		incompatInlineData | incompatEncrypt | incompatCasefold
)

// Feature bits of s_feature_ro_compat: a reader may ignore those it does not
// know, a writer may not.
const (
	roSparseSuper  = 0x1
	roLargeFile    = 0x2
	roBtreeDir     = 0x4
	roHugeFile     = 0x8
	roGdtCsum      = 0x10
	roBigalloc     = 0x200
	roMetadataCsum = 0x400
)

// The names of the bits are those that mke2fs takes and dumpe2fs prints.
var (
	compatNames = [32]string{0: "dir_prealloc", 1: "imagic_inodes", 2: "has_journal", 3: "ext_attr", 4: "resize_inode",
		5: "dir_index", 6: "lazy_bg", 7: "snapshot_bitmap", 9: "sparse_super2", 10: "fast_commit", 11: "stable_inodes", 12: "orphan_file"}
	incompatNames = [32]string{0: "compression", 1: "filetype", 2: "needs_recovery", 3: "journal_dev", 4: "meta_bg",
		6: "extent", 7: "64bit", 8: "mmp", 9: "flex_bg", 10: "ea_inode", 12: "dirdata", 13: "metadata_csum_seed",
		14: "large_dir", 15: "inline_data", 16: "encrypt", 17: "casefold"}
	roNames = [32]string{0: "sparse_super", 1: "large_file", 2: "btree_dir", 3: "huge_file", 4: "uninit_bg", 5: "dir_nlink",
		6: "extra_isize", 7: "snapshot", 8: "quota", 9: "bigalloc", 10: "metadata_csum", 11: "replica", 12: "read-only",
		13: "project", 14: "shared_blocks", 15: "verity", 16: "orphan_present"}
)

// featureNames lists the set bits of one feature word. A bit without a name
// appears as dumpe2fs shows it: FEATURE_I31.
func featureNames(word uint32, names *[32]string, kind byte) []string {
	var out []string
	for ; word != 0; word &= word - 1 {
		bit := bits.TrailingZeros32(word)
		name := names[bit]
		if name == "" {
			name = fmt.Sprintf("FEATURE_%c%d", kind, bit)
		}
		out = append(out, name)
	}
	return out
}

// features lists all features of the filesystem.
func (s *superblock) features() []string {
	out := featureNames(s.featureCompat, &compatNames, 'C')
	out = append(out, featureNames(s.featureIncompat, &incompatNames, 'I')...)
	return append(out, featureNames(s.featureRoCompat, &roNames, 'R')...)
}

// What ext2 and ext3 drivers can read and write: blkid tells the three types
// apart by what lies outside.
const (
	ext2Incompat = incompatFiletype | incompatMetaBG
	ext3Incompat = ext2Incompat | incompatRecover
	ext3RoCompat = roSparseSuper | roLargeFile | roBtreeDir
)

// fsType names the type as blkid does.
func (s *superblock) fsType() string {
	switch {
	case s.featureRoCompat&^ext3RoCompat != 0 || s.featureIncompat&^ext3Incompat != 0:
		return "ext4"
	case s.featureCompat&compatHasJournal != 0:
		return "ext3"
	case s.featureIncompat&^ext2Incompat != 0:
		return "ext4"
	}
	return "ext2"
}
