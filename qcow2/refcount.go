package qcow2

import "encoding/binary"

// setRefcount stores v, which fits, as refcount i of a refcount block whose
// refcounts are 1<<order bits wide. Those narrower than a byte fill it from the
// low bits up.
func setRefcount(b []byte, i int64, order uint32, v uint64) {
	switch order {
	case 6:
		binary.BigEndian.PutUint64(b[i*8:], v)
	case 5:
		binary.BigEndian.PutUint32(b[i*4:], uint32(v))
	case 4:
		binary.BigEndian.PutUint16(b[i*2:], uint16(v))
	case 3:
		b[i] = byte(v)
	default:
		width := uint(1) << order
		at, shift := i>>(3-order), uint(i)<<order&7
		b[at] = b[at]&^(byte(1<<width-1)<<shift) | byte(v)<<shift
	}
}

// refcount is the inverse of setRefcount.
func refcount(b []byte, i int64, order uint32) uint64 {
	switch order {
	case 6:
		return binary.BigEndian.Uint64(b[i*8:])
	case 5:
		return uint64(binary.BigEndian.Uint32(b[i*4:]))
	case 4:
		return uint64(binary.BigEndian.Uint16(b[i*2:]))
	case 3:
		return uint64(b[i])
	}
	width := uint(1) << order
	at, shift := i>>(3-order), uint(i)<<order&7
	return uint64(b[at] >> shift & byte(1<<width-1))
}

// maxRefcount is the largest refcount of 1<<order bits.
func maxRefcount(order uint32) uint64 { return ^uint64(0) >> (64 - 1<<order) }

// refcountsPerBlock is how many clusters one refcount block counts.
func (h *header) refcountsPerBlock() int64 { return h.clusterSize() << 3 >> h.refcountOrder }
