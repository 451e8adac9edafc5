package ntfs

import (
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/problem"
)

// A volume is an open NTFS volume: its geometry, its $MFT and what is cached.
// It implements vfs.Driver.
type volume struct {
	r          block.Reader
	size       int64
	cluster    int64 // bytes
	recordSize int64
	blockSize  int64 // of an index block
	clusters   int64
	mirrorLCN  int64
	serial     uint64
	drive      byte // letter in upper case, 0 if not known

	mft      *plain
	records  uint64
	reserved []run // clusters that belong to no file of a user
	upcase   *upcase
	status   status
	free     freeSpace
	problems problem.List

	pages    *lru.Cache[int64, []byte]       // of the MFT, fixed up
	inodes   *lru.Cache[uint64, *inode]      // by record number
	blocks   *lru.Cache[blockKey, []byte]    // of indexes, fixed up
	segments *lru.Cache[segmentKey, []run]   // of fragmented files
	units    *lru.Cache[unitKey, []byte]     // decompressed
	owners   *lru.Cache[uint32, *descriptor] // by security id
}

func corrupt(what string, off int64, detail string, args ...any) error {
	return block.Errorf("ntfs", what, off, block.ErrCorrupt, detail, args...)
}

// caches shares the budget out.
func (v *volume) caches(budget int64) {
	v.pages = lru.New[int64, []byte](budget / 4)
	v.inodes = lru.New[uint64, *inode](budget / 4)
	v.blocks = lru.New[blockKey, []byte](budget / 8)
	v.segments = lru.New[segmentKey, []run](budget / 8)
	v.units = lru.New[unitKey, []byte](budget / 4)
	v.owners = lru.New[uint32, *descriptor](256)
}

// recordOffset returns where a record lies on the volume, -1 if that is not
// known.
func (v *volume) recordOffset(num uint64) int64 {
	if v.mft == nil || num >= v.records {
		return -1
	}
	off := int64(num) * v.recordSize
	r, ok := findRun(v.mft.runs, off/v.cluster)
	if !ok || r.lcn == sparse {
		return -1
	}
	return r.lcn*v.cluster + off%v.cluster
}

// pageSize is how many bytes of the MFT are read at once.
func (v *volume) pageSize() int64 { return max(64<<10, v.recordSize) }

// page returns a page of the MFT with fixups applied. A record whose fixups
// fail becomes one that is marked as bad.
func (v *volume) page(n int64) ([]byte, error) {
	return v.pages.Get(n, func() ([]byte, int64, error) {
		off := n * v.pageSize()
		b := make([]byte, min(v.pageSize(), int64(v.records)*v.recordSize-off))
		if err := block.ReadFull(v.mft, b, off); err != nil {
			return nil, 0, err
		}
		for r := b; len(r) > 0; r = r[v.recordSize:] {
			fixRecord(r[:v.recordSize])
		}
		return b, int64(len(b)), nil
	})
}

// fixRecord applies the fixups of an MFT record, or marks it as NTFS marks one
// whose fixups failed.
func fixRecord(b []byte) {
	if string(b[:4]) == "FILE" && applyFixups(b) != nil {
		copy(b, "BAAD")
	}
}

// record reads MFT record num. A bad one among the first comes from $MFTMirr,
// with a problem that says so.
func (v *volume) record(num uint64) (*record, error) {
	if num >= v.records {
		return nil, corrupt(recordName(num), -1, "the MFT has %d records", v.records)
	}
	rec, err := v.mainRecord(num)
	if err != nil && num < mirrorLength {
		if alt, altErr := v.mirrorRecord(num); altErr == nil {
			v.problems.Add(fmt.Errorf("%w; its copy in $MFTMirr is used", v.locateRecord(num, err)))
			return alt, nil
		}
	}
	return rec, v.locateRecord(num, err)
}

func (v *volume) locateRecord(num uint64, err error) error {
	if err == nil {
		return nil
	}
	return block.Locate("ntfs", recordName(num), v.recordOffset(num), err)
}

func (v *volume) mainRecord(num uint64) (*record, error) {
	off := int64(num) * v.recordSize
	b := make([]byte, v.recordSize)
	if page, err := v.page(off / v.pageSize()); err == nil {
		copy(b, page[off%v.pageSize():])
	} else if err := block.ReadFull(v.mft, b, off); err != nil {
		return nil, err // the page as a whole cannot be read, nor this record
	} else {
		fixRecord(b)
	}
	return parseRecord(num, b)
}

func (v *volume) mirrorRecord(num uint64) (*record, error) {
	return v.rawRecord(num, v.mirrorLCN*v.cluster+int64(num)*v.recordSize)
}

// rawRecord reads a record at an offset of the volume.
func (v *volume) rawRecord(num uint64, off int64) (*record, error) {
	b, err := block.ReadBytes(v.r, off, v.recordSize, maxRecord)
	if err != nil {
		return nil, err
	}
	fixRecord(b)
	rec, err := parseRecord(num, b)
	return rec, block.Locate("ntfs", recordName(num), off, err)
}

// extension reads the record that r names and checks that it is base itself
// or extends it. What an extension says of further records is never followed.
func (v *volume) extension(r ref, base uint64) (*record, error) {
	rec, err := v.record(r.num())
	if err != nil {
		return nil, err
	}
	if rec.flags&flagInUse == 0 || rec.sequence != r.seq() || rec.num != base && rec.base.num() != base {
		return nil, corrupt(recordName(rec.num), v.recordOffset(rec.num), "it does not belong to record %d, which names it as its extension", base)
	}
	return rec, nil
}

// openMFT finds the MFT by its own first record.
func (v *volume) openMFT(lcn int64) error {
	rec, err := v.rawRecord(recMFT, lcn*v.cluster)
	if err == nil {
		err = v.bootMFT(rec)
	}
	if err == nil {
		return nil
	}
	alt, altErr := v.mirrorRecord(recMFT)
	if altErr != nil || v.bootMFT(alt) != nil {
		return err
	}
	v.problems.Add(fmt.Errorf("%w; its copy in $MFTMirr is used", err))
	return nil
}

// maxMFTRuns bounds the runs of the MFT, the only ones that are all kept.
const maxMFTRuns = 1 << 18

// bootMFT maps the MFT. The list of a fragmented one names records that lie in
// it: each must lie in the part that those before it map.
func (v *volume) bootMFT(rec *record) error {
	v.mft, v.records = nil, 0
	what := "$MFT"
	if rec.flags&flagInUse == 0 || rec.base != 0 {
		return corrupt(what, -1, "record 0 is not in use")
	}
	list, err := v.readList(rec)
	if err != nil {
		return err
	}
	a := rec.first(attrData)
	if a == nil || !a.nonRes || a.lowest != 0 || len(a.name) > 0 || a.flags != 0 {
		return corrupt(what, -1, "record 0 has no plain non-resident $DATA")
	}
	m := &mapping{v: v, owner: recMFT, clusters: a.allocated / v.cluster}
	if a.initialized > maxVCN*v.cluster {
		return corrupt(what, -1, "%d bytes long", a.initialized)
	}
	// Only what is mapped so far can be read.
	v.mft = &plain{mapping: m, size: a.initialized, valid: a.initialized}
	v.records = uint64(a.initialized / v.recordSize)
	add := func(a *attribute) error {
		runs, err := v.runsOf(a, recMFT)
		if err != nil {
			return err
		}
		for _, r := range runs {
			if r.lcn == sparse {
				return corrupt(what, -1, "a part of the MFT is sparse")
			}
		}
		if len(m.runs)+len(runs) > maxMFTRuns {
			return block.Errorf("ntfs", what, -1, block.ErrLimit, "more than %d fragments", maxMFTRuns)
		}
		m.runs = append(m.runs, runs...)
		return nil
	}
	if err := add(a); err != nil {
		return err
	}
	if len(m.runs) == 0 {
		return corrupt(what, -1, "it is empty")
	}
	for _, s := range segmentsOf(list, attrData, nil) {
		if s.low == 0 {
			continue
		}
		if s.low != m.runs[len(m.runs)-1].end() {
			return corrupt(what, -1, "the attribute list maps cluster %d next", s.low)
		}
		ext, err := v.mftExtension(s)
		if err != nil {
			return err
		}
		if err := add(ext); err != nil {
			return err
		}
	}
	if m.runs[len(m.runs)-1].end() < (a.initialized+v.cluster-1)/v.cluster {
		return corrupt(what, -1, "its runs end before its data does")
	}
	v.reserved = nil
	v.reserve(m.runs)
	return nil
}

// mftExtension reads a part of the MFT's own mapping without the cache, which
// must not keep a page that is mapped only in part.
func (v *volume) mftExtension(s segment) (*attribute, error) {
	if s.rec.num() >= v.records {
		return nil, corrupt("$MFT", -1, "its attribute list names record %d of %d", s.rec.num(), v.records)
	}
	b := make([]byte, v.recordSize)
	if err := block.ReadFull(v.mft, b, int64(s.rec.num())*v.recordSize); err != nil {
		return nil, err
	}
	fixRecord(b)
	rec, err := parseRecord(s.rec.num(), b)
	if err != nil {
		return nil, v.locateRecord(s.rec.num(), err)
	}
	a := rec.byInstance(s.typ, s.instance)
	if rec.base.num() != recMFT || rec.flags&flagInUse == 0 || a == nil || !a.nonRes || a.lowest != s.low {
		return nil, corrupt(recordName(rec.num), v.recordOffset(rec.num), "it does not map cluster %d of $MFT", s.low)
	}
	return a, nil
}

// inode returns the file whose base record is num.
func (v *volume) inode(num uint64) (*inode, error) {
	return v.inodes.Get(num, func() (*inode, int64, error) {
		n, err := v.loadInode(num)
		if err != nil {
			return nil, 0, err
		}
		return n, v.recordSize + int64(len(n.list))*64 + 1024, nil
	})
}

// follow returns the file that a reference names. A stale reference is a
// corruption.
func (v *volume) follow(r ref) (*inode, error) {
	n, err := v.inode(r.num())
	if err != nil {
		return nil, err
	}
	if r.seq() != n.rec.sequence {
		return nil, corrupt(recordName(r.num()), v.recordOffset(r.num()), "a reference to it is stale: sequence number %d, not %d", r.seq(), n.rec.sequence)
	}
	return n, nil
}
