package deflate

import (
	"hash/adler32"
	"math"
	"math/bits"
)

// Levels of effort.
const (
	MinLevel     = 1
	DefaultLevel = 3
	MaxLevel     = 9
)

// efforts holds, by level: from which length on a better match at the next
// byte is not looked for, and how many words of four positions there are beyond
// the first.
var efforts = [MaxLevel + 1]struct{ lazy, words int }{
	1: {0, 0},
	2: {4, 0},
	3: {6, 0},
	4: {10, 0},
	5: {20, 0},
	6: {20, 1},
	7: {48, 3},
	8: {maxMatch, 7},
	9: {maxMatch, 15},
}

// chunk is how many literals and matches are looked at together when the block
// is split.
const chunk = 1024

// maxSteps bounds a DEFLATE block, so that memory does not grow with the
// caller's block.
const maxSteps = 32 * chunk

// recent is how many positions at the end of a match can be found later. Those
// before them have repeated already, and to insert them takes time.
const recent = 16

// A step is a run of literals and the match behind them; there is none if the
// length is 0.
type step struct {
	literals uint32
	length   uint16
	dist     uint16 // less 1
}

// An Encoder compresses one block at a time. It is not safe for concurrent
// use; it takes about 350 KiB, at level 9 twice as much.
type Encoder struct {
	m       matcher
	lazy    int
	steps   []step
	from    int   // index of the first byte of steps
	counted int   // index of the first byte that is in neither block nor next
	block   stats // of the steps that are in the block already
	next    stats // of the latest chunk
	done    int   // how many steps block covers
	w       bitWriter
	coder   coder
	logs    [1024]uint32
	dyn     codebook
	fixed   codebook
	symbols symbols
}

// stats counts what a run of steps is made of.
type stats struct {
	lit   [maxLitLen]uint32
	dist  [maxDist]uint32
	extra uint32 // bits
	bytes int    // of input
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
	e := &Encoder{lazy: x.lazy, steps: make([]step, 0, maxSteps+1)}
	e.m.mask, e.m.words = window-1, x.words
	e.m.older = make([]uint64, x.words<<setBits)
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
	e.steps, e.from, e.counted, e.done = e.steps[:0], 0, 0, 0
	e.block, e.next = stats{}, stats{}
	e.parse()
	e.finish()
	e.w.align()
	out := e.w.out[:e.w.n]
	e.w.out, e.m.buf = nil, nil
	return out
}

// AppendZlib is Append with the header and checksum of RFC 1950 around it.
func (e *Encoder) AppendZlib(dst, src []byte) []byte {
	cmf := uint16(bits.Len32(uint32(e.m.mask))-8)<<12 | 8<<8 | 2<<6 // method 8, default effort
	cmf += 31 - cmf%31
	dst = e.Append(append(dst, byte(cmf>>8), byte(cmf)), src)
	sum := adler32.Checksum(src)
	return append(dst, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

// parse cuts the block into steps. It puts a literal before a match where the
// next byte starts a better one.
func (e *Encoder) parse() {
	m, lazy := &e.m, e.lazy
	end := len(m.buf) - lookahead
	from := 0 // of the literals
	pending := 0
	if len(m.buf) >= lookahead {
		m.insert(0, 1)
	}
	for i := 1; i <= end; {
		l, d := m.find(i)
		if l == 0 {
			// the longer nothing matches, the fewer places are tried
			i += 1 + (i-from)>>7
			if i-from >= 4*chunk {
				i = min(i, len(m.buf))
				e.step(i-from, 0, 0)
				pending, from = 0, i
				e.take()
			}
			continue
		}
		next := i + 1 // the first position that is not in the tables
		for l < lazy && next <= end {
			l2, d2 := m.find(next)
			next++
			// one byte of length is worth about four bits, of which a farther
			// distance takes some away
			if l2 == 0 || 4*(l2-l)+bits.Len32(uint32(d))-bits.Len32(uint32(d2)) <= 2 {
				break
			}
			i++
			l, d = l2, d2
		}
		e.step(i-from, l, d)
		pending += i - from + 1
		m.insert(max(next, i+l-recent), i+l)
		i += l
		from = i
		if pending >= chunk {
			pending = 0
			e.take()
		}
	}
	if from < len(m.buf) {
		e.step(len(m.buf)-from, 0, 0)
	}
}

func (e *Encoder) step(literals, length, dist int) {
	e.steps = append(e.steps, step{uint32(literals), uint16(length), uint16(dist - 1)})
}

// count fills next with the steps that follow those of the block.
func (e *Encoder) count() {
	s := &e.next
	*s = stats{}
	from := e.counted
	for _, x := range e.steps[e.done:] {
		for _, b := range e.m.buf[e.counted:][:x.literals] {
			s.lit[b]++
		}
		e.counted += int(x.literals)
		if x.length > 0 {
			l := x.length - minMatch
			lc := lengthCode[l&0xff]
			dc := distSymbol(uint32(x.dist))
			s.lit[257+int(lc)]++
			s.dist[dc]++
			s.extra += uint32(LengthExtra[lc]) + uint32(DistExtra[dc])
			e.counted += int(x.length)
		}
	}
	s.bytes = e.counted - from
}

// take decides whether the latest chunk joins the block or starts one of its
// own.
func (e *Encoder) take() {
	e.count()
	if e.done > 0 {
		both := e.block
		both.add(&e.next)
		if len(e.steps) > maxSteps-chunk || e.cost(&both) > e.cost(&e.block)+e.cost(&e.next) {
			rest := len(e.steps) - e.done
			e.write(e.steps[:e.done], &e.block, false)
			e.from += e.block.bytes
			copy(e.steps, e.steps[e.done:])
			e.steps = e.steps[:rest]
			e.block = e.next
		} else {
			e.block = both
		}
	} else {
		e.block = e.next
	}
	e.done = len(e.steps)
}

// finish writes what is left as the last block.
func (e *Encoder) finish() {
	if len(e.steps) > e.done {
		e.take()
	}
	e.write(e.steps, &e.block, true)
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
