package qcow2

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// The feature bits that are known.
const (
	incompatDirty       = 1 << 0 // refcounts may be wrong
	incompatCorrupt     = 1 << 1
	incompatDataFile    = 1 << 2
	incompatCompression = 1 << 3 // the compression type is not 0
	incompatExtendedL2  = 1 << 4
	incompatKnown       = 1<<5 - 1

	compatLazyRefcounts = 1 << 0

	autoclearBitmaps     = 1 << 0 // the bitmaps extension is up to date
	autoclearDataFileRaw = 1 << 1 // the data file is a raw image of the disk
)

// The types of feature bits, in the numbering of the feature name table.
const (
	featureIncompatible = iota
	featureCompatible
	featureAutoclear
)

// A Feature is a feature bit that is set in the header.
type Feature struct {
	Type string // "incompatible", "compatible" or "autoclear"
	Bit  int    // 0 to 63
	Name string // ours if the bit is known, else the one that the image gives, else ""
}

func featureType(t int) string {
	switch t {
	case featureIncompatible:
		return "incompatible"
	case featureCompatible:
		return "compatible"
	}
	return "autoclear"
}

// knownFeature names the bits that this package knows.
func knownFeature(typ, bit int) string {
	switch typ<<8 | bit {
	case featureIncompatible << 8:
		return "dirty bit"
	case featureIncompatible<<8 | 1:
		return "corrupt bit"
	case featureIncompatible<<8 | 2:
		return "external data file"
	case featureIncompatible<<8 | 3:
		return "compression type"
	case featureIncompatible<<8 | 4:
		return "extended L2 entries"
	case featureCompatible << 8:
		return "lazy refcounts"
	case featureAutoclear << 8:
		return "bitmaps"
	case featureAutoclear<<8 | 1:
		return "raw external data"
	}
	return ""
}

// featureNames is the feature name table of the header extensions.
type featureNames []byte

const featureNameLen = 48 // type, bit, 46 bytes of name padded with NUL

// name looks a bit up.
func (t featureNames) name(typ, bit int) string {
	for ; len(t) >= featureNameLen; t = t[featureNameLen:] {
		if int(t[0]) == typ && int(t[1]) == bit {
			name, _, _ := bytes.Cut(t[2:featureNameLen], []byte{0})
			return string(name)
		}
	}
	return ""
}

// features lists the bits that are set.
func (h *header) features(names featureNames) []Feature {
	var out []Feature
	for typ, set := range [...]uint64{h.incompatibleFeatures, h.compatibleFeatures, h.autoclearFeatures} {
		for ; set != 0; set &= set - 1 {
			bit := bits.TrailingZeros64(set)
			name := knownFeature(typ, bit)
			if name == "" {
				name = names.name(typ, bit)
			}
			out = append(out, Feature{Type: featureType(typ), Bit: bit, Name: name})
		}
	}
	return out
}

// validateFeatures refuses incompatible bits that are unknown, by their names.
func (h *header) validateFeatures(names featureNames) error {
	var unknown []string
	for set := h.incompatibleFeatures &^ incompatKnown; set != 0; set &= set - 1 {
		bit := bits.TrailingZeros64(set)
		text := fmt.Sprintf("bit %d", bit)
		if name := names.name(featureIncompatible, bit); name != "" {
			text = fmt.Sprintf("%q (bit %d)", name, bit)
		}
		unknown = append(unknown, text)
	}
	if len(unknown) > 0 {
		return block.Errorf(format, "header incompatible_features", 0x48, block.ErrUnsupported, "incompatible feature %s", strings.Join(unknown, ", "))
	}
	return h.validateCompression()
}

// The compression types.
const (
	compressionZlib = 0
	compressionZstd = 1
)

func (h *header) validateCompression() error {
	flagged := h.incompatibleFeatures&incompatCompression != 0
	switch {
	case flagged && h.compressionType > compressionZstd:
		return block.Errorf(format, "header compression_type", 0x68, block.ErrUnsupported, "compression type %d", h.compressionType)
	case flagged != (h.compressionType != compressionZlib):
		return corrupt("header compression_type", 0x68, "type %d does not agree with incompatible feature bit 3", h.compressionType)
	}
	return nil
}

// The encryption methods.
const (
	cryptNone = 0
	cryptAES  = 1
	cryptLUKS = 2
)

// encryption names the method, "" for none.
func (h *header) encryption() (string, error) {
	switch h.cryptMethod {
	case cryptNone:
		return "", nil
	case cryptAES:
		return "AES", nil
	case cryptLUKS:
		return "LUKS", nil
	}
	return "", block.Errorf(format, "header crypt_method", 0x20, block.ErrUnsupported, "encryption method %d", h.cryptMethod)
}
