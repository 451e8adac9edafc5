package udf

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A kind of partition of the logical volume says how its blocks are found.
type kind uint8

const (
	isPhysical kind = iota
	isVirtual       // a table has the number of each block
	isSparable      // a table has other packets for those that are bad
	isMetadata      // its blocks are those of a file
)

var kindNames = [...]string{"physical", "virtual", "sparable", "metadata"}

// partition is one of the logical volume.
type partition struct {
	kind   kind
	start  int64 // sector
	length int64 // blocks
	under  int   // of virtual and metadata ones: the partition below

	packet int64           // blocks of a packet
	spared map[int64]int64 // packets by their first block, to sectors
	bad    []int64         // the first blocks of these, sorted

	virtual []uint32 // block to block
	runs    []run    // of the metadata file
}

// readPartitions decodes the partition maps (ECMA-167 3/10.7, UDF 2.2.8 to 2.2.10).
func (f *filesystem) readPartitions(s *structure) error {
	all := s.logical.maps[:s.logical.mapLen]
	bad := func(i int, class error, detail string, args ...any) error {
		return block.Errorf(format, "partition map", s.off+0x1B8+int64(i), class, detail, args...)
	}
	pos := 0
	for range s.logical.mapCount {
		if pos+6 > len(all) || pos+int(all[pos+1]) > len(all) || all[pos+1] < 6 {
			return bad(pos, block.ErrCorrupt, "it leaves the descriptor")
		}
		m := all[pos : pos+int(all[pos+1])]
		var p partition
		number := uint16(0)
		switch {
		case m[0] == 1:
			number = le.Uint16(m[4:])
		case m[0] == 2 && len(m) >= 64:
			number = le.Uint16(m[38:])
			switch id := strings.TrimRight(string(m[5:28]), "\x00"); id {
			case "*UDF Virtual Partition":
				p.kind = isVirtual
			case "*UDF Sparable Partition":
				p.kind = isSparable
				p.packet = int64(le.Uint16(m[40:]))
			case "*UDF Metadata Partition":
				p.kind = isMetadata
			default:
				return bad(pos, block.ErrUnsupported, "a partition of type %q", id)
			}
		default:
			return bad(pos, block.ErrUnsupported, "a partition map of type %d with %d bytes", m[0], len(m))
		}
		found := false
		for _, x := range s.partitions {
			if x.number == number {
				p.start, p.length, found = int64(x.start), int64(x.length), true
				break
			}
		}
		if !found {
			return bad(pos, block.ErrCorrupt, "there is no partition %d", number)
		}
		f.partitions = append(f.partitions, p)
		f.maps = append(f.maps, m)
		pos += len(m)
	}
	return f.loadPartitions()
}

// loadPartitions reads the tables of partitions that have some, when all
// partitions below are known.
func (f *filesystem) loadPartitions() error {
	for i := range f.partitions {
		p := &f.partitions[i]
		p.under = i
		if p.kind == isVirtual || p.kind == isMetadata {
			for k, q := range f.partitions {
				if q.start == p.start && (q.kind == isPhysical || q.kind == isSparable) {
					p.under = k
				}
			}
			if p.under == i {
				return block.Errorf(format, "partition map", -1, block.ErrCorrupt, "nothing lies below the %s partition %d", kindNames[p.kind], i)
			}
		}
		if p.kind == isSparable {
			if err := f.readSparing(p, f.maps[i]); err != nil {
				return err
			}
		}
	}
	for i := range f.partitions {
		var err error
		switch p := &f.partitions[i]; p.kind {
		case isVirtual:
			err = f.readVAT(p)
		case isMetadata:
			err = f.readMetadata(p, f.maps[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const maxSpared = 1 << 16

// readSparing reads the first sparing table that is sound (UDF 2.2.12).
func (f *filesystem) readSparing(p *partition, m []byte) error {
	if p.packet == 0 || p.packet&(p.packet-1) != 0 {
		return block.Errorf(format, "partition map", -1, block.ErrCorrupt, "packets of %d blocks", p.packet)
	}
	size := int64(le.Uint32(m[44:]))
	for i := range min(int(m[42]), 4) {
		off := int64(le.Uint32(m[48+4*i:])) * f.sector
		if size < 56 || off > f.dev.Size()-56 {
			continue
		}
		b, err := block.ReadBytes(f.dev, off, min(size, f.dev.Size()-off, 56+8*maxSpared), 56+8*maxSpared)
		if err != nil {
			return block.Locate(format, "sparing table", off, err)
		}
		if id, err := checkTag(b, off); err != nil || id != tagSparing || string(b[17:34]) != "*UDF Sparing Tabl" {
			f.problems.Add(block.Errorf(format, "sparing table", off, block.ErrCorrupt, "it is none"))
			continue
		}
		p.spared = map[int64]int64{}
		for k := range int(le.Uint16(b[48:])) {
			if 56+8*k+8 > len(b) {
				break
			}
			from, to := int64(le.Uint32(b[56+8*k:])), int64(le.Uint32(b[60+8*k:]))
			switch {
			case from >= 0xFFFFFFF0: // not in use, or unusable
			case from&(p.packet-1) != 0:
				return block.Errorf(format, "sparing table", off, block.ErrCorrupt, "block %d is not the first of a packet of %d", from, p.packet)
			default:
				p.spared[from] = to
			}
		}
		p.bad = slices.Sorted(maps.Keys(p.spared))
		return nil
	}
	return block.Errorf(format, "sparing table", -1, block.ErrCorrupt, "none of the partition's tables is sound")
}

// locate returns where n blocks from b on of a partition lie: the first byte, and
// how many of them follow each other there.
func (f *filesystem) locate(at place, n int64) (off, count int64, err error) {
	if int(at.partition) >= len(f.partitions) {
		return 0, 0, block.Errorf(format, "block", -1, block.ErrCorrupt, "partition %d of %d", at.partition, len(f.partitions))
	}
	p, b := &f.partitions[at.partition], int64(at.block)
	bad := func(length int64) error {
		return block.Errorf(format, "block", -1, block.ErrCorrupt, "block %d of %d in the %s partition %d", b, length, kindNames[p.kind], at.partition)
	}
	switch p.kind {
	case isVirtual:
		if b >= int64(len(p.virtual)) || p.virtual[b] == 1<<32-1 {
			return 0, 0, bad(int64(len(p.virtual)))
		}
		return f.locate(place{p.virtual[b], uint16(p.under)}, 1)
	case isMetadata:
		i := sort.Search(len(p.runs), func(i int) bool { return p.runs[i].end()/f.bs > b })
		if i == len(p.runs) || p.runs[i].off < 0 {
			return 0, 0, bad(p.length)
		}
		r := p.runs[i]
		return r.off + b*f.bs - r.from, min(n, (r.end()-b*f.bs)/f.bs), nil
	}
	if b >= p.length {
		return 0, 0, bad(p.length)
	}
	n = min(n, p.length-b)
	if p.packet > 0 {
		in := b & (p.packet - 1)
		if to, ok := p.spared[b-in]; ok {
			return to*f.sector + in*f.bs, min(n, p.packet-in), nil
		}
		if i, _ := slices.BinarySearch(p.bad, b); i < len(p.bad) { // up to the next that was replaced
			n = min(n, p.bad[i]-b)
		}
	}
	return p.start*f.sector + b*f.bs, n, nil
}
