package vmdk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/overlays"
)

// The subformats that are written: how the bytes of a disk lie in files, by the
// createType of the descriptor.
const (
	MonolithicSparse     = "monolithicSparse"     // one file that grows with its data
	MonolithicFlat       = "monolithicFlat"       // a descriptor, and NAME-flat.vmdk with the disk byte for byte
	TwoGbMaxExtentSparse = "twoGbMaxExtentSparse" // a descriptor, and NAME-s001.vmdk … for at most 2047 MiB of the disk each
	TwoGbMaxExtentFlat   = "twoGbMaxExtentFlat"   // the same, flat: NAME-f001.vmdk …
	StreamOptimized      = "streamOptimized"      // one file of compressed grains, written from its beginning to its end
)

// Subformats returns those that are written, the default first.
func Subformats() []string {
	return []string{MonolithicSparse, MonolithicFlat, TwoGbMaxExtentSparse, TwoGbMaxExtentFlat, StreamOptimized}
}

func (l *Layout) flat() bool {
	return l.Subformat == MonolithicFlat || l.Subformat == TwoGbMaxExtentFlat
}

func (l *Layout) split() bool {
	return l.Subformat == TwoGbMaxExtentSparse || l.Subformat == TwoGbMaxExtentFlat
}

// Adapters returns what a disk can be attached to, as the descriptor says it.
// Disks of paravirtual SCSI adapters are lsilogic.
func Adapters() []string { return []string{"ide", "buslogic", "lsilogic", "legacyESX"} }

// A Layout says what an image to be written is like. The zero value of every
// field but Size is what qemu-img does by default.
type Layout struct {
	Size      int64  // of the disk in bytes; it ends with a whole sector of 512, by zeros
	Subformat string // one of Subformats; "" means MonolithicSparse

	// Name is the file of the image, without its folder. Other files are
	// called after it. "" means disk.vmdk.
	Name string

	Adapter      string // one of Adapters; "" means ide, or lsilogic for streamOptimized as ESXi needs it
	HWVersion    int    // of the virtual machine; 0 means 4
	ToolsVersion string // of the VMware Tools in the guest; "" means unknown
	GrainSize    int64  // a power of two, 8 KiB to 1 MiB; 0 means 64 KiB. Flat disks have no grains
	ZeroedGrain  bool   // zeros that hide what a parent has are told in the tables; older programs cannot read that
	CID          uint32 // identity of the content; 0 means a random one
	Level        int    // of compression, 1 to 9; 0 means a good one
	SplitSize    int64  // bytes of the disk in one extent of the twoGb kinds, a number of MiB; 0 means 2047 MiB, the most

	// Parent is the name of the image whose contents show where nothing was
	// written, stored as it is, and ParentCID the identity of its content.
	Parent    string
	ParentCID uint32
}

const (
	maxSplit        = 2047 << 20 // bytes of the disk in one extent of the twoGb kinds, whose files stay below 2 GiB
	tableEntries    = 512        // of a grain table
	descriptorSpace = 20         // sectors for the descriptor inside a sparse file
)

func invalid(detail string, args ...any) error {
	return fmt.Errorf("vmdk: %w: %s", block.ErrOption, fmt.Sprintf(detail, args...))
}

// withDefaults fills the fields that are zero.
func (l Layout) withDefaults() Layout {
	if l.Size > 0 && l.Size <= MaxSize { // others are refused
		l.Size += -l.Size & (sectorSize - 1)
	}
	if l.Subformat == "" {
		l.Subformat = MonolithicSparse
	}
	if l.Name == "" {
		l.Name = "disk.vmdk"
	}
	if l.Adapter == "" {
		l.Adapter = "ide"
		if l.Subformat == StreamOptimized {
			l.Adapter = "lsilogic"
		}
	}
	if l.HWVersion == 0 {
		l.HWVersion = 4
	}
	if l.ToolsVersion == "" {
		l.ToolsVersion = "2147483647"
	}
	if l.GrainSize == 0 {
		l.GrainSize = 64 << 10
	}
	if l.SplitSize == 0 && l.split() {
		l.SplitSize = maxSplit
	}
	if l.CID == 0 || l.CID == noParent {
		l.CID = newCID()
	}
	if l.Parent == "" {
		l.ParentCID = noParent
	}
	return l
}

// validate checks a Layout that has its defaults.
func (l *Layout) validate() error {
	switch {
	case l.Size < 0:
		return invalid("the size is negative")
	case l.Size > MaxSize:
		return block.Errorf(format, "disk", -1, block.ErrLimit, "%d bytes, at most %d are written", l.Size, int64(MaxSize))
	case !slices.Contains(Subformats(), l.Subformat):
		return invalid("the subformat %q is not one of %s", l.Subformat, strings.Join(Subformats(), ", "))
	case !slices.Contains(Adapters(), l.Adapter):
		return invalid("the adapter %q is not one of %s; the disk of a pvscsi adapter is lsilogic too", l.Adapter, strings.Join(Adapters(), ", "))
	case l.HWVersion < 0:
		return invalid("hardware version %d", l.HWVersion)
	case !plainText(l.ToolsVersion):
		return invalid("the version of the tools %q cannot be said in a descriptor", l.ToolsVersion)
	case l.GrainSize < 8<<10 || l.GrainSize > 1<<20 || l.GrainSize&(l.GrainSize-1) != 0:
		return invalid("the grain size %d is no power of two from 8 KiB to 1 MiB", l.GrainSize)
	case l.Level < 0 || l.Level > 9:
		return invalid("deflate has no level %d", l.Level)
	case l.ZeroedGrain && (l.flat() || l.Subformat == StreamOptimized):
		return invalid("%s images have no zeroed grains", l.Subformat)
	case l.Parent != "" && (l.flat() || l.Subformat == StreamOptimized):
		return invalid("%s images have no parent", l.Subformat)
	case !plainText(l.Parent):
		return invalid("the name of the parent %q cannot be said in a descriptor", l.Parent)
	case l.Parent != "" && !isCID(l.ParentCID):
		return invalid("the parent has no content ID")
	case l.named() && (checkName(l.Name) != nil || !plainText(l.Name)):
		return invalid("a descriptor cannot name files that are called after %q", l.Name)
	case l.SplitSize != 0 && !l.split():
		return invalid("%s images are not split", l.Subformat)
	case l.split() && (l.SplitSize < 1<<20 || l.SplitSize > maxSplit || l.SplitSize%(1<<20) != 0):
		return invalid("an extent of %d bytes is no number of MiB from 1 to 2047", l.SplitSize)
	case l.split() && l.Size > MaxExtents*l.SplitSize:
		return block.Errorf(format, "disk", -1, block.ErrLimit, "%d bytes in extents of %d MiB, at most %d of them are written", l.Size, l.SplitSize>>20, MaxExtents)
	}
	return overlays.Name(format, "create", block.ErrOption, l.Parent)
}

// named reports whether the extents are files of their own, which the
// descriptor names.
func (l *Layout) named() bool { return l.flat() || l.split() }

// plainText reports whether a descriptor can say s between quotes.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == 0x7f })
}

// extents lists the extents of the disk, in its order.
func (l *Layout) extents() []extentLine {
	base := l.Name
	if n := len(base) - len(".vmdk"); n > 0 && strings.EqualFold(base[n:], ".vmdk") {
		base = base[:n]
	}
	e := extentLine{access: "RW", size: l.Size, kind: kindSparse}
	if l.flat() {
		e.kind = kindFlat
	}
	switch {
	case l.Subformat == MonolithicFlat:
		e.file = base + "-flat.vmdk"
	case l.split():
		var all []extentLine
		letter := map[string]string{kindSparse: "s", kindFlat: "f"}[e.kind]
		for off := int64(0); off < l.Size || off == 0; off += l.SplitSize {
			e.size = min(l.SplitSize, l.Size-off)
			e.file = fmt.Sprintf("%s-%s%03d.vmdk", base, letter, len(all)+1)
			all = append(all, e)
		}
		return all
	default:
		if l.Subformat == StreamOptimized {
			e.access = "RDONLY"
		}
		e.file = l.Name // nobody opens it
		if checkName(e.file) != nil || !plainText(e.file) {
			e.file = "disk.vmdk"
		}
	}
	return []extentLine{e}
}

// descriptor writes the text that describes the disk.
func (l *Layout) descriptor(extents []extentLine) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=%08x\nparentCID=%08x\ncreateType=%q\n", l.CID, l.ParentCID, l.Subformat)
	if l.Parent != "" {
		fmt.Fprintf(&b, "parentFileNameHint=\"%s\"\n", l.Parent)
	}
	b.WriteString("\n# Extent description\n")
	for _, e := range extents {
		fmt.Fprintf(&b, "%s %d %s \"%s\"", e.access, e.size/sectorSize, e.kind, e.file)
		if e.kind == kindFlat {
			b.WriteString(" 0")
		}
		b.WriteString("\n")
	}
	heads, cylinders := int64(255), int64(0)
	if l.Adapter == "ide" {
		heads = 16
	}
	const perTrack = 63
	cylinders = max(l.Size/sectorSize/(heads*perTrack), 1)
	if l.Adapter == "ide" {
		cylinders = min(cylinders, 16383) // what the ATA command can say; such disks are addressed by sector
	}
	b.WriteString("\n# The Disk Data Base\n#DDB\n\n")
	for _, kv := range [][2]string{
		{"virtualHWVersion", strconv.Itoa(l.HWVersion)},
		{"geometry.cylinders", strconv.FormatInt(cylinders, 10)},
		{"geometry.heads", strconv.FormatInt(heads, 10)},
		{"geometry.sectors", strconv.Itoa(perTrack)},
		{"adapterType", l.Adapter},
		{"toolsVersion", l.ToolsVersion},
	} {
		fmt.Fprintf(&b, "ddb.%s = \"%s\"\n", kv[0], kv[1])
	}
	if l.named() && len(extents) > 0 && extents[0].kind == kindSparse {
		fmt.Fprintf(&b, "ddb.%s = \"%08x\"\n", setKey, l.CID)
	}
	return []byte(b.String())
}
