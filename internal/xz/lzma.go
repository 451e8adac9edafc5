package xz

import "encoding/binary"

// lzma decodes what LZMA has compressed. Its output is a window, which is a ring.
type lzma struct {
	dict []byte // the ring
	pos  int    // of the next byte in it
	full int    // how many bytes before pos are valid

	rc        rangeDecoder
	lc, lp    uint
	posMask   uint32
	state     int
	rep       [4]uint32
	copyLen   int // of a match that was cut by the end of what was asked for
	processed uint32

	probs lzmaProbs
}

// setProps takes the byte that lc, lp and pb are packed into.
func (d *lzma) setProps(v byte) error {
	if v >= 9*5*5 {
		return ErrCorrupt
	}
	d.lc, d.lp, d.posMask = uint(v%9), uint(v/9%5), 1<<(v/45)-1
	if d.lc+d.lp > 4 {
		return ErrCorrupt
	}
	return nil
}

// resetState forgets all that was learnt.
func (d *lzma) resetState() {
	d.probs.reset(0x300 << (d.lc + d.lp))
	d.state, d.rep = 0, [4]uint32{}
}

func (d *lzma) advance(n int) {
	if d.pos += n; d.pos == len(d.dict) {
		d.pos = 0
	}
	d.full = min(d.full+n, len(d.dict))
	d.processed += uint32(n)
}

// lzmaProbs are the adaptive probabilities. Names are those of the LZMA
// specification.
type lzmaProbs struct {
	isMatch    [12 << 4]uint16
	isRep      [12]uint16
	isRepG0    [12]uint16
	isRepG1    [12]uint16
	isRepG2    [12]uint16
	isRep0Long [12 << 4]uint16
	posSlot    [4][64]uint16
	posSpecial [128]uint16
	align      [16]uint16
	length     lengthProbs
	repLength  lengthProbs
	literal    [0x300 << 4]uint16
}

type lengthProbs struct {
	choice, choice2 uint16
	low, mid        [16][8]uint16
	high            [256]uint16
}

func fill(p []uint16) {
	for i := range p {
		p[i] = 1 << 10
	}
}

func (l *lengthProbs) reset() {
	l.choice, l.choice2 = 1<<10, 1<<10
	for i := range l.low {
		fill(l.low[i][:])
		fill(l.mid[i][:])
	}
	fill(l.high[:])
}

func (p *lzmaProbs) reset(literals int) {
	for _, x := range [][]uint16{p.isMatch[:], p.isRep[:], p.isRepG0[:], p.isRepG1[:], p.isRepG2[:], p.isRep0Long[:],
		p.posSlot[0][:], p.posSlot[1][:], p.posSlot[2][:], p.posSlot[3][:], p.posSpecial[:], p.align[:], p.literal[:literals]} {
		fill(x)
	}
	p.length.reset()
	p.repLength.reset()
}

// A rangeDecoder takes bits out of the input of a chunk.
type rangeDecoder struct {
	rng, code uint32
	in        []byte
	past      bool // the input was not enough
}

func (rc *rangeDecoder) init(in []byte) error {
	if len(in) < 5 || in[0] != 0 {
		return ErrCorrupt
	}
	rc.start(in)
	return nil
}

// start takes the first bytes of in, which has at least five.
func (rc *rangeDecoder) start(in []byte) {
	*rc = rangeDecoder{rng: 0xffffffff, code: binary.BigEndian.Uint32(in[1:]), in: in[5:]}
}

func (rc *rangeDecoder) normalize() {
	if rc.rng < 1<<24 {
		rc.rng <<= 8
		rc.code <<= 8
		if len(rc.in) == 0 {
			rc.past = true
			return
		}
		rc.code |= uint32(rc.in[0])
		rc.in = rc.in[1:]
	}
}

// finished reports whether the input ends where the decoder is.
func (rc *rangeDecoder) finished() bool {
	rc.normalize()
	return !rc.past && rc.code == 0 && len(rc.in) == 0
}

func (rc *rangeDecoder) bit(p *uint16) uint32 {
	rc.normalize()
	v := uint32(*p)
	bound := rc.rng >> 11 * v
	if rc.code < bound {
		rc.rng = bound
		*p = uint16(v + (1<<11-v)>>5)
		return 0
	}
	rc.rng -= bound
	rc.code -= bound
	*p = uint16(v - v>>5)
	return 1
}

// tree decodes a number of that many bits, the highest first.
func (rc *rangeDecoder) tree(p []uint16, bits uint) uint32 {
	m := uint32(1)
	for range bits {
		m = m<<1 | rc.bit(&p[m])
	}
	return m - 1<<bits
}

// reverse decodes one with the lowest bit first; p[1] is its first node.
func (rc *rangeDecoder) reverse(p []uint16, bits uint) uint32 {
	m, v := uint32(1), uint32(0)
	for i := range bits {
		b := rc.bit(&p[m])
		m = m<<1 | b
		v |= b << i
	}
	return v
}

// direct decodes bits without a probability.
func (rc *rangeDecoder) direct(bits uint) uint32 {
	v := uint32(0)
	for range bits {
		rc.normalize()
		rc.rng >>= 1
		rc.code -= rc.rng
		t := 0 - rc.code>>31
		rc.code += rc.rng & t
		v = v<<1 + t + 1
	}
	return v
}

func (rc *rangeDecoder) length(l *lengthProbs, pos uint32) int {
	if rc.bit(&l.choice) == 0 {
		return 2 + int(rc.tree(l.low[pos][:], 3))
	}
	if rc.bit(&l.choice2) == 0 {
		return 10 + int(rc.tree(l.mid[pos][:], 3))
	}
	return 18 + int(rc.tree(l.high[:], 8))
}

// decode puts n more bytes into the dictionary.
func (d *lzma) decode(n int) error {
	rc, p := &d.rc, &d.probs
	for n > 0 {
		if d.copyLen > 0 {
			m := min(d.copyLen, n)
			if err := d.copyMatch(m); err != nil {
				return err
			}
			d.copyLen -= m
			n -= m
			continue
		}
		if rc.past {
			return ErrCorrupt
		}
		pos := d.processed & d.posMask
		at := d.state<<4 + int(pos)
		if rc.bit(&p.isMatch[at]) == 0 {
			d.literal()
			n--
			continue
		}
		if rc.bit(&p.isRep[d.state]) == 0 {
			d.rep = [4]uint32{0, d.rep[0], d.rep[1], d.rep[2]}
			d.copyLen = rc.length(&p.length, pos)
			d.rep[0] = d.distance()
			if d.state < 7 {
				d.state = 7
			} else {
				d.state = 10
			}
			if d.rep[0] == 0xffffffff { // the end mark of LZMA, which LZMA2 has not
				return ErrCorrupt
			}
			continue
		}
		if rc.bit(&p.isRepG0[d.state]) == 0 {
			if rc.bit(&p.isRep0Long[at]) == 0 {
				if d.state < 7 {
					d.state = 9
				} else {
					d.state = 11
				}
				d.copyLen = 1
				continue
			}
		} else {
			var dist uint32
			if rc.bit(&p.isRepG1[d.state]) == 0 {
				dist = d.rep[1]
			} else {
				if rc.bit(&p.isRepG2[d.state]) == 0 {
					dist = d.rep[2]
				} else {
					dist = d.rep[3]
					d.rep[3] = d.rep[2]
				}
				d.rep[2] = d.rep[1]
			}
			d.rep[1] = d.rep[0]
			d.rep[0] = dist
		}
		d.copyLen = rc.length(&p.repLength, pos)
		if d.state < 7 {
			d.state = 8
		} else {
			d.state = 11
		}
	}
	if rc.past {
		return ErrCorrupt
	}
	return nil
}

// before returns the byte at a distance, counted from 0.
func (d *lzma) before(dist int) byte {
	i := d.pos - 1 - dist
	if i < 0 {
		i += len(d.dict)
	}
	return d.dict[i]
}

func (d *lzma) literal() {
	rc := &d.rc
	prev := uint32(0)
	if d.full > 0 {
		prev = uint32(d.before(0))
	}
	ctx := (d.processed&(1<<d.lp-1))<<d.lc + prev>>(8-d.lc)
	p := d.probs.literal[0x300*ctx:][:0x300]
	sym := uint32(1)
	if d.state >= 7 && int64(d.rep[0]) < int64(d.full) {
		m := uint32(d.before(int(d.rep[0])))
		for sym < 0x100 {
			mb := m >> 7 & 1
			m <<= 1
			b := rc.bit(&p[(1+mb)<<8+sym])
			sym = sym<<1 | b
			if mb != b {
				break
			}
		}
	}
	for sym < 0x100 {
		sym = sym<<1 | rc.bit(&p[sym])
	}
	d.dict[d.pos] = byte(sym)
	d.advance(1)
	switch {
	case d.state < 4:
		d.state = 0
	case d.state < 10:
		d.state -= 3
	default:
		d.state -= 6
	}
}

// distance decodes how far back a match lies, counted from 0.
func (d *lzma) distance() uint32 {
	rc, p := &d.rc, &d.probs
	slot := rc.tree(p.posSlot[min(d.copyLen-2, 3)][:], 6)
	if slot < 4 {
		return slot
	}
	bits := uint(slot>>1 - 1)
	dist := (2 | slot&1) << bits
	if slot < 14 {
		// The trees of all slots lie behind each other.
		return dist + rc.reverse(p.posSpecial[dist-slot:], bits)
	}
	return dist + rc.direct(bits-4)<<4 + rc.reverse(p.align[:], 4)
}

// copyMatch copies n bytes from the distance of the match.
func (d *lzma) copyMatch(n int) error {
	if int64(d.rep[0]) >= int64(d.full) {
		return ErrCorrupt
	}
	dist := int(d.rep[0]) + 1
	for n > 0 {
		from := d.pos - dist
		if from < 0 {
			from += len(d.dict)
		}
		m := min(n, len(d.dict)-d.pos, len(d.dict)-from)
		if from < d.pos {
			m = min(m, d.pos-from) // no further than what is there
		}
		copy(d.dict[d.pos:d.pos+m], d.dict[from:from+m])
		d.advance(m)
		n -= m
	}
	return nil
}
