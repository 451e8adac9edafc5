package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// MaxReplay bounds how many blocks a journal may change: 4 GiB of blocks of
// 4 KiB.
const MaxReplay = 1 << 20

// Flags of a tag.
const (
	tagEscape   = 0x1
	tagSameUUID = 0x2
	tagLast     = 0x8
)

// A logged block is a block of the filesystem and where its new content lies in
// the journal.
type logged struct {
	pblk    uint64
	from    int64 // on the journal's device
	seq     uint32
	escaped bool // the first four bytes stand for the magic of the journal
}

// A recovery collects what a journal changes.
type recovery struct {
	*journal
	blocks []logged
	// revoked are the blocks that were logged so far, and the last transaction that
	// revoked each, if any did: revokes of others, of which a log may have many
	// millions, change nothing.
	revoked map[uint64]revoke
	known   int // blocks that are in revoked

	// Of the transaction that is being read.
	newBlocks  []logged
	newRevokes []uint32 // its revoke blocks
	crc        uint32   // checksum of version 1
}

// A revoke says which transaction is the last that revoked a block.
type revoke struct {
	seq uint32
	is  bool
}

// errEnd is the end of the log: no block of the next transaction follows.
var errEnd = errors.New("end of the log")

// replay reads the journal and lays what it changes over the device. The device
// is nil where nothing is to be replayed or the replay failed. An error beside a
// device tells of transactions at the end that are left out. dirty reports
// whether the log holds anything. The records of fast commits are for the
// filesystem that is on the device then.
func (f *filesystem) replay() (dev block.Device, fast []fastRecord, dirty bool, err error) {
	j, err := f.openJournal()
	if err != nil {
		return nil, nil, true, err
	}
	if j.sb.start == 0 {
		return nil, nil, false, nil
	}
	r := &recovery{journal: j, revoked: map[uint64]revoke{}}
	next, stopped, err := r.scan()
	if err == nil && stopped == nil {
		fast, stopped, err = r.fastCommits(next)
	}
	if err != nil {
		return nil, nil, true, err
	}
	if stopped != nil {
		stopped = f.stale(fmt.Errorf("replayed up to transaction %d and %d fast records: %w", next-1, len(fast), stopped))
	}
	dev, err = r.overlay()
	if err != nil {
		return nil, nil, true, err
	}
	return dev, fast, true, stopped
}

// scan reads the log from its start to the last transaction that is whole, and
// returns the number that the next would have. A transaction that is damaged
// ends the log, and stopped says how; one that aims outside the filesystem
// forbids any replay.
func (r *recovery) scan() (next uint32, stopped, err error) {
	next = r.sb.sequence
	at := r.sb.start
	for blocks := uint32(0); blocks <= r.sb.logEnd(); {
		n, used, err := r.transaction(at, next)
		switch {
		case errors.Is(err, errEnd):
			return next, r.cut(at, next, blocks), nil
		case errors.Is(err, errOutside), errors.Is(err, block.ErrLimit):
			return next, nil, err
		case err != nil:
			return next, err, nil
		}
		r.blocks = append(r.blocks, r.newBlocks...)
		for _, n := range r.newRevokes {
			if err := r.revokes(n, next); err != nil {
				return next, nil, err
			}
		}
		at = n
		blocks += used
		next++
	}
	return next, nil, nil
}

// maxBehind bounds how far behind the end of the log a commit is looked for.
const maxBehind = 32 << 20

// cut looks behind the end of the log, of which blocks were used: a commit there
// of the next transaction or a later one says that the log went on, and that what
// lies at the block at is damaged. What an earlier round left has lower numbers.
func (r *recovery) cut(at, next, blocks uint32) error {
	n := at
	ring := r.sb.logEnd() - r.sb.first
	for range min(ring-min(blocks, ring), uint32(maxBehind/r.fs.sb.blockSize)) {
		b, err := r.read(n)
		if err != nil {
			return nil
		}
		var h jbdHeader
		if h.decode(b); h.magic == jbdMagic && h.blockType == jbdCommit && h.sequence-next < 1<<16 && (!r.sb.csum23() || r.checkCommit(n, b) == nil) {
			return r.corrupt("journal", at, "transaction %d does not start there, and block %d commits transaction %d: they are not replayed", next, n, h.sequence)
		}
		n = r.after(n)
	}
	return nil
}

// errOutside says that the journal would write outside the filesystem.
var errOutside = fmt.Errorf("%w: it aims outside the filesystem", block.ErrCorrupt)

// transaction reads the transaction seq that starts at the block at, up to its
// commit block. It returns the block behind that and how many blocks there were.
func (r *recovery) transaction(at, seq uint32) (next, used uint32, err error) {
	r.newBlocks, r.newRevokes = nil, nil
	r.crc = ^uint32(0)
	var bad error // a descriptor that did not verify
	for used < r.sb.logEnd() {
		n := at
		b, err := r.read(n)
		if err != nil {
			return 0, 0, err
		}
		var h jbdHeader
		if h.decode(b); h.magic != jbdMagic || h.sequence != seq {
			if bad != nil {
				return 0, 0, bad
			}
			return 0, 0, errEnd
		}
		if len(r.blocks)+len(r.newBlocks)+len(r.newRevokes) > MaxReplay {
			return 0, 0, block.Errorf("ext4", "journal", -1, block.ErrLimit, "it changes more than %d blocks", MaxReplay)
		}
		at = r.after(at)
		used++
		switch h.blockType {
		case jbdDescriptor:
			if err := r.checkTail("descriptor block", n, b); err != nil {
				return 0, 0, err
			}
			r.crc = crc32BE(r.crc, b)
			count, err := r.tags(n, b, seq, at)
			if err != nil {
				return 0, 0, err
			}
			used += count
			at = r.advance(at, count)
		case jbdRevoke:
			if err := r.checkTail("revoke block", n, b); err != nil {
				return 0, 0, err
			}
			if _, err := r.revokeEnd(n, b); err != nil {
				return 0, 0, err
			}
			r.newRevokes = append(r.newRevokes, n)
		case jbdCommit:
			return at, used, r.checkCommit(n, b)
		default:
			return 0, 0, errEnd
		}
	}
	return 0, 0, r.corrupt("journal", at, "a transaction goes all around the log")
}

// after returns the block that follows in the ring.
func (r *recovery) after(n uint32) uint32 {
	if n++; n >= r.sb.logEnd() {
		return r.sb.first
	}
	return n
}

// advance goes on by count blocks, at most once around.
func (r *recovery) advance(n, count uint32) uint32 {
	ring := r.sb.logEnd() - r.sb.first
	return r.sb.first + uint32((uint64(n-r.sb.first)+uint64(count))%uint64(ring))
}

// tags reads the tags of a descriptor block, whose blocks follow from at on, and
// returns how many there were.
func (r *recovery) tags(n uint32, b []byte, seq, at uint32) (count uint32, err error) {
	be := binary.BigEndian
	size, end := r.sb.tagSize(), len(b)
	if r.sb.csum23() {
		end -= 4
	}
	for pos := jbdHeaderSize; pos+size <= end; {
		tag := b[pos:]
		flags := be.Uint16(tag[6:])
		l := logged{pblk: uint64(be.Uint32(tag)), seq: seq, escaped: flags&tagEscape != 0}
		if r.sb.featureIncompat&jbdIncompat64bit != 0 {
			l.pblk |= uint64(be.Uint32(tag[8:])) << 32
		}
		if l.pblk >= r.fs.sb.blocksCount {
			return 0, block.Locate("ext4", "descriptor block", r.offset(n)+int64(pos), fmt.Errorf("%w: block %d of %d", errOutside, l.pblk, r.fs.sb.blocksCount))
		}
		if l.from, err = r.place(at); err != nil {
			return 0, err
		}
		if err := r.checkData(n, at, tag[:size], seq); err != nil {
			return 0, err
		}
		r.newBlocks = append(r.newBlocks, l)
		count++
		if count >= r.sb.logEnd()-r.sb.first {
			return 0, r.corrupt("descriptor block", n, "it is for more blocks than the log has")
		}
		at = r.after(at)
		pos += size
		if flags&tagSameUUID == 0 {
			pos += 16
		}
		if flags&tagLast != 0 {
			break
		}
	}
	return count, nil
}

func (r *recovery) offset(n uint32) int64 {
	off, err := r.place(n)
	if err != nil {
		return -1
	}
	return off
}

// checkData verifies the checksum that a tag has of its block, and adds the
// block to that of version 1.
func (r *recovery) checkData(n, at uint32, tag []byte, seq uint32) error {
	v1 := r.sb.featureCompat&jbdCompatChecksum != 0
	if !v1 && !r.sb.csum23() {
		return nil
	}
	b, err := r.read(at)
	if err != nil {
		return err
	}
	if !r.sb.csum23() {
		r.crc = crc32BE(r.crc, b)
		return nil
	}
	be := binary.BigEndian
	var nr [4]byte
	be.PutUint32(nr[:], seq)
	sum := crc32c(crc32c(r.sb.seed, nr[:]), b)
	want := uint32(be.Uint16(tag[4:]))
	if r.sb.featureIncompat&jbdIncompatCsumV3 != 0 {
		want = be.Uint32(tag[12:])
	} else {
		sum &= 0xFFFF
	}
	if sum != want {
		return r.corrupt("journal block", at, "checksum %#x in descriptor block %d, computed %#x", want, n, sum)
	}
	return nil
}

// checkTail verifies the checksum at the end of a descriptor or revoke block.
func (r *recovery) checkTail(what string, n uint32, b []byte) error {
	if !r.sb.csum23() {
		return nil
	}
	at := len(b) - 4
	want := binary.BigEndian.Uint32(b[at:])
	if sum := crc32cHole(r.sb.seed, b, at, 4); sum != want {
		return r.corrupt(what, n, "checksum %#08x, computed %#08x", want, sum)
	}
	return nil
}

// revokeEnd is where the numbers of a revoke block end.
func (r *recovery) revokeEnd(n uint32, b []byte) (int, error) {
	used, end := binary.BigEndian.Uint32(b[12:]), len(b)
	if r.sb.csum23() {
		end -= 4
	}
	if used < 16 || uint64(used) > uint64(end) {
		return 0, r.corrupt("revoke block", n, "%d bytes used of %d", used, end)
	}
	return int(used), nil
}

// revokes notes what the revoke block n of the transaction seq says of blocks that
// were logged up to the end of that: their content there must not be replayed.
func (r *recovery) revokes(n, seq uint32) error {
	for ; r.known < len(r.blocks); r.known++ {
		if b := r.blocks[r.known].pblk; !r.revoked[b].is {
			r.revoked[b] = revoke{}
		}
	}
	b, err := r.read(n)
	if err != nil {
		return err
	}
	end, err := r.revokeEnd(n, b)
	if err != nil {
		return err
	}
	size := 4
	if r.sb.featureIncompat&jbdIncompat64bit != 0 {
		size = 8
	}
	be := binary.BigEndian
	for pos := 16; pos+size <= end; pos += size {
		blk := uint64(be.Uint32(b[pos:]))
		if size == 8 {
			blk = be.Uint64(b[pos:])
		}
		if _, ok := r.revoked[blk]; ok {
			r.revoked[blk] = revoke{seq, true}
		}
	}
	return nil
}

// checkCommit verifies the checksum of a commit block.
func (r *recovery) checkCommit(n uint32, b []byte) error {
	be := binary.BigEndian
	const kindCRC32, sizeCRC32, at = 1, 4, 16
	want := be.Uint32(b[at:])
	if r.sb.csum23() {
		if sum := crc32cHole(r.sb.seed, b, at, 4); sum != want {
			return r.corrupt("commit block", n, "checksum %#08x, computed %#08x", want, sum)
		}
		return nil
	}
	if r.sb.featureCompat&jbdCompatChecksum == 0 {
		return nil
	}
	kind, size := b[12], b[13]
	if kind != kindCRC32 || size != sizeCRC32 || want != r.crc {
		return r.corrupt("commit block", n, "checksum %#08x of kind %d, computed %#08x", want, kind, r.crc)
	}
	return nil
}

// crc32BE continues the CRC-32 of a journal's first checksums, which takes the
// highest bit first.
func crc32BE(crc uint32, p []byte) uint32 {
	for _, c := range p {
		crc ^= uint32(c) << 24
		for range 8 {
			high := crc >> 31
			crc <<= 1
			if high != 0 {
				crc ^= 0x04C11DB7
			}
		}
	}
	return crc
}

// overlay lays the blocks over the device. A block that a later or the same
// transaction revokes stays as it is.
func (r *recovery) overlay() (block.Device, error) {
	escaped := bytes.NewReader(binary.BigEndian.AppendUint32(nil, jbdMagic))
	o := block.NewOverlay(r.fs.dev, r.fs.dev.Size(), 2*MaxReplay)
	for _, l := range r.blocks {
		if v := r.revoked[l.pblk]; v.is && int32(v.seq-l.seq) >= 0 {
			continue
		}
		off := r.fs.blockOff(l.pblk)
		if err := o.Set(off, r.fs.sb.blockSize, r.dev, l.from); err != nil {
			return nil, err
		}
		if l.escaped {
			if err := o.Set(off, 4, escaped, 0); err != nil {
				return nil, err
			}
		}
	}
	return o.Device(), nil
}
