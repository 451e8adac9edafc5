package udf

import (
	"errors"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/sessions"
)

const (
	maxSequence   = 256     // descriptors of a sequence
	maxPartitions = 64      // of a logical volume
	maxMaps       = 8 << 10 // bytes of their maps
	descriptorLen = 512
)

// physical is a partition descriptor (ECMA-167 3/10.5).
type physical struct {
	number uint16 // 0x16
	start  uint32 // 0xBC
	length uint32 // 0xC0
}

func (p *physical) decode(b []byte) {
	p.number = le.Uint16(b[0x16:])
	p.start = le.Uint32(b[0xBC:])
	p.length = le.Uint32(b[0xC0:])
}

// logicalVolume is a logical volume descriptor (ECMA-167 3/10.6).
type logicalVolume struct {
	identifier   []byte // 0x54, a dstring of 128 bytes
	blockSize    uint32 // 0xD4
	domain       string // 0xD9
	revision     uint16 // 0xF0
	fileSet      extent // 0xF8
	mapLen       uint32 // 0x108
	mapCount     uint32 // 0x10C
	integrityLen uint32 // 0x1B0
	integrity    uint32 // 0x1B4
	maps         []byte // 0x1B8
}

func (l *logicalVolume) decode(b []byte) {
	l.identifier = b[0x54:0xD4]
	l.blockSize = le.Uint32(b[0xD4:])
	l.domain = string(b[0xD9:0xF0])
	l.revision = le.Uint16(b[0xF0:])
	l.fileSet = longAD(b[0xF8:])
	l.mapLen = le.Uint32(b[0x108:])
	l.mapCount = le.Uint32(b[0x10C:])
	l.integrityLen = le.Uint32(b[0x1B0:])
	l.integrity = le.Uint32(b[0x1B4:])
	l.maps = b[0x1B8:]
}

// structure is what a sequence of volume descriptors says.
type structure struct {
	set        []byte // the identifier of the volume set, a dstring
	partitions []physical
	logical    *logicalVolume
	off        int64 // of its descriptor
}

// findStructure looks for the volume in the last session of a disc that has one.
func (f *filesystem) findStructure() (*structure, error) {
	starts, err := sessions.Find(f.dev)
	f.problems.Add(block.Locate(format, "sessions", -1, err))
	for _, start := range slices.Backward(starts[1:]) {
		s, err := f.findAnchor(start*sessions.Sector, sessions.Sector)
		if err == nil {
			f.multi = true
			return s, nil
		}
		if !errors.Is(err, block.ErrFormat) {
			return nil, err // that of an earlier one would be another volume
		}
	}
	sizes := []int64{2048, 512, 4096, 1024, 8192, 16384, 32768}
	if step := f.recognition(); step != 0 { // an older filesystem of other sectors may have left its anchors
		fits := func(size int64) bool { return max(size, minStep) == step }
		sizes = append(slices.DeleteFunc(slices.Clone(sizes), func(n int64) bool { return !fits(n) }), slices.DeleteFunc(sizes, fits)...)
	}
	return f.findAnchor(0, sizes...)
}

// Where the recognition sequence is: its descriptors take a sector each, and no less
// than minStep.
const (
	recognitionOff = 32 << 10
	minStep        = 2048
)

// recognition returns how far apart the descriptors of the recognition sequence are, 0 if
// there is none that says that this is UDF.
func (f *filesystem) recognition() int64 {
	for step := int64(minStep); step <= 32<<10; step *= 2 {
		for i := range int64(64) {
			b, err := block.ReadBytes(f.dev, recognitionOff+i*step, 6, 6)
			if err != nil {
				break
			}
			id := string(b[1:])
			if id == "NSR02" || id == "NSR03" {
				return step
			}
			if !slices.Contains([]string{"BEA01", "BOOT2", "CD001", "CDW02", "TEA01"}, id) {
				break
			}
		}
	}
	return 0
}

// findAnchor looks for an anchor with each size of sectors, at its places from a
// byte on, and reads the sequence of volume descriptors that it leads to, or else
// the reserve.
func (f *filesystem) findAnchor(start int64, sizes ...int64) (*structure, error) {
	var fault error
	size := f.dev.Size()
	for _, sector := range sizes {
		first, last := start/sector, size/sector-1
		for _, at := range []int64{first + 256, last - 256, last, first + 512} {
			if at < 0 || at > last {
				continue
			}
			b, err := block.ReadBytes(f.dev, at*sector, descriptorLen, descriptorLen)
			if err != nil {
				return nil, block.Locate(format, "anchor", at*sector, err)
			}
			var t tag
			if t.decode(b); t.id != tagAnchor || int64(t.location) != at {
				continue
			}
			if _, err := checkTag(b, at*sector); err != nil {
				fault = errors.Join(fault, err)
				continue
			}
			f.sector = sector
			for _, e := range [][]byte{b[16:], b[24:]} {
				s, err := f.readSequence(le.Uint32(e), le.Uint32(e[4:]))
				if err == nil {
					f.problems.Add(fault)
					return s, nil
				}
				fault = errors.Join(fault, err)
			}
		}
	}
	if fault != nil {
		return nil, fault
	}
	return nil, block.Errorf(format, "anchor", -1, block.ErrFormat, "")
}

// readSequence reads the volume descriptors of n bytes that start at a sector.
// Of two for the same thing the one with the higher number counts.
func (f *filesystem) readSequence(n, at uint32) (*structure, error) {
	s := &structure{}
	var setNumber, logicalNumber uint32
	numbers := map[uint16]uint32{}
sequence:
	for range maxSequence {
		off := int64(at) * f.sector
		if int64(n) < f.sector {
			break
		}
		b, err := f.descriptor(off, at)
		if err != nil {
			return nil, err
		}
		at++
		n -= uint32(f.sector)
		number := le.Uint32(b[16:])
		switch le.Uint16(b) {
		case tagPrimary:
			if s.set == nil || number > setNumber {
				s.set, setNumber = b[72:200], number
			}
		case tagPointer:
			n, at = le.Uint32(b[20:]), le.Uint32(b[24:])
		case tagPartition:
			var p physical
			p.decode(b)
			if old, ok := numbers[p.number]; ok && number <= old {
				continue
			}
			numbers[p.number] = number
			s.partitions = append([]physical{p}, s.partitions...) // found first
		case tagLogicalVolume:
			if s.logical == nil || number > logicalNumber {
				logicalNumber, s.off = number, off
				l := new(logicalVolume)
				if l.decode(b); int64(l.mapLen) > int64(len(l.maps)) && l.mapLen <= maxMaps {
					more, err := block.ReadBytes(f.dev, off, 0x1B8+int64(l.mapLen), 0x1B8+maxMaps)
					if err != nil {
						return nil, block.Locate(format, "logical volume descriptor", off, err)
					}
					if _, err := checkTag(more, off); err != nil { // all of it is there now
						return nil, err
					}
					l.decode(more)
				}
				s.logical = l
			}
		case tagTerminating, 0:
			break sequence
		}
	}
	return s, s.validate()
}

func (s *structure) validate() error {
	bad := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "logical volume descriptor", s.off, class, detail, args...)
	}
	l := s.logical
	switch {
	case l == nil || len(s.partitions) == 0:
		return block.Errorf(format, "volume descriptors", -1, block.ErrCorrupt, "there is no logical volume or no partition")
	case l.blockSize < 512 || l.blockSize > 32<<10 || l.blockSize&(l.blockSize-1) != 0:
		return bad(block.ErrCorrupt, "blocks of %d bytes", l.blockSize)
	case l.mapCount == 0 || l.mapCount > maxPartitions || int64(l.mapLen) > int64(len(l.maps)):
		return bad(block.ErrCorrupt, "%d partition maps in %d bytes", l.mapCount, l.mapLen)
	}
	return nil
}

// descriptor reads one that lies at a sector, and verifies it.
func (f *filesystem) descriptor(off int64, location uint32) ([]byte, error) {
	if off < 0 || off > f.dev.Size()-descriptorLen {
		return nil, block.Errorf(format, "descriptor", off, block.ErrTruncated, "sector %d", location)
	}
	b, err := block.ReadBytes(f.dev, off, descriptorLen, descriptorLen)
	if err != nil {
		return nil, block.Locate(format, "descriptor", off, err)
	}
	if le.Uint16(b) == 0 {
		return b, nil
	}
	_, err = checkTag(b, off)
	return b, err
}

// integrity is the newest logical volume integrity descriptor (ECMA-167 3/10.10).
type integrity struct {
	open bool
	free int64 // blocks, -1 if that is not known
}

// readIntegrity follows the extents of integrity descriptors. Volumes that are
// written once have none.
func (f *filesystem) readIntegrity(l *logicalVolume) integrity {
	out := integrity{free: -1}
	n, at := l.integrityLen, l.integrity
	for range maxSequence {
		if n < descriptorLen {
			break
		}
		b, err := f.descriptor(int64(at)*f.sector, at)
		if err != nil {
			f.problems.Add(err)
			break
		}
		if le.Uint16(b) != tagIntegrity {
			break
		}
		out.open = le.Uint32(b[28:]) == 0
		out.free = 0
		for i := range min(le.Uint32(b[72:]), maxPartitions) {
			if v := le.Uint32(b[80+4*i:]); v == 1<<32-1 {
				out.free = -1
				break
			} else {
				out.free += int64(v)
			}
		}
		if next := le.Uint32(b[32:]); next != 0 {
			n, at = next, le.Uint32(b[36:])
		} else {
			n, at = n-uint32(min(int64(n), f.sector)), at+1
		}
	}
	return out
}
