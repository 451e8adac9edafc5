package qcow2

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Preallocation says how much of an image is laid out when it is made.
type Preallocation string

// The ways of preallocation. The zero value is PreallocOff.
const (
	PreallocOff      Preallocation = "off"
	PreallocMetadata Preallocation = "metadata" // every cluster has its place, which is a hole of the host file
	PreallocFalloc   Preallocation = "falloc"   // and is reserved on the host's file system
	PreallocFull     Preallocation = "full"     // and zeros are written to it
)

// A Layout says what an image to be written is like. The zero value of every
// field but Size is what qemu-img does by default.
type Layout struct {
	Size          int64  // of the virtual disk, in bytes; the header says whole sectors
	Growing       bool   // Size is but a bound; Writer.SetSize tells the size at the end
	Version       int    // 3 (0 too) or 2
	ClusterSize   int64  // a power of two, 512 bytes to 2 MiB; 0 means 64 KiB
	RefcountBits  int    // a power of two, 1 to 64; 0 means 16
	LazyRefcounts bool   // QEMU may leave refcounts behind until it closes the image
	ExtendedL2    bool   // clusters of 32 subclusters
	Compression   string // of clusters written compressed: "zlib" (also if empty) or "zstd"
	Level         int    // of compression, 1 to 9 for zlib, 1 to 22 for zstd; 0 means a good one

	Backing       string // name of the backing file, stored as it is
	BackingFormat string // must be stated where there is one

	DataFile    string // name of the external data file, stored as it is
	DataFileRaw bool   // keep the data file a raw image of the disk

	Preallocation Preallocation
}

func invalid(detail string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", format, block.ErrOption, fmt.Sprintf(detail, args...))
}

// withDefaults fills the fields that are zero.
func (l Layout) withDefaults() Layout {
	if l.Version == 0 {
		l.Version = 3
	}
	if l.ClusterSize == 0 {
		l.ClusterSize = 64 << 10
	}
	if l.RefcountBits == 0 {
		l.RefcountBits = 16
	}
	if l.Compression == "" {
		l.Compression = "zlib"
	}
	if l.Preallocation == "" {
		l.Preallocation = PreallocOff
	}
	if l.DataFileRaw && l.Preallocation == PreallocOff {
		// Else a write could leave the data file behind what the tables say.
		l.Preallocation = PreallocMetadata
	}
	return l
}

// validate checks a Layout that has its defaults.
func (l *Layout) validate() error {
	pow2 := func(n int64) bool { return n > 0 && n&(n-1) == 0 }
	switch {
	case l.Size < 0:
		return invalid("the size is negative")
	case l.Version != 2 && l.Version != 3:
		return invalid("version %d is not 2 or 3", l.Version)
	case !pow2(l.ClusterSize) || l.ClusterSize < 1<<minClusterBits || l.ClusterSize > 1<<maxClusterBits:
		return invalid("the cluster size %d is no power of two from 512 to 2 MiB", l.ClusterSize)
	case !pow2(int64(l.RefcountBits)) || l.RefcountBits > 64:
		return invalid("the refcount width %d is no power of two from 1 to 64", l.RefcountBits)
	case l.Compression != "zlib" && l.Compression != "zstd":
		return invalid("the compression %q is not zlib or zstd", l.Compression)
	case l.Level < 0 || l.Compression == "zlib" && l.Level > 9 || l.Level > 22:
		return invalid("%s has no level %d", l.Compression, l.Level)
	case l.ExtendedL2 && l.ClusterSize < 16<<10:
		return invalid("extended L2 entries need clusters of 16 KiB or more")
	case l.Backing != "" && l.BackingFormat == "":
		return invalid("the format of the backing file must be stated")
	case len(l.Backing) > 1023:
		return invalid("the name of the backing file is longer than 1023 bytes")
	case strings.ContainsRune(l.Backing+l.BackingFormat+l.DataFile, 0):
		return invalid("a name contains NUL")
	case l.DataFileRaw && l.DataFile == "":
		return invalid("data_file_raw needs a data file")
	case l.DataFileRaw && l.Backing != "":
		return invalid("a raw data file and a backing file exclude each other")
	}
	switch l.Preallocation {
	case PreallocOff:
	case PreallocMetadata, PreallocFalloc, PreallocFull:
		if l.Backing != "" && !l.ExtendedL2 {
			return invalid("preallocation and a backing file exclude each other without extended L2 entries")
		}
	default:
		return invalid("preallocation %q is not off, metadata, falloc or full", l.Preallocation)
	}
	if l.Version == 2 {
		switch {
		case l.RefcountBits != 16:
			return invalid("version 2 has refcounts of 16 bits only")
		case l.LazyRefcounts, l.ExtendedL2, l.Compression != "zlib", l.DataFile != "":
			return invalid("lazy refcounts, extended L2 entries, zstd and data files need version 3")
		}
	}
	return nil
}

// sectors rounds the size of a disk up to sectors of 512 bytes: QEMU does not
// see the rest of a last one that is not whole. Clusters are never smaller.
func sectors(size int64) uint64 { return (uint64(size) + 511) &^ 511 }

// header makes the header of the layout; its tables have no place yet.
func (l *Layout) header() header {
	h := header{
		magic:         magic,
		version:       uint32(l.Version),
		clusterBits:   uint32(bits.TrailingZeros64(uint64(l.ClusterSize))),
		size:          sectors(l.Size),
		refcountOrder: uint32(bits.TrailingZeros64(uint64(l.RefcountBits))),
		headerLength:  headerLenKnown,
	}
	if l.Version == 2 {
		h.headerLength = headerLenV2
	}
	if l.LazyRefcounts {
		h.compatibleFeatures |= compatLazyRefcounts
	}
	if l.ExtendedL2 {
		h.incompatibleFeatures |= incompatExtendedL2
	}
	if l.DataFile != "" {
		h.incompatibleFeatures |= incompatDataFile
	}
	if l.DataFileRaw {
		h.autoclearFeatures |= autoclearDataFileRaw
	}
	if l.Compression == "zstd" {
		h.incompatibleFeatures |= incompatCompression
		h.compressionType = compressionZstd
	}
	return h
}

// l1Entries checks how many L1 entries the disk takes.
func (l *Layout) l1Entries(h *header) (int64, error) {
	n := h.l1Need(l.Size)
	if max := DefaultLimits().L1Table / 8; n > max || n > math.MaxInt32 {
		return 0, block.Errorf(format, "L1 table", -1, block.ErrLimit, "a disk of %d bytes in clusters of %d takes %d entries, and %d are allowed", l.Size, l.ClusterSize, n, max)
	}
	return n, nil
}

// firstCluster encodes the header, its extensions and the name of the backing
// file. The feature name table is left out where there is no room for it.
func (l *Layout) firstCluster(h header) ([]byte, error) {
	var exts []extension
	if l.BackingFormat != "" && l.Backing != "" {
		exts = append(exts, extension{typ: extBackingFormat, data: []byte(l.BackingFormat)})
	}
	if l.DataFile != "" {
		exts = append(exts, extension{typ: extDataFile, data: []byte(l.DataFile)})
	}
	b := make([]byte, h.clusterSize())
	area := encodeExtensions(exts)
	if l.Version >= 3 {
		named := encodeExtensions(append(exts, extension{typ: extFeatureNames, data: knownFeatureNames()}))
		if int(h.headerLength)+len(named)+len(l.Backing) <= len(b) {
			area = named
		}
	}
	end := int(h.headerLength) + len(area)
	if end+len(l.Backing) > len(b) {
		return nil, invalid("the names of other files do not fit into a cluster of %d bytes", l.ClusterSize)
	}
	copy(b[h.headerLength:], area)
	if l.Backing != "" {
		h.backingFileOffset = uint64(end)
		h.backingFileSize = uint32(len(l.Backing))
		copy(b[end:], l.Backing)
	}
	h.encode(b)
	return b, nil
}

// knownFeatureNames is the feature name table of the bits that this package
// knows, so that a program that does not can say what it lacks.
func knownFeatureNames() []byte {
	var b []byte
	for typ := featureIncompatible; typ <= featureAutoclear; typ++ {
		for bit := range 64 {
			if name := knownFeature(typ, bit); name != "" {
				row := make([]byte, featureNameLen)
				row[0], row[1] = byte(typ), byte(bit)
				copy(row[2:], name)
				b = append(b, row...)
			}
		}
	}
	return b
}
