package udf

import (
	"encoding/binary"
	"time"

	"github.com/guestkit/guestkit/block"
)

const format = "udf"

var le = binary.LittleEndian

// Tag identifiers (ECMA-167 3/7.2.1 and 4/7.2.1).
const (
	tagSparing       = 0
	tagPrimary       = 1
	tagAnchor        = 2
	tagPointer       = 3
	tagPartition     = 5
	tagLogicalVolume = 6
	tagTerminating   = 8
	tagIntegrity     = 9
	tagFileSet       = 256
	tagFileID        = 257
	tagAllocExtent   = 258
	tagIndirect      = 259
	tagFile          = 261
	tagExtendedFile  = 266
)

const tagLen = 16

// tag starts every descriptor.
type tag struct {
	id       uint16 // 0x00
	checksum uint8  // 0x04
	crc      uint16 // 0x08
	crcLen   uint16 // 0x0A
	location uint32 // 0x0C
}

func (t *tag) decode(b []byte) {
	t.id = le.Uint16(b[0x00:])
	t.checksum = b[0x04]
	t.crc = le.Uint16(b[0x08:])
	t.crcLen = le.Uint16(b[0x0A:])
	t.location = le.Uint32(b[0x0C:])
}

// checkTag verifies the tag of the descriptor in b, which lies at off, and returns
// its identifier. A CRC of more than there is of the descriptor is not verified.
func checkTag(b []byte, off int64) (uint16, error) {
	var t tag
	t.decode(b)
	sum := uint8(0)
	for i, c := range b[:tagLen] {
		if i != 4 {
			sum += c
		}
	}
	if sum != t.checksum {
		return 0, block.Errorf(format, "tag", off, block.ErrCorrupt, "checksum %#02x, computed %#02x", t.checksum, sum)
	}
	if n := int(t.crcLen); n <= len(b)-tagLen {
		if crc := crcITU(b[tagLen : tagLen+n]); crc != t.crc {
			return 0, block.Errorf(format, "tag", off, block.ErrCorrupt, "CRC %#04x of descriptor %d, computed %#04x", t.crc, t.id, crc)
		}
	}
	return t.id, nil
}

// crcITU is the CRC of ITU-T V.41: the polynomial 0x1021, from 0.
func crcITU(p []byte) uint16 {
	crc := uint16(0)
	for _, c := range p {
		crc = crc<<8 ^ ituTable[byte(crc>>8)^c]
	}
	return crc
}

// ituTable has what each byte adds.
var ituTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			crc = crc<<1 ^ crc>>15*0x1021
		}
		table[i] = crc
	}
	return table
}()

// A place is a block of a partition of the logical volume: an lb_addr.
type place struct {
	block     uint32 // 0x00
	partition uint16 // 0x04
}

func (p *place) decode(b []byte) {
	p.block = le.Uint32(b[0x00:])
	p.partition = le.Uint16(b[0x04:])
}

// Types of extents, which the two high bits of a length tell.
const (
	extentRecorded = 0
	extentUnset    = 1 // allocated, not recorded
	extentHole     = 2
	extentNext     = 3 // of allocation descriptors
)

// An extent is a stretch of blocks: a long_ad, or what else says the same.
type extent struct {
	n    uint32 // bytes
	kind uint8
	at   place
}

func extentOf(length uint32, at place) extent {
	return extent{n: length & (1<<30 - 1), kind: uint8(length >> 30), at: at}
}

func longAD(b []byte) extent {
	var p place
	p.decode(b[4:])
	return extentOf(le.Uint32(b), p)
}

// timestamp decodes the twelve bytes of a time (ECMA-167 1/7.3).
func timestamp(b []byte) time.Time {
	zone, year := le.Uint16(b), int(int16(le.Uint16(b[2:])))
	if year < 1 || b[4] < 1 || b[4] > 12 || b[5] < 1 || b[5] > 31 || b[6] > 23 || b[7] > 59 || b[8] > 60 {
		return time.Time{}
	}
	micros := int(min(b[9], 99))*10000 + int(min(b[10], 99))*100 + int(min(b[11], 99))
	t := time.Date(year, time.Month(b[4]), int(b[5]), int(b[6]), int(b[7]), int(b[8]), micros*1000, time.UTC)
	minutes := int(int16(zone<<4) >> 4) // twelve bits with a sign
	if zone>>12 == 1 && minutes >= -1440 && minutes <= 1440 {
		t = t.Add(-time.Duration(minutes) * time.Minute)
	}
	return t
}
