package deflate

import (
	"encoding/binary"
	"math/bits"
)

// hashBits sizes the heads of the chains. Only the positions of one window are
// alive, so that small tables that stay in the cache do as well as large ones.
const (
	hashBits4 = 14
	hashBits3 = 12
)

// A matcher finds earlier occurrences of the bytes at a position: chains of
// positions whose next four bytes hash alike, and the latest position for
// three bytes. Positions count on from block to block, so that what earlier
// blocks left in the tables is out of reach without clearing them.
type matcher struct {
	window int32
	mask   int32
	buf    []byte // the block, and 8 bytes of padding
	end    int32  // length of the block
	base   int32  // what to add to an index of buf to get a position
	head4  [1 << hashBits4]int32
	head3  [1 << hashBits3]int32
	prev   []int32 // by position & mask
}

func (m *matcher) start(src []byte) {
	if m.base > 1<<30 {
		clear(m.head4[:])
		clear(m.head3[:])
		m.base = 0
	}
	m.base += m.end + 1 // position 0 is "none"
	m.buf = append(append(m.buf[:0], src...), 0, 0, 0, 0, 0, 0, 0, 0)
	m.end = int32(len(src))
}

func hash4(v uint32) uint32 { return v * 0x9E3779B1 >> (32 - hashBits4) }
func hash3(v uint32) uint32 { return v << 8 * 0x9E3779B1 >> (32 - hashBits3) }

// insert adds index i to the tables without searching.
func (m *matcher) insert(i int32) {
	v := binary.LittleEndian.Uint32(m.buf[i:])
	p := m.base + i
	h := &m.head4[hash4(v)&(1<<hashBits4-1)]
	m.prev[p&m.mask] = *h
	*h = p
	m.head3[hash3(v)&(1<<hashBits3-1)] = p
}

// find returns the longest match for index i that is longer than than, and its
// distance; or than, 0. It looks at up to depth positions, stops at a match of
// nice bytes, and inserts i.
func (m *matcher) find(i, than int32, depth int, nice int32) (length, dist int32) {
	buf := m.buf
	v := binary.LittleEndian.Uint32(buf[i:])
	p := m.base + i
	oldest := max(p-m.window, m.base)
	head := &m.head4[hash4(v)&(1<<hashBits4-1)]
	cand := *head
	prev := m.prev
	prev[p&m.mask] = cand
	*head = p
	last3 := &m.head3[hash3(v)&(1<<hashBits3-1)]
	near := *last3
	*last3 = p

	limit := min(m.end-i, maxMatch)
	best := than
	if limit <= best {
		return than, 0
	}
	nice = min(nice, limit)
	if best < minMatch && near >= oldest {
		at := near - m.base
		// three bytes are worth a match only if they are near: the bits of a
		// far distance cost as much as the literals
		if p-near <= 1<<10 && (binary.LittleEndian.Uint32(buf[at:])^v)<<8 == 0 {
			best, dist = minMatch, p-near
		}
	}
	for ; depth > 0 && cand >= oldest; depth-- {
		at := cand - m.base
		// a longer match must agree in its last four bytes up to best
		if best < 4 || binary.LittleEndian.Uint32(buf[at+best-3:]) == binary.LittleEndian.Uint32(buf[i+best-3:]) {
			if binary.LittleEndian.Uint32(buf[at:]) == v {
				if l := m.extend(at, i, limit); l > best {
					best, dist = l, p-cand
					if best >= nice {
						break
					}
				}
			}
		}
		cand = prev[cand&m.mask]
	}
	if dist == 0 {
		return than, 0
	}
	return best, dist
}

// extend returns how many bytes at a and b, of which the first four are equal,
// are equal, up to limit.
func (m *matcher) extend(a, b, limit int32) int32 {
	l := int32(4)
	for l+8 <= limit {
		x := binary.LittleEndian.Uint64(m.buf[a+l:]) ^ binary.LittleEndian.Uint64(m.buf[b+l:])
		if x != 0 {
			return l + int32(bits.TrailingZeros64(x)>>3)
		}
		l += 8
	}
	for l < limit && m.buf[a+l] == m.buf[b+l] {
		l++
	}
	return min(l, limit)
}
