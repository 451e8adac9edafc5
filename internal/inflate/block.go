package inflate

import "encoding/binary"

// An input is where a stream is read: bits that were taken from src and not used
// yet, the next one lowest. Above the have counted ones may lie more of the next
// bytes, which are added again.
type input struct {
	src  []byte
	pos  int
	bits uint64
	have uint
}

// fill takes whole bytes until there are at least 56 bits, or the end comes.
func (in *input) fill() {
	for in.have < 56 && in.pos < len(in.src) {
		in.bits |= uint64(in.src[in.pos]) << in.have
		in.pos++
		in.have += 8
	}
}

// take returns the next n bits, at most 32.
func (in *input) take(n uint) (uint32, error) {
	if in.have < n {
		if in.fill(); in.have < n {
			return 0, errEnd
		}
	}
	v := uint32(in.bits & (1<<n - 1))
	in.drop(n)
	return v, nil
}

func (in *input) drop(n uint) {
	in.bits >>= n
	in.have -= n
}

// align drops the rest of a byte, and gives back the whole ones behind it.
func (in *input) align() {
	in.pos -= int(in.have >> 3)
	in.bits, in.have = 0, 0
}

const (
	// Away from the end of the output by this much, a step of the fast loop
	// stays inside: four literals, the longest match, and what the last word of
	// it writes behind.
	outMargin = 4 + maxMatch + 16
	inMargin  = 24 // and of the input: three words
)

// codes decodes the symbols of one block into dst[n:] and returns where they end.
func (d *Decoder) codes(dst []byte, n int, in *input) (int, error) {
	n, done, err := d.fast(dst, n, in)
	if done || err != nil {
		return n, err
	}
	return d.slow(dst, n, in)
}

// fast decodes until the end of the block, which makes done true, or until an end
// of dst or of the input is near.
func (d *Decoder) fast(dst []byte, n int, in *input) (_ int, done bool, _ error) {
	src, pos, bits, have := in.src, in.pos, in.bits, in.have
	lit, dist := &d.lit, &d.dist
	outEnd, inEnd := len(dst)-outMargin, len(src)-inMargin
	var err error
	if n > outEnd || pos > inEnd {
		return n, false, nil
	}
	bits |= binary.LittleEndian.Uint64(src[pos:]) << (have & 63)
	pos += int(63-have) >> 3
	have |= 56
	e := lit[bits&(1<<litBits-1)]
	for n <= outEnd && pos <= inEnd {
		if e&flagLiteral != 0 {
			bits >>= e & takes
			have -= uint(e & takes)
			dst[n] = byte(e >> codeShift)
			n++
			if e = lit[bits&(1<<litBits-1)]; e&flagLiteral != 0 {
				bits >>= e & takes
				have -= uint(e & takes)
				dst[n] = byte(e >> codeShift)
				n++
				if e = lit[bits&(1<<litBits-1)]; e&flagLiteral != 0 {
					bits >>= e & takes
					have -= uint(e & takes)
					dst[n] = byte(e >> codeShift)
					n++
					bits |= binary.LittleEndian.Uint64(src[pos:]) << (have & 63)
					pos += int(63-have) >> 3
					have |= 56
					e = lit[bits&(1<<litBits-1)]
					continue
				}
			}
		}
		if e&flagOther != 0 {
			if e>>codeShift&codeMask != 0 { // a subtable
				bits >>= litBits
				have -= litBits
				e = lit[(e>>baseShift+uint32(bits)&(1<<(e>>codeShift&codeMask)-1))&(litSize-1)]
			}
			switch {
			case e&flagLiteral != 0:
				bits >>= e & takes
				have -= uint(e & takes)
				dst[n] = byte(e >> codeShift)
				n++
				bits |= binary.LittleEndian.Uint64(src[pos:]) << (have & 63)
				pos += int(63-have) >> 3
				have |= 56
				e = lit[bits&(1<<litBits-1)]
				continue
			case e&flagOther != 0:
				bits >>= e & takes
				have -= uint(e & takes)
				if done = e&^takes == ended; !done {
					err = errCode
				}
				goto out
			}
		}
		{
			length := int(e>>baseShift&baseMask) + int(bits&(1<<(e&takes)-1)>>(e>>codeShift&codeMask))
			bits >>= e & takes
			have -= uint(e & takes)
			bits |= binary.LittleEndian.Uint64(src[pos:]) << (have & 63)
			pos += int(63-have) >> 3
			have |= 56
			e = dist[bits&(1<<distBits-1)]
			if e&flagOther != 0 {
				if e>>codeShift&codeMask != 0 {
					bits >>= distBits
					have -= distBits
					e = dist[(e>>baseShift+uint32(bits)&(1<<(e>>codeShift&codeMask)-1))&(distSize-1)]
				}
				if e&flagOther != 0 {
					err = errCode
					goto out
				}
			}
			distance := int(e>>baseShift&baseMask) + int(bits&(1<<(e&takes)-1)>>(e>>codeShift&codeMask))
			bits >>= e & takes
			have -= uint(e & takes)
			from := n - distance
			if from < 0 {
				err = errDistance
				goto out
			}
			end := n + length
			bits |= binary.LittleEndian.Uint64(src[pos:]) << (have & 63)
			pos += int(63-have) >> 3
			have |= 56
			e = lit[bits&(1<<litBits-1)]
			switch {
			case length > 32 && distance >= length:
				copy(dst[n:end], dst[from:n])
			case distance == 1 && dst[from] == 0:
				clear(dst[n:end])
			case distance >= 8:
				for {
					binary.LittleEndian.PutUint64(dst[n:], binary.LittleEndian.Uint64(dst[from:]))
					binary.LittleEndian.PutUint64(dst[n+8:], binary.LittleEndian.Uint64(dst[from+8:]))
					n += 16
					from += 16
					if n >= end {
						break
					}
				}
			case distance == 1:
				v := uint64(dst[from]) * 0x0101010101010101
				for q := dst[n : end+8]; len(q) > 8; q = q[8:] {
					binary.LittleEndian.PutUint64(q, v)
				}
			default:
				for n < end {
					binary.LittleEndian.PutUint64(dst[n:], binary.LittleEndian.Uint64(dst[from:]))
					n += distance
					from += distance
				}
			}
			n = end
		}
	}
out:
	in.pos, in.bits, in.have = pos, bits&(1<<have-1), have
	return n, done, err
}

// slow decodes symbol by symbol.
func (d *Decoder) slow(dst []byte, n int, in *input) (int, error) {
	for {
		in.fill()
		e, err := in.symbol(d.lit[:], litBits)
		switch {
		case err != nil:
			return n, err
		case e&flagLiteral != 0:
			if n == len(dst) {
				return n, ErrSpace
			}
			dst[n] = byte(e >> codeShift)
			n++
			continue
		case e&flagOther != 0:
			return n, nil
		}
		length, err := in.value(e)
		if err != nil {
			return n, err
		}
		in.fill()
		if e, err = in.symbol(d.dist[:], distBits); err != nil {
			return n, err
		}
		distance, err := in.value(e)
		if err != nil {
			return n, err
		}
		if distance > n {
			return n, errDistance
		}
		if length > len(dst)-n {
			length, err = len(dst)-n, ErrSpace
		}
		// What is copied lengthens what there is to copy.
		for from, end := n-distance, n+length; n < end; {
			n += copy(dst[n:end], dst[from:n])
		}
		if err != nil {
			return n, err
		}
	}
}

// symbol finds what the next bits stand for and drops those of the code, of a
// literal or the end of the block; value does that for the others.
func (in *input) symbol(table []uint32, width uint) (uint32, error) {
	e := table[in.bits&(1<<width-1)]
	if e&flagOther != 0 && e>>codeShift&codeMask != 0 {
		if in.have < width {
			return 0, errEnd
		}
		in.drop(width)
		e = table[e>>baseShift&baseMask+uint32(in.bits)&(1<<(e>>codeShift&codeMask)-1)]
	}
	switch {
	case e&flagLiteral != 0, e&^takes == ended:
		if in.have < uint(e&takes) {
			return 0, errEnd
		}
		in.drop(uint(e & takes))
	case e&flagOther != 0:
		// The bits that are missing at the end count as zeros, and may lead
		// to a code that is none.
		if in.pos == len(in.src) && in.have < maxCodeLen {
			return 0, errEnd
		}
		return 0, errCode
	}
	return e, nil
}

// value reads a length or a distance, extra bits included.
func (in *input) value(e uint32) (int, error) {
	if in.have < uint(e&takes) {
		return 0, errEnd
	}
	v := int(e>>baseShift&baseMask) + int(in.bits&(1<<(e&takes)-1)>>(e>>codeShift&codeMask))
	in.drop(uint(e & takes))
	return v, nil
}
