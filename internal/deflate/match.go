package deflate

import (
	"encoding/binary"
	"math/bits"
)

// The sizes of the tables. Only the positions of one window are alive, so that
// small tables, which stay in the nearest cache, do as well as large ones.
const (
	setBits  = 12
	nearBits = 11
)

// lookahead is how many bytes there must be at a position that is looked up.
const lookahead = 8

// A matcher finds earlier occurrences of the bytes at a position. For four
// bytes that hash alike it keeps a set of the latest positions, four or more;
// for three bytes the latest one. It looks at all of them without a branch,
// which is faster than to follow a chain to the first that is good: nothing is
// to be predicted.
//
// Positions are kept modulo 64 Ki, and those that are too old are not told from
// others: whatever a table holds is taken for a position in the window, and the
// bytes there are looked at.
type matcher struct {
	buf  []byte
	mask int                  // the window less 1
	sets [1 << setBits]uint64 // four positions, the latest in the low bits
	near [1 << nearBits]uint16
	// older holds what falls out of the sets: words of four positions for each.
	older []uint64
	words int
}

// start makes src the block. The tables are cleared, so that the result does
// not depend on earlier blocks.
func (m *matcher) start(src []byte) {
	m.buf = src
	clear(m.sets[:])
	clear(m.near[:])
	clear(m.older)
}

func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

func hash4(v uint32) uint32 { return v * 0x9E3779B1 >> (32 - setBits) }
func hash3(v uint32) uint32 { return v << 8 * 0x9E3779B1 >> (32 - nearBits) }

// insert adds the positions from i to before end without searching.
func (m *matcher) insert(i, end int) {
	buf := m.buf
	end = min(end, len(buf)-lookahead+1)
	for ; i < end; i++ {
		v := load32(buf, i)
		h := hash4(v)
		s := m.sets[h]
		m.sets[h] = s<<16 | uint64(uint16(i))
		m.near[hash3(v)] = uint16(i)
		if m.words > 0 {
			m.push(h, s>>48)
		}
	}
}

// push puts a position that falls out of set h into the older ones.
func (m *matcher) push(h uint32, pos uint64) {
	older := m.older[int(h)*m.words:][:m.words]
	for i, w := range older {
		older[i] = w<<16 | pos
		pos = w >> 48
	}
}

// at is where in the buffer the position lies, of which pos has the low 16
// bits and which is in the window of i. At the start of the block it may be too
// far back; then it is the start.
func (m *matcher) at(i int, pos uint64) int {
	return max(i-1-(i-1-int(uint16(pos)))&m.mask, 0)
}

// score is the higher the more of the first eight bytes at a are w, and then
// the nearer a is: it has the number of bytes in bits 35 up, and a below.
func (m *matcher) score(a int, w uint64) int {
	return bits.TrailingZeros64(load64(m.buf, a)^w)&^7<<32 | a
}

// find returns the longest match for position i, which is not 0, and its
// distance; or 0, 0. It inserts i.
func (m *matcher) find(i int) (length, dist int) {
	w := load64(m.buf, i)
	h := hash4(uint32(w))
	set := m.sets[h]
	m.sets[h] = set<<16 | uint64(uint16(i))
	near := &m.near[hash3(uint32(w))]
	last := uint64(*near)
	*near = uint16(i)
	best := max(
		m.score(m.at(i, set), w),
		m.score(m.at(i, set>>16), w),
		m.score(m.at(i, set>>32), w),
		m.score(m.at(i, set>>48), w),
		m.score(m.at(i, last), w))
	if m.words > 0 {
		best = max(best, m.findOlder(i, h, w))
	}
	length, dist = best>>35, i-best&(1<<32-1)
	switch {
	case length == lookahead:
		length, dist = m.longest(i, h, w, set, dist)
	case length < minMatch, length == minMatch && dist > 1<<10:
		// three bytes are worth a match only if they are near: the bits of a
		// far distance cost as much as the literals
		length, dist = 0, 0
	}
	if m.words > 0 {
		m.push(h, set>>48)
	}
	return length, dist
}

// findOlder returns the best score of the older positions of set h.
func (m *matcher) findOlder(i int, h uint32, w uint64) int {
	best := 0
	for _, set := range m.older[int(h)*m.words:][:m.words] {
		best = max(best, m.score(m.at(i, set), w), m.score(m.at(i, set>>16), w), m.score(m.at(i, set>>32), w), m.score(m.at(i, set>>48), w))
	}
	return best
}

// longest is find where the eight bytes at dist match, and perhaps others.
func (m *matcher) longest(i int, h uint32, w, set uint64, dist int) (int, int) {
	limit := min(len(m.buf)-i, maxMatch)
	length := m.extend(i-dist, i, limit)
	look := func(set uint64) {
		for ; set != 0; set >>= 16 {
			a := m.at(i, set)
			if length < limit && i-a != dist && load64(m.buf, a) == w && m.buf[a+length] == m.buf[i+length] {
				if l := m.extend(a, i, limit); l > length {
					length, dist = l, i-a
				}
			}
		}
	}
	look(set)
	if m.words > 0 {
		for _, set := range m.older[int(h)*m.words:][:m.words] {
			look(set)
		}
	}
	return length, dist
}

// extend returns how many bytes at a and b, of which the first eight are equal,
// are equal, up to limit.
func (m *matcher) extend(a, b, limit int) int {
	x, y := m.buf[a:], m.buf[b:b+limit]
	l := lookahead
	for ; l+8 <= len(y); l += 8 {
		if d := load64(x, l) ^ load64(y, l); d != 0 {
			return l + bits.TrailingZeros64(d)>>3
		}
	}
	for l < len(y) && x[l] == y[l] {
		l++
	}
	return l
}
