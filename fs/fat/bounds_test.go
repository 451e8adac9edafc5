package fat

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestBPBBounds puts each field of a good BPB at its bounds and past them, in the numbers
// of Microsoft's fatgen103.
func TestBPBBounds(t *testing.T) {
	small := bpb{bytesPerSector: 512, sectorsPerCluster: 1, reserved: 1, fats: 2, rootEntries: 16, total16: 100, media: 0xF8, fatSize16: 1}
	large := bpb{bytesPerSector: 512, sectorsPerCluster: 1, reserved: 32, fats: 2, total32: 70000, media: 0xF8, fatSize32: 600, rootCluster: 2}
	for _, c := range []struct {
		name     string
		of       bpb
		change   func(b *bpb)
		class    error
		clusters uint32
	}{
		{"FAT12", small, func(b *bpb) {}, nil, 96},
		{"sectors of 256", small, func(b *bpb) { b.bytesPerSector = 256 }, block.ErrCorrupt, 0},
		{"sectors of 768", small, func(b *bpb) { b.bytesPerSector = 768 }, block.ErrCorrupt, 0},
		{"sectors of 4096", small, func(b *bpb) { b.bytesPerSector, b.rootEntries = 4096, 128 }, nil, 96},
		{"sectors of 8192", small, func(b *bpb) { b.bytesPerSector, b.rootEntries = 8192, 256 }, block.ErrCorrupt, 0},
		{"clusters of 0", small, func(b *bpb) { b.sectorsPerCluster = 0 }, block.ErrCorrupt, 0},
		{"clusters of 3", small, func(b *bpb) { b.sectorsPerCluster = 3 }, block.ErrCorrupt, 0},
		{"no reserved sector", small, func(b *bpb) { b.reserved = 0 }, block.ErrCorrupt, 0},
		{"no FAT", small, func(b *bpb) { b.fats = 0 }, block.ErrCorrupt, 0},
		{"one FAT", small, func(b *bpb) { b.fats = 1 }, nil, 97},
		{"media EF", small, func(b *bpb) { b.media = 0xEF }, block.ErrCorrupt, 0},
		{"media F0", small, func(b *bpb) { b.media = 0xF0 }, nil, 96},
		{"media F1", small, func(b *bpb) { b.media = 0xF1 }, block.ErrCorrupt, 0},
		{"media F7", small, func(b *bpb) { b.media = 0xF7 }, block.ErrCorrupt, 0},
		{"a FAT of no sectors", large, func(b *bpb) { b.fatSize32 = 0 }, block.ErrCorrupt, 0},
		{"half a sector of root", small, func(b *bpb) { b.rootEntries = 24 }, block.ErrCorrupt, 0},
		{"no root", small, func(b *bpb) { b.rootEntries = 0 }, block.ErrCorrupt, 0},
		{"one cluster", small, func(b *bpb) { b.total16 = 5 }, nil, 1},
		{"no cluster", small, func(b *bpb) { b.total16 = 4 }, block.ErrCorrupt, 0},
		{"total in 32 bits", small, func(b *bpb) { b.total16, b.total32 = 0, 50 }, nil, 46},
		{"a FAT too short", small, func(b *bpb) { b.total16, b.total32 = 0, 1000 }, nil, 339}, // 512*8/12-2
		{"FAT32", large, func(b *bpb) {}, nil, 68768},
		{"version 0.1", large, func(b *bpb) { b.version = 1 }, block.ErrUnsupported, 0},
		{"a root of entries", large, func(b *bpb) { b.rootEntries = 16 }, block.ErrCorrupt, 0},
		{"as many clusters as there may be", large, func(b *bpb) { b.fats, b.fatSize32, b.total32 = 1, 0x200000, 32+0x200000+0x0FFFFFF5 }, nil, 0x0FFFFFF5},
		{"one more", large, func(b *bpb) { b.fats, b.fatSize32, b.total32 = 1, 0x200000, 32+0x200000+0x0FFFFFF6 }, block.ErrCorrupt, 0},
		{"the second FAT", large, func(b *bpb) { b.extFlags = 0x81 }, nil, 68768},
		{"a third FAT", large, func(b *bpb) { b.extFlags = 0x82 }, block.ErrCorrupt, 0},
		{"a third FAT that is not active", large, func(b *bpb) { b.extFlags = 0x02 }, nil, 68768},
		{"root at 1", large, func(b *bpb) { b.rootCluster = 1 }, block.ErrCorrupt, 0},
		{"root at the last", large, func(b *bpb) { b.rootCluster = 68769 }, nil, 68768},
		{"root past it", large, func(b *bpb) { b.rootCluster = 68770 }, block.ErrCorrupt, 0},
	} {
		b := c.of
		c.change(&b)
		g, err := b.validate()
		if !errors.Is(err, c.class) || err == nil && g.clusters != c.clusters {
			t.Errorf("%s: %+v, %v, want %d clusters, %v", c.name, g, err, c.clusters, c.class)
		}
	}
	second := large
	second.extFlags = 0xFF81 // of which bits 4 to 6 and 8 to 15 mean nothing
	second.extFlags &^= 0x70
	g, err := second.validate()
	if err != nil || g.fatOff != (32+600)*512 || g.dataOff != (32+1200)*512 || g.offset(3) != (32+1200+1)*512 || g.shortFAT {
		t.Errorf("%+v, %v", g, err)
	}
	if g, err := small.validate(); err != nil || g.rootOff != 3*512 || g.rootLen != 512 || g.dataOff != 4*512 || g.version() != "FAT12" {
		t.Errorf("%+v, %v", g, err)
	}
}

// TestBPBLabel: the label counts where the extended signature says so and mkfs put a
// name there.
func TestBPBLabel(t *testing.T) {
	for _, c := range []struct {
		sig         uint8
		label, want string
	}{
		{0x29, "DATA       ", "DATA"}, {0x28, "DATA       ", ""}, {0x2A, "DATA       ", ""}, {0x29, "NO NAME    ", ""},
		{0x29, "           ", ""}, {0x29, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ""}, {0x29, " A B       ", " A B"},
	} {
		b := bpb{bootSig: c.sig}
		copy(b.label[:], c.label)
		if got := b.volumeLabel(); got != c.want {
			t.Errorf("%#x %q: %q, want %q", c.sig, c.label, got, c.want)
		}
	}
}

// TestBPBLayout: the fields lie where fatgen103 has them, of which the last ones have
// another place in a FAT32.
func TestBPBLayout(t *testing.T) {
	s := make([]byte, 512)
	for i := range s {
		s[i] = byte(i*5 + 3)
	}
	le := binary.LittleEndian
	label := func(at int) (l [11]byte) { copy(l[:], s[at:]); return l }
	want := bpb{bytesPerSector: le.Uint16(s[11:]), sectorsPerCluster: s[13], reserved: le.Uint16(s[14:]), fats: s[16], rootEntries: le.Uint16(s[17:]), total16: le.Uint16(s[19:]),
		media: s[21], fatSize16: le.Uint16(s[22:]), total32: le.Uint32(s[32:]), state: s[37], bootSig: s[38], serial: le.Uint32(s[39:]), label: label(43)}
	var b bpb
	if b.decode(s); b != want {
		t.Errorf("FAT16: %+v\nwant %+v", b, want)
	}
	s[22], s[23] = 0, 0
	want.fatSize16, want.fatSize32, want.extFlags, want.version, want.rootCluster, want.infoSector = 0, le.Uint32(s[36:]), le.Uint16(s[40:]), le.Uint16(s[42:]), le.Uint32(s[44:]), le.Uint16(s[48:])
	want.state, want.bootSig, want.serial, want.label = s[65], s[66], le.Uint32(s[67:]), label(71)
	b = bpb{}
	if b.decode(s); b != want {
		t.Errorf("FAT32: %+v\nwant %+v", b, want)
	}
}
