package deflate

import (
	"hash/adler32"
	"math"
	"math/bits"
)

// Levels of effort.
const (
	MinLevel     = 1
	DefaultLevel = 4
	MaxLevel     = 9
)

// efforts holds, by level: how many earlier positions are tried, which length
// ends the search, and from which length on a better match at the next byte is
// not looked for.
var efforts = [MaxLevel + 1]struct {
	depth      int
	nice, lazy int32
}{
	1: {2, 16, 0},
	2: {2, 24, 4},
	3: {4, 32, 6},
	4: {6, 32, 8},
	5: {8, 48, 10},
	6: {12, 64, 16},
	7: {24, 96, 48},
	8: {96, 200, 200},
	9: {4096, 258, 258},
}

// chunk is how many tokens are looked at together when the block is split.
const chunk = 1024

// maxTokens bounds a DEFLATE block, so that memory does not grow with the
// caller's block.
const maxTokens = 32 * chunk

// An Encoder compresses one block at a time. It is not safe for concurrent
// use; it takes about 400 KiB.
type Encoder struct {
	m      matcher
	depth  int
	nice   int32
	lazy   int32
	tokens []uint32 // a literal, or a match (see match)
	from   int32    // index of the first byte of tokens
	block  stats    // of the tokens that are in the block already
	next   stats    // of the latest chunk
	done   int      // how many tokens block covers
	w      bitWriter
	coder  coder
	logs   [1024]uint32
	dyn    codebook
	fixed  codebook
}

// stats counts what a run of tokens is made of.
type stats struct {
	lit   [maxLitLen]uint32
	dist  [maxDist]uint32
	extra uint32 // bits
	bytes int32  // of input
}

// codebook is a pair of codes and the header that describes them.
type codebook struct {
	lit      [maxLitLen]uint16
	litLen   [maxLitLen]uint8
	dist     [maxDist]uint16
	distLen  [maxDist]uint8
	nLit     int
	nDist    int
	rle      []uint16 // code length symbol | repeat<<8
	pre      [19]uint16
	preLen   [19]uint8
	nPre     int
	preCount [19]uint32
}

// NewEncoder makes an encoder whose matches reach back at most window bytes,
// which is a power of two from 256 to 32768. A level outside of [MinLevel,
// MaxLevel] means [DefaultLevel].
func NewEncoder(window, level int) *Encoder {
	window = 1 << (bits.Len(uint(min(max(window, 256), 32768))) - 1)
	if level < MinLevel || level > MaxLevel {
		level = DefaultLevel
	}
	x := efforts[level]
	e := &Encoder{depth: x.depth, nice: x.nice, lazy: x.lazy, tokens: make([]uint32, 0, maxTokens+2)}
	e.m.window, e.m.mask = int32(window), int32(window-1)
	e.m.prev = make([]int32, window)
	for i := range e.logs {
		e.logs[i] = uint32(math.Round(64 * math.Log2(float64(max(i, 1)))))
	}
	e.fixed.litLen, e.fixed.distLen = fixedLens()
	// the fixed code has two more symbols, which never occur but shift those
	// of the same length
	var lens [288]uint8
	var all [288]uint16
	copy(lens[:], e.fixed.litLen[:])
	lens[286], lens[287] = 8, 8
	codes(all[:], lens[:])
	copy(e.fixed.lit[:], all[:])
	codes(e.fixed.dist[:], e.fixed.distLen[:])
	return e
}

// Append compresses src, which is at most 1 GiB, into one raw DEFLATE stream
// and appends that to dst.
func (e *Encoder) Append(dst, src []byte) []byte {
	e.w = bitWriter{out: dst[:cap(dst)], n: len(dst)}
	e.m.start(src)
	e.tokens, e.from, e.done = e.tokens[:0], 0, 0
	e.block, e.next = stats{}, stats{}
	if e.lazy > 0 {
		e.parseLazy()
	} else {
		e.parseGreedy()
	}
	e.finish()
	e.w.align()
	out := e.w.out[:e.w.n]
	e.w.out = nil
	return out
}

// AppendZlib is Append with the header and checksum of RFC 1950 around it.
func (e *Encoder) AppendZlib(dst, src []byte) []byte {
	cmf := uint16(bits.Len32(uint32(e.m.window))-9)<<12 | 8<<8 | 2<<6 // method 8, default effort
	cmf += 31 - cmf%31
	dst = e.Append(append(dst, byte(cmf>>8), byte(cmf)), src)
	sum := adler32.Checksum(src)
	return append(dst, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

func (e *Encoder) parseGreedy() {
	m := &e.m
	for i := int32(0); i < m.end; {
		l, d := m.find(i, 2, e.depth, e.nice)
		if d == 0 {
			e.literal(m.buf[i])
			i++
			continue
		}
		e.match(l, d)
		for j := i + 1; j < i+l; j++ {
			m.insert(j)
		}
		i += l
	}
}

// parseLazy puts a literal before a match where the next byte starts a better
// one.
func (e *Encoder) parseLazy() {
	m := &e.m
	end := m.end
	last := int32(0) // where the last match ended
	for i := int32(0); i < end; {
		l, d := m.find(i, 2, e.depth, e.nice)
		if d == 0 {
			// the longer nothing matches, the fewer places are tried
			skip := min(1+(i-last)>>7, 32, end-i)
			for ; skip > 0; skip-- {
				e.literal(m.buf[i])
				i++
			}
			continue
		}
		next := i + 1 // the first index that is not in the tables
		for l < e.lazy && next < end {
			depth := e.depth >> 1
			if l >= 32 {
				depth >>= 1
			}
			l2, d2 := m.find(next, l-1, depth, e.nice)
			next++
			// one byte of length is worth about four bits, of which a farther
			// distance takes some away
			if d2 == 0 || 4*(l2-l)+int32(bits.Len32(uint32(d))-bits.Len32(uint32(d2))) <= 2 {
				break
			}
			e.literal(m.buf[i])
			i++
			l, d = l2, d2
		}
		e.match(l, d)
		for j := next; j < i+l; j++ {
			m.insert(j)
		}
		i += l
		last = i
	}
}

func (e *Encoder) literal(b byte) {
	e.tokens = append(e.tokens, uint32(b))
	e.next.lit[b]++
	e.next.bytes++
	if len(e.tokens)-e.done == chunk {
		e.take()
	}
}

// match adds a token with the length less 3 in bits 16 to 23 and the distance
// less 1 in bits 0 to 14; bit 31 tells it from a literal.
func (e *Encoder) match(l, d int32) {
	e.tokens = append(e.tokens, 1<<31|uint32(l-minMatch)<<16|uint32(d-1))
	lc := lengthCode[l-minMatch]
	dc := distSymbol(uint32(d - 1))
	e.next.lit[257+int(lc)]++
	e.next.dist[dc]++
	e.next.extra += uint32(lengthExtra[lc]) + uint32(distExtra[dc])
	e.next.bytes += l
	if len(e.tokens)-e.done == chunk {
		e.take()
	}
}

// take decides whether the latest chunk joins the block or starts one of its
// own.
func (e *Encoder) take() {
	if e.done > 0 {
		both := e.block
		both.add(&e.next)
		if len(e.tokens) > maxTokens-chunk || e.cost(&both) > e.cost(&e.block)+e.cost(&e.next) {
			rest := len(e.tokens) - e.done
			e.write(e.tokens[:e.done], &e.block, false)
			e.from += e.block.bytes
			copy(e.tokens, e.tokens[e.done:])
			e.tokens = e.tokens[:rest]
			e.block = e.next
		} else {
			e.block = both
		}
	} else {
		e.block = e.next
	}
	e.done = len(e.tokens)
	e.next = stats{}
}

// finish writes what is left as the last block.
func (e *Encoder) finish() {
	if len(e.tokens) > e.done {
		e.take()
	}
	e.write(e.tokens, &e.block, true)
}

func (s *stats) add(o *stats) {
	for i, n := range &o.lit {
		s.lit[i] += n
	}
	for i, n := range &o.dist {
		s.dist[i] += n
	}
	s.extra += o.extra
	s.bytes += o.bytes
}

// cost estimates the size of a dynamic block in 64ths of a bit: the entropy of
// its symbols and a header that grows with how many of them occur.
func (e *Encoder) cost(s *stats) uint64 {
	return e.entropy(s.lit[:]) + e.entropy(s.dist[:]) + 64*(40+uint64(s.extra))
}

func (e *Encoder) entropy(counts []uint32) uint64 {
	var total uint32
	var sum, used uint64
	for _, n := range counts {
		if n > 0 {
			total += n
			used++
			sum += uint64(n) * e.log(n)
		}
	}
	if total == 0 {
		return 0
	}
	return uint64(total)*e.log(total) - sum + used*64*4
}

// log is 64 times the binary logarithm of n.
func (e *Encoder) log(n uint32) uint64 {
	shift := uint64(0)
	for n >= uint32(len(e.logs)) {
		n >>= 2
		shift += 2 * 64
	}
	return shift + uint64(e.logs[n])
}
