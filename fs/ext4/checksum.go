package ext4

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c is the checksum of metadata_csum and of jbd2: CRC-32C continued from
// crc, without the inversions that hash/crc32 adds at both ends.
func crc32c(crc uint32, p []byte) uint32 { return ^crc32.Update(^crc, castagnoli, p) }

// crc32cLE continues crc with a little-endian number.
func crc32cLE(crc, v uint32) uint32 {
	for range 4 {
		crc = castagnoli[byte(crc^v)] ^ crc>>8
		v >>= 8
	}
	return crc
}

// zeros is never written to. An array in a function would be made anew for each call,
// as what goes to crc32 leaves the stack.
var zeros [4]byte

// crc32cHole is crc32c of p with the n bytes at off taken as zeros: a structure
// that holds its own checksum there.
func crc32cHole(crc uint32, p []byte, off, n int) uint32 {
	crc = crc32c(crc, p[:off])
	crc = crc32c(crc, zeros[:n])
	return crc32c(crc, p[off+n:])
}

// crc16 is the checksum of gdt_csum (uninit_bg): CRC-16 with the reflected
// polynomial 0xA001.
func crc16(crc uint16, p []byte) uint16 {
	for _, c := range p {
		crc ^= uint16(c)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xA001
			}
		}
	}
	return crc
}
