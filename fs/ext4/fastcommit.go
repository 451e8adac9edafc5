package ext4

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// Tags of the records in fast commits. All numbers there are little-endian.
const (
	fastAddRange = 1
	fastDelRange = 2
	fastCreate   = 3
	fastLink     = 4
	fastUnlink   = 5
	fastInode    = 6
	fastPad      = 7
	fastTail     = 8
	fastHead     = 9
)

const fastTagSize = 4 // tag and length

// MaxFastBytes bounds the blocks of fast commits that are read, and what is kept
// of the inodes in them.
const MaxFastBytes = 64 << 20

// maxFastRecords bounds the records, each of which may be four bytes. The area of
// 256 blocks that mke2fs makes has room for a twentieth.
const maxFastRecords = 1 << 20

// A fastRecord is one record of a fast commit: what changed, in short.
type fastRecord struct {
	tag   uint16
	value []byte
	off   int64 // on the disk
}

func (r *fastRecord) corrupt(detail string, args ...any) error {
	return block.Errorf("ext4", "fast commit", r.off, block.ErrCorrupt, detail, args...)
}

// fastCommits reads the fast commits that belong to the transaction next: a head,
// and then each up to a tail with a checksum over all of it. stopped says where one
// does not verify: it and what is behind it count for nothing. Records that no
// tail follows were never finished: a commit that was torn, unless they are the
// rest of an older one, which ended before the log was begun anew. The kernel and
// e2fsck say nothing of either.
func (r *recovery) fastCommits(next uint32) (whole []fastRecord, stopped, err error) {
	var open []fastRecord
	le := binary.LittleEndian
	sum, begun := uint32(0), false
	var torn tornCommit
	first := r.sb.logEnd() + 1 // the log's end is in neither
	if r.sb.fastArea() == 0 {
		return nil, nil, nil
	}
	for n := first; n < r.sb.maxLen; n++ {
		if int64(n-first+1)*r.fs.sb.blockSize > MaxFastBytes {
			return nil, nil, block.Errorf("ext4", "fast commit", r.offset(n), block.ErrLimit, "more than %d MiB of them", MaxFastBytes>>20)
		}
		b, err := r.read(n)
		if err != nil {
			return nil, nil, err
		}
		at := r.offset(n)
		for pos := 0; pos+fastTagSize <= len(b); {
			x := fastRecord{tag: le.Uint16(b[pos:]), off: at + int64(pos)}
			length := int(le.Uint16(b[pos+2:]))
			end := pos + fastTagSize + length
			switch {
			case x.tag == 0 || x.tag > fastHead || !begun && x.tag != fastHead:
				return whole, torn.stopped(), nil
			case end > len(b):
				return whole, x.corrupt("a record %d of %d bytes", x.tag, length), nil
			}
			x.value = b[pos+fastTagSize : end]
			switch x.tag {
			case fastHead:
				if length < 8 || le.Uint32(x.value[4:]) != next {
					return whole, nil, nil
				}
				begun = true
				if features := le.Uint32(x.value); features != 0 {
					return nil, nil, block.Errorf("ext4", "fast commit", x.off, block.ErrUnsupported, "features %#x", features)
				}
			case fastTail:
				if length < 8 || le.Uint32(x.value) != next {
					return whole, torn.before(&x, b[:min(pos+fastTagSize+4, len(b))]), nil
				}
				sum = crc32c(sum, b[pos:pos+fastTagSize+4])
				if want := le.Uint32(x.value[4:]); sum != want {
					return whole, x.corrupt("checksum %#08x, computed %#08x", want, sum), nil
				}
				whole = append(whole, open...)
				open, sum, pos = nil, 0, end
				torn = tornCommit{}
				continue
			}
			sum = crc32c(sum, b[pos:end])
			torn.add(&x, n, b[:end], pos)
			pos = end
			if x.tag == fastHead || x.tag == fastPad {
				continue // they change nothing
			}
			if open = append(open, x); len(whole)+len(open) > maxFastRecords {
				return nil, nil, block.Errorf("ext4", "fast commit", x.off, block.ErrLimit, "more than %d records", maxFastRecords)
			}
		}
	}
	// What does not fit is left as it is, and a whole transaction is made instead.
	return whole, nil, nil
}

// A tornCommit is what was read of a commit that has no tail so far.
type tornCommit struct {
	first  *fastRecord
	block  uint32   // the last one
	blocks [][]byte // the records in each of the last blocks
}

// maxTorn bounds the blocks in which the beginning of an older commit is looked for.
const maxTorn = 64

// add takes a record, which is at pos of a block of which b is all up to its end.
func (t *tornCommit) add(x *fastRecord, n uint32, b []byte, pos int) {
	if t.first == nil {
		t.first = x
	}
	if len(t.blocks) > 0 && t.block == n {
		last := &t.blocks[len(t.blocks)-1]
		*last = b[pos-len(*last):]
		return
	}
	t.block = n
	if t.blocks = append(t.blocks, b[pos:]); len(t.blocks) > maxTorn {
		t.blocks = t.blocks[1:]
	}
}

// stopped says where the commit begins, nil if nothing was read of it.
func (t *tornCommit) stopped() error {
	if t.first == nil {
		return nil
	}
	return t.first.corrupt("no end follows its records: it was not finished")
}

// before is stopped where the tail x of an older commit follows, in a block of which b
// is all up to its checksum. If that one begins where the records do, they are its
// own; if it begins in a later block, what is before it is a commit that was torn. Otherwise its
// beginning was written over, and nobody knows.
func (t *tornCommit) before(x *fastRecord, b []byte) error {
	if t.first == nil || len(x.value) < 8 {
		return nil
	}
	want := binary.LittleEndian.Uint32(x.value[4:])
	blocks := t.blocks
	tail := b[len(b)-fastTagSize-4:]
	for i := len(blocks) - 1; i >= 0; i-- {
		sum := uint32(0)
		for _, p := range blocks[i:] {
			sum = crc32c(sum, p)
		}
		if crc32c(sum, tail) == want {
			if i == 0 && len(blocks) < maxTorn {
				return nil
			}
			return t.stopped()
		}
	}
	if crc32c(0, tail) == want && len(blocks) > 0 { // a block of nothing but a tail
		return t.stopped()
	}
	return nil
}
