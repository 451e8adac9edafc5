package inflate

import "math/bits"

// withLength returns the entry of a symbol whose code has n bits.
func withLength(e uint32, n int) uint32 {
	if e&(flagLiteral|flagOther) == 0 {
		e |= uint32(n) << codeShift
	}
	return e + uint32(n)
}

// build fills table for the canonical code with these lengths (3.2.2): its first
// 1<<width entries are found by the next bits of the input, of which the first is
// the lowest; behind them are the subtables of longer codes. It reports false if
// the lengths are those of no code. As in compress/flate, a code of one symbol may
// be of one bit, and one without symbols is refused only where it is used.
func build(table []uint32, width int, lens []uint8, entries []uint32) bool {
	var count [maxCodeLen + 1]int
	for _, n := range lens {
		count[n&maxCodeLen]++
	}
	longest := maxCodeLen
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	left := 1
	for n := 1; n <= longest; n++ {
		left = left<<1 - count[n]
		if left < 0 {
			return false
		}
	}
	if left > 0 {
		if longest > 1 {
			return false
		}
		for i := range table[:1<<width] {
			table[i] = invalid
		}
		for s, n := range lens { // at most one
			if n == 1 {
				for i := 0; i < 1<<width; i += 2 {
					table[i] = withLength(entries[s], 1)
				}
			}
		}
		return true
	}

	// The symbols in the order of their codes.
	var first [maxCodeLen + 2]int
	for n := 1; n <= longest; n++ {
		first[n+1] = first[n] + count[n]
	}
	var sorted [maxLit]uint16
	for s, n := range lens {
		if n != 0 {
			sorted[first[n]] = uint16(s)
			first[n]++
		}
	}

	// The codes that fit: the table is that of the first n bits, and doubles.
	var code uint32 // with its first bit lowest, as the input has it
	next := 0
	size := 1 << 1
	for n := 1; n <= min(longest, width); n++ {
		for range count[n] {
			table[code] = withLength(entries[sorted[next]], n)
			next++
			code = increment(code, n)
		}
		if n < width {
			copy(table[size:2*size], table[:size])
			size *= 2
		}
	}
	for ; size < 1<<width; size *= 2 {
		copy(table[size:2*size], table[:size])
	}

	// The others: a subtable for each start of width bits.
	end := 1 << width
	for n := width + 1; n <= longest; n++ {
		for c := 0; c < count[n]; {
			start := code & (1<<width - 1)
			// As many bits as hold all codes with this start.
			extra := n - width
			room := 1<<extra - (count[n] - c)
			for room > 0 && width+extra < longest {
				extra++
				room = room<<1 - count[width+extra]
			}
			sub := table[end : end+1<<extra]
			table[start] = flagOther | uint32(width) | uint32(extra)<<codeShift | uint32(end)<<baseShift
			end += 1 << extra
			// They follow each other, over one or more lengths.
			for {
				for c == count[n] {
					n, c = n+1, 0
				}
				e := withLength(entries[sorted[next]], n)
				if e&(flagLiteral|flagOther) == 0 {
					e -= uint32(width)<<codeShift + uint32(width)
				} else {
					e -= uint32(width)
				}
				for i := code >> width; i < 1<<extra; i += 1 << (n - width) {
					sub[i] = e
				}
				next++
				c++
				code = increment(code, n)
				if code&(1<<width-1) != start {
					break
				}
			}
		}
	}
	return true
}

// increment returns the code of n bits that follows in order, its first bit
// lowest. After the last it is zero.
func increment(code uint32, n int) uint32 {
	// Add one at the highest bit, carrying downwards.
	free := ^code & (1<<n - 1)
	if free == 0 {
		return 0
	}
	bit := uint32(1) << (bits.Len32(free) - 1)
	return code&(bit-1) | bit
}
