package xfs

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// Bits of sb_versionnum; the low four are the version.
const (
	versionMask     = 0x000f
	versionShared   = 0x0200
	versionLogV2    = 0x0400
	versionDirV2    = 0x2000
	versionASCIICI  = 0x4000 // "borg": names compare without ASCII case
	versionMoreBits = 0x8000 // features2 counts
)

// Bits of sb_features2.
const (
	features2LazySB  = 0x002
	features2Attr2   = 0x008
	features2Projid  = 0x080
	features2CRC     = 0x100 // set by mkfs on version 5
	features2Ftype   = 0x200
	features2Allowed = features2LazySB | features2Attr2 | features2Projid | features2CRC | features2Ftype
)

// Bits of sb_features_incompat that mean something here.
const (
	incompatFtype       = 1 << 0
	incompatMetaUUID    = 1 << 2
	incompatNeedsRepair = 1 << 4
	incompatMetadir     = 1 << 8 // quotas and the realtime section's metadata are files of a directory of their own
	incompatZoned       = 1 << 9
	incompatZoneGaps    = 1 << 10
)

// logIncompatXattrs says that the log may hold attribute intents.
const logIncompatXattrs = 1 << 0

// incompatNames has the incompatible features in the order of their bits, and
// incompatKnown those that are read.
var incompatNames = [...]string{"ftype", "spinodes", "meta_uuid", "bigtime", "needsrepair", "nrext64", "exchange", "parent", "metadir", "zoned", "zone_gaps"}

const incompatKnown = 1<<11 - 1

var roCompatNames = [...]string{"finobt", "rmapbt", "reflink", "inobtcount"}

func (s *superblock) version() int { return int(s.versionnum & versionMask) }
func (s *superblock) v5() bool     { return s.version() == 5 }

// features returns features2, wherever the kernel that made it put it.
func (s *superblock) features() uint32 {
	if !s.v5() && s.versionnum&versionMoreBits == 0 {
		return 0
	}
	return s.features2 | s.badFeature2
}

func (s *superblock) ftype() bool {
	if s.v5() {
		return s.incompat&incompatFtype != 0
	}
	return s.features()&features2Ftype != 0
}

func (s *superblock) metadir() bool { return s.v5() && s.incompat&incompatMetadir != 0 }

func (s *superblock) asciiCI() bool { return s.versionnum&versionASCIICI != 0 }

// checkFeatures refuses what is not understood, by name.
func (s *superblock) checkFeatures() error {
	unsupported := func(off int64, detail string, args ...any) error {
		return block.Errorf(format, "superblock", off, block.ErrUnsupported, detail, args...)
	}
	switch v := s.version(); {
	case v != 4 && v != 5:
		return unsupported(0x64, "version %d", v)
	case s.versionnum&versionShared != 0:
		return unsupported(0x64, "feature shared")
	case v == 4 && s.versionnum&versionDirV2 == 0:
		return unsupported(0x64, "directories of version 1")
	case v == 4 && s.features()&^features2Allowed != 0:
		return unsupported(0xc8, "features2 bits %#x", s.features()&^uint32(features2Allowed))
	case v == 5 && s.incompat&^incompatKnown != 0:
		return unsupported(0xd8, "incompatible feature %s", strings.Join(names(s.incompat&^incompatKnown, incompatNames[:]), ", "))
	}
	return nil
}

// featureList names the features that are set, as tools do.
func (s *superblock) featureList() []string {
	var out []string
	if s.v5() {
		out = append(out, "crc")
		out = append(out, names(s.incompat, incompatNames[:])...)
		out = append(out, names(s.roCompat, roCompatNames[:])...)
	} else if s.ftype() {
		out = append(out, "ftype")
	}
	if s.asciiCI() {
		out = append(out, "ascii-ci")
	}
	return out
}

// names names the bits that are set.
func names(mask uint32, known []string) []string {
	var out []string
	for bit := range 32 {
		switch {
		case mask&(1<<bit) == 0:
		case bit < len(known):
			out = append(out, known[bit])
		default:
			out = append(out, fmt.Sprintf("bit %d", bit))
		}
	}
	return out
}
