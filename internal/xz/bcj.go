package xz

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// The filters that are undone: those for machine code, which turn the targets
// of jumps from places relative to the instruction into absolute ones, and
// delta.
const (
	filterDelta    = 3
	filterX86      = 4
	filterPowerPC  = 5
	filterIA64     = 6
	filterARM      = 7
	filterARMThumb = 8
	filterSPARC    = 9
	filterARM64    = 10
)

// undo turns what LZMA2 gave, a whole block, back into what was filtered.
func (f Filter) undo(b []byte) error {
	if f.ID == filterDelta {
		if len(f.Props) != 1 {
			return ErrCorrupt
		}
		for i, dist := int(f.Props[0])+1, int(f.Props[0])+1; i < len(b); i++ {
			b[i] += b[i-dist]
		}
		return nil
	}
	start := uint32(0)
	switch len(f.Props) {
	case 0:
	case 4:
		start = binary.LittleEndian.Uint32(f.Props)
	default:
		return ErrCorrupt
	}
	switch f.ID {
	case filterX86:
		undoX86(b, start)
	case filterPowerPC:
		undoPowerPC(b, start)
	case filterIA64:
		undoIA64(b, start)
	case filterARM:
		undoARM(b, start)
	case filterARMThumb:
		undoARMThumb(b, start)
	case filterSPARC:
		undoSPARC(b, start)
	case filterARM64:
		undoARM64(b, start)
	default:
		return block.Errorf("xz", "block header", -1, block.ErrUnsupported, "the filter %s", f)
	}
	return nil
}

// undoX86 finds CALL and JMP with 32-bit targets whose highest byte is 0 or FF.
// An opcode among the last bytes before one makes it doubtful that it is one:
// mask has a bit for each of the three bytes before.
func undoX86(b []byte, start uint32) {
	const wide = 5
	mask := uint32(0)
	last := -1 // of the opcodes
	for i := 0; i+wide <= len(b); i++ {
		if b[i]&0xFE != 0xE8 {
			continue
		}
		gap := i - last
		last = i
		if gap > 3 {
			mask = 0
		} else {
			mask = mask << (gap - 1) & 7
			if mask != 0 {
				at := b[i+4-int([8]byte{0, 1, 2, 2, 3, 3, 3, 3}[mask])]
				if !([8]bool{true, true, true, false, true, false, false, false}[mask]) || at == 0 || at == 0xFF {
					mask = mask<<1 | 1
					continue
				}
			}
		}
		if b[i+4] != 0 && b[i+4] != 0xFF {
			mask = mask<<1 | 1
			continue
		}
		src := binary.LittleEndian.Uint32(b[i+1:])
		var dest uint32
		for {
			dest = src - (start + uint32(i) + wide)
			if mask == 0 {
				break
			}
			bit := uint32([8]byte{0, 1, 2, 2, 3, 3, 3, 3}[mask]) * 8
			if h := byte(dest >> (24 - bit)); h != 0 && h != 0xFF {
				break
			}
			src = dest ^ (1<<(32-bit) - 1)
		}
		dest &= 0x01FFFFFF
		if dest&0x01000000 != 0 {
			dest |= 0xFF000000
		}
		binary.LittleEndian.PutUint32(b[i+1:], dest)
		i += wide - 1
		last = i
		mask = 0
	}
}

func undoPowerPC(b []byte, start uint32) {
	be := binary.BigEndian
	for i := 0; i+4 <= len(b); i += 4 {
		if v := be.Uint32(b[i:]); v&0xFC000003 == 0x48000001 {
			be.PutUint32(b[i:], 0x48000001|(v-start-uint32(i))&0x03FFFFFC)
		}
	}
}

// undoIA64 looks at bundles of three instructions of 41 bits; the template says
// which of them are branches.
func undoIA64(b []byte, start uint32) {
	branches := [32]byte{16: 4, 17: 4, 18: 6, 19: 6, 22: 7, 23: 7, 24: 4, 25: 4, 28: 4, 29: 4}
	for i := 0; i+16 <= len(b); i += 16 {
		slots := branches[b[i]&0x1F]
		for slot := range 3 {
			if slots>>slot&1 == 0 {
				continue
			}
			bit := 5 + 41*slot
			p, shift := b[i+bit/8:][:6], bit%8
			v := uint64(binary.LittleEndian.Uint32(p)) | uint64(binary.LittleEndian.Uint16(p[4:]))<<32
			in := v >> shift
			if in>>37&0xF != 5 || in>>9&7 != 0 {
				continue
			}
			addr := uint32(in>>13&0xFFFFF) | uint32(in>>36&1)<<20
			addr = (addr<<4 - start - uint32(i)) >> 4
			in &^= 0x8FFFFF << 13
			in |= uint64(addr&0xFFFFF) << 13
			in |= uint64(addr&0x100000) << (36 - 20)
			v = v&(1<<shift-1) | in<<shift
			binary.LittleEndian.PutUint32(p, uint32(v))
			binary.LittleEndian.PutUint16(p[4:], uint16(v>>32))
		}
	}
}

func undoARM(b []byte, start uint32) {
	for i := 0; i+4 <= len(b); i += 4 {
		if b[i+3] == 0xEB {
			v := binary.LittleEndian.Uint32(b[i:]) & 0xFFFFFF
			v = (v<<2 - (start + uint32(i) + 8)) >> 2
			b[i], b[i+1], b[i+2] = byte(v), byte(v>>8), byte(v>>16)
		}
	}
}

func undoARMThumb(b []byte, start uint32) {
	le := binary.LittleEndian
	for i := 0; i+4 <= len(b); i += 2 {
		h, l := le.Uint16(b[i:]), le.Uint16(b[i+2:])
		if h&0xF800 != 0xF000 || l&0xF800 != 0xF800 {
			continue
		}
		v := uint32(h&0x7FF)<<11 | uint32(l&0x7FF)
		v = (v<<1 - (start + uint32(i) + 4)) >> 1
		le.PutUint16(b[i:], 0xF000|uint16(v>>11&0x7FF))
		le.PutUint16(b[i+2:], 0xF800|uint16(v&0x7FF))
		i += 2
	}
}

func undoSPARC(b []byte, start uint32) {
	be := binary.BigEndian
	for i := 0; i+4 <= len(b); i += 4 {
		v := be.Uint32(b[i:])
		if v>>22 != 0x100 && v>>22 != 0x1FF {
			continue
		}
		v = (v<<2 - start - uint32(i)) >> 2
		v = (0-v>>22&1)<<22&0x3FFFFFFF | v&0x3FFFFF | 0x40000000
		be.PutUint32(b[i:], v)
	}
}

func undoARM64(b []byte, start uint32) {
	le := binary.LittleEndian
	for i := 0; i+4 <= len(b); i += 4 {
		v, pc := le.Uint32(b[i:]), start+uint32(i)
		switch {
		case v>>26 == 0x25: // BL
			le.PutUint32(b[i:], 0x94000000|(v-pc>>2)&0x03FFFFFF)
		case v&0x9F000000 == 0x90000000: // ADRP, of targets within 512 MiB
			src := v>>29&3 | v>>3&0x1FFFFC
			if (src+0x020000)&0x1C0000 != 0 {
				continue
			}
			dest := src - pc>>12
			v &= 0x9000001F
			v |= dest & 3 << 29
			v |= dest & 0x03FFFC << 3
			v |= (0 - dest&0x020000) & 0xE00000
			le.PutUint32(b[i:], v)
		}
	}
}
