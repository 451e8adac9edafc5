package btrfs

import (
	"fmt"
	"math/bits"
	"strings"
)

// Feature bits of incompat_flags: a reader that does not know one must not read
// the filesystem.
const (
	incompatMixedBackref = 1 << iota
	incompatDefaultSubvol
	incompatMixedGroups
	incompatCompressLZO
	incompatCompressZstd
	incompatBigMetadata
	incompatExtendedIref
	incompatRAID56
	incompatSkinnyMetadata
	incompatNoHoles
	incompatMetadataUUID
	incompatRAID1C34
	incompatZoned
	incompatExtentTreeV2
	incompatRaidStripeTree
	_
	incompatSimpleQuota

	// Extents of the raid stripe tree and the several roots of extent tree v2,
	// both experimental in Linux, are refused by name.
	incompatKnown = incompatMixedBackref | incompatDefaultSubvol | incompatMixedGroups | incompatCompressLZO |
		incompatCompressZstd | incompatBigMetadata | incompatExtendedIref | incompatRAID56 | incompatSkinnyMetadata |
		incompatNoHoles | incompatMetadataUUID | incompatRAID1C34 | incompatZoned | incompatSimpleQuota
)

// The names are those of /sys/fs/btrfs/features.
var (
	incompatNames = [64]string{0: "mixed_backref", 1: "default_subvol", 2: "mixed_groups", 3: "compress_lzo", 4: "compress_zstd",
		5: "big_metadata", 6: "extended_iref", 7: "raid56", 8: "skinny_metadata", 9: "no_holes", 10: "metadata_uuid", 11: "raid1c34",
		12: "zoned", 13: "extent_tree_v2", 14: "raid_stripe_tree", 16: "simple_quota", 17: "remap_tree"}
	compatRoNames = [64]string{0: "free_space_tree", 1: "free_space_tree_valid", 2: "verity", 3: "block_group_tree"}
)

func featureNames(word uint64, names *[64]string, kind string) []string {
	var out []string
	for ; word != 0; word &= word - 1 {
		bit := bits.TrailingZeros64(word)
		name := names[bit]
		if name == "" {
			name = fmt.Sprintf("%s bit %d", kind, bit)
		}
		out = append(out, name)
	}
	return out
}

func joinFeatures(incompat uint64) string {
	return strings.Join(featureNames(incompat, &incompatNames, "incompat"), ", ")
}

// features lists all features of the filesystem, and how it keeps checksums.
func (s *superblock) features() []string {
	out := featureNames(s.incompat, &incompatNames, "incompat")
	out = append(out, featureNames(s.compatRo, &compatRoNames, "compat_ro")...)
	out = append(out, featureNames(s.compat, &[64]string{}, "compat")...)
	return append(out, s.csumType.String())
}
