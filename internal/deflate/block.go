package deflate

// write emits steps, which stand for the s.bytes bytes at e.from, as the
// smallest of the three kinds of block.
func (e *Encoder) write(steps []step, s *stats, last bool) {
	s.lit[endOfBlock]++
	e.dyn.build(&e.coder, s)
	dynamic := 3 + e.dyn.headerBits() + e.dyn.bits(s)
	fixed := 3 + e.fixed.bits(s)
	stored := 3 + 7 + (32+7)*(s.bytes/maxStored+1) + 8*s.bytes
	e.w.room(min(dynamic, fixed, stored)/8 + 1)
	final := uint64(0)
	if last {
		final = 1
	}
	src := e.m.buf[e.from:][:s.bytes]
	switch {
	case stored < dynamic && stored < fixed:
		e.writeStored(src, final)
	case fixed <= dynamic:
		e.w.put(final|1<<1, 3)
		e.writeSteps(steps, src, &e.fixed)
	default:
		e.w.put(final|2<<1, 3)
		e.dyn.writeHeader(&e.w)
		e.writeSteps(steps, src, &e.dyn)
	}
}

// writeStored writes b as it is (3.2.4), which takes several blocks if it is
// long.
func (e *Encoder) writeStored(b []byte, final uint64) {
	w := &e.w
	for {
		n := min(len(b), maxStored)
		last := final
		if n < len(b) {
			last = 0
		}
		w.put(last, 3)
		w.align()
		w.put(uint64(n)|uint64(^uint16(n))<<16, 32)
		w.flush()
		w.n += copy(w.out[w.n:], b[:n])
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
}

// symbols is a codebook spread out for writing: the bits of each symbol with
// those behind it, and above them, from bit 32 on, how many there are.
type symbols struct {
	lit    [256]uint64
	length [256]uint64 // by the length less 3, with the extra bits
	dist   [maxDist]uint64
}

func (s *symbols) spread(c *codebook) {
	for i := range s.lit {
		s.lit[i] = uint64(c.lit[i]) | uint64(c.litLen[i])<<32
	}
	for l := range s.length {
		lc := lengthCode[l]
		n := c.litLen[257+int(lc)]
		extra := uint64(l+minMatch) - uint64(LengthBase[lc])
		s.length[l] = uint64(c.lit[257+int(lc)]) | extra<<n | uint64(n+LengthExtra[lc])<<32
	}
	for i := range s.dist {
		s.dist[i] = uint64(c.dist[i]) | uint64(c.distLen[i])<<32
	}
}

// writeSteps writes steps, whose literals are in src.
func (e *Encoder) writeSteps(steps []step, src []byte, c *codebook) {
	e.symbols.spread(c)
	sym := &e.symbols
	w := e.w // a copy lives in registers
	for _, x := range steps {
		lits := src[:x.literals]
		for len(lits) >= 3 {
			a, b, c := sym.lit[lits[0]], sym.lit[lits[1]], sym.lit[lits[2]]
			w.put(a&0xffffffff, uint(a>>32))
			w.put(b&0xffffffff, uint(b>>32))
			w.put(c&0xffffffff, uint(c>>32))
			w.flush()
			lits = lits[3:]
		}
		for _, b := range lits {
			a := sym.lit[b]
			w.put(a&0xffffffff, uint(a>>32))
		}
		w.flush()
		if x.length > 0 {
			l := sym.length[(x.length-minMatch)&0xff]
			w.put(l&0xffffffff, uint(l>>32))
			dc := distSymbol(uint32(x.dist))
			d := sym.dist[dc]
			w.put(d&0xffffffff, uint(d>>32))
			w.put(uint64(x.dist+1-DistBase[dc]), uint(DistExtra[dc]))
			w.flush()
		}
		src = src[int(x.literals)+int(x.length):]
	}
	w.put(uint64(c.lit[endOfBlock]), uint(c.litLen[endOfBlock]))
	w.flush()
	e.w = w
}

// bits returns the size in bits of the tokens that s counts.
func (c *codebook) bits(s *stats) int {
	n := int(s.extra)
	for i, k := range &s.lit {
		n += int(k) * int(c.litLen[i])
	}
	for i, k := range &s.dist {
		n += int(k) * int(c.distLen[i])
	}
	return n
}

// build makes the dynamic codes for s and their description (3.2.7).
func (c *codebook) build(k *coder, s *stats) {
	k.lengths(c.litLen[:], s.lit[:], 15)
	k.lengths(c.distLen[:], s.dist[:], 15)
	codes(c.lit[:], c.litLen[:])
	codes(c.dist[:], c.distLen[:])
	c.nLit, c.nDist = maxLitLen, maxDist
	for c.nLit > 257 && c.litLen[c.nLit-1] == 0 {
		c.nLit--
	}
	for c.nDist > 1 && c.distLen[c.nDist-1] == 0 {
		c.nDist--
	}
	var all [maxLitLen + maxDist]uint8
	copy(all[copy(all[:], c.litLen[:c.nLit]):], c.distLen[:c.nDist])
	c.runs(all[:c.nLit+c.nDist])
	k.lengths(c.preLen[:], c.preCount[:], 7)
	codes(c.pre[:], c.preLen[:])
	c.nPre = len(CodeOrder)
	for c.nPre > 4 && c.preLen[CodeOrder[c.nPre-1]] == 0 {
		c.nPre--
	}
}

// runs turns code lengths into the symbols of the code length code: 16 repeats
// the last one, 17 and 18 are runs of zeros.
func (c *codebook) runs(lens []uint8) {
	c.rle = c.rle[:0]
	c.preCount = [19]uint32{}
	add := func(sym uint8, repeat int) {
		c.rle = append(c.rle, uint16(sym)|uint16(repeat)<<8)
		c.preCount[sym]++
	}
	for i := 0; i < len(lens); {
		v := lens[i]
		n := 1
		for i+n < len(lens) && lens[i+n] == v {
			n++
		}
		i += n
		if v != 0 {
			add(v, 0)
			for n--; n >= 3; {
				r := min(n, 6)
				if left := n - r; left == 1 || left == 2 {
					r = max(3, n-3) // leave a run that is worth a repeat
					r = min(r, 6)
				}
				add(16, r-3)
				n -= r
			}
		} else {
			for n >= 11 {
				r := min(n, 138)
				add(18, r-11)
				n -= r
			}
			if n >= 3 {
				add(17, n-3)
				n = 0
			}
		}
		for ; n > 0; n-- {
			add(v, 0)
		}
	}
}

// repeatBits is the width of the repeat count behind symbols 16 to 18.
var repeatBits = [19]uint8{16: 2, 17: 3, 18: 7}

func (c *codebook) headerBits() int {
	n := 5 + 5 + 4 + 3*c.nPre
	for s, k := range &c.preCount {
		n += int(k) * int(c.preLen[s]+repeatBits[s])
	}
	return n
}

func (c *codebook) writeHeader(w *bitWriter) {
	w.put(uint64(c.nLit-257)|uint64(c.nDist-1)<<5|uint64(c.nPre-4)<<10, 14)
	w.flush()
	for _, s := range CodeOrder[:c.nPre] {
		w.put(uint64(c.preLen[s]), 3)
		w.flush()
	}
	for _, r := range c.rle {
		s := r & 0xff
		w.put(uint64(c.pre[s]), uint(c.preLen[s]))
		w.put(uint64(r>>8), uint(repeatBits[s]))
		w.flush()
	}
}
