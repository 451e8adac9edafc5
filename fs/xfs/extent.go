package xfs

import (
	"encoding/binary"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// extentSize is the size of an extent record: 1 bit unwritten, 54 bits of block
// in the file, 52 bits of filesystem block, 21 bits of count.
const extentSize = 16

// maxFileBlock is one past the last block that a record can name.
const maxFileBlock = 1 << 54

// mapping is a run of blocks of a file. A hole has no start.
type mapping struct {
	off, count uint64 // in the file
	start      uint64 // filesystem block, or block of the realtime section
	hole       bool
	unwritten  bool // allocated, but reads as zeros
}

func (m *mapping) end() uint64 { return m.off + m.count }

func decodeExtent(b []byte) mapping {
	hi, lo := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	return mapping{
		unwritten: hi>>63 != 0,
		off:       hi >> 9 & (maxFileBlock - 1),
		start:     hi&0x1ff<<43 | lo>>21,
		count:     lo & (1<<21 - 1),
	}
}

// fork is the data or attribute fork of an inode: its part of the inode's
// bytes, and what the core says of it.
type fork struct {
	ino      uint64
	format   uint8
	nextents uint64
	b        []byte
	attr     bool
	realtime bool
}

func (k *fork) name() string {
	if k.attr {
		return inodeName(k.ino) + " attribute fork"
	}
	return inodeName(k.ino) + " data fork"
}

func (k *fork) corrupt(detail string, args ...any) error {
	return block.Errorf(format, k.name(), -1, block.ErrCorrupt, detail, args...)
}

// A window is a part of a fork whose records are at hand: all of a list, or a
// leaf of a btree. It is never changed.
type window struct {
	recs      []mapping
	from, end uint64 // the file blocks that the records tell everything of
}

// window returns the records around a block of the file. It reads no more of a
// btree than the path to it.
func (f *filesystem) window(k *fork, blk uint64) (window, error) {
	switch {
	case blk >= maxFileBlock:
		return window{from: blk, end: blk + 1}, nil
	case k.format == forkExtents:
		if k.nextents > uint64(len(k.b)/extentSize) {
			return window{}, k.corrupt("%d extents in %d bytes", k.nextents, len(k.b))
		}
		recs, err := decodeExtents(k.b[:k.nextents*extentSize])
		if err != nil {
			return window{}, k.corrupt("%s", err)
		}
		return window{recs: recs, end: maxFileBlock}, nil
	case k.format == forkBtree:
		return f.windowOfTree(k, blk)
	}
	return window{}, k.corrupt("format %d has no extents", k.format)
}

// mapAt returns the run of the fork that holds a block of the file, from its
// beginning; a hole begins at the block that was asked for.
func (f *filesystem) mapAt(k *fork, blk uint64) (mapping, error) {
	w, err := f.window(k, blk)
	if err != nil {
		return mapping{}, err
	}
	return f.mapIn(k, &w, blk)
}

// mapIn is mapAt for a block of a window.
func (f *filesystem) mapIn(k *fork, w *window, blk uint64) (mapping, error) {
	m := find(w.recs, blk, w.end)
	if m.end() > w.end {
		return m, k.corrupt("file block %d: a record reaches into the next btree block", blk)
	}
	return m, f.checkMapping(k, &m)
}

type textError string

func (e textError) Error() string { return string(e) }

// decodeExtents decodes records and checks that they rise and do not overlap.
func decodeExtents(b []byte) ([]mapping, error) {
	out := make([]mapping, len(b)/extentSize)
	end := uint64(0)
	for i := range out {
		m := decodeExtent(b[i*extentSize:])
		if m.off < end || m.count == 0 || m.count > maxFileBlock-m.off {
			return nil, textError("extents overlap or are out of order")
		}
		end = m.end()
		out[i] = m
	}
	return out, nil
}

// find returns the run of blk among sorted records that lie below end.
func find(recs []mapping, blk, end uint64) mapping {
	i := sort.Search(len(recs), func(i int) bool { return recs[i].end() > blk })
	switch {
	case i == len(recs):
		return mapping{off: blk, count: max(end, blk+1) - blk, hole: true}
	case recs[i].off > blk:
		return mapping{off: blk, count: recs[i].off - blk, hole: true}
	}
	return recs[i]
}

// checkMapping checks that a run lies inside its device and one group.
func (f *filesystem) checkMapping(k *fork, m *mapping) error {
	switch {
	case m.hole:
	case k.realtime:
		if _, left, ok := f.sb.realtimeOff(m.start); !ok || m.count > left {
			return k.corrupt("extent of %d blocks at %d lies outside the realtime section of %d", m.count, m.start, f.sb.rblocks)
		}
	default:
		agno, agbno := m.start>>f.sb.agblklog, m.start&(1<<f.sb.agblklog-1)
		if agno >= uint64(f.sb.agcount) || agbno >= f.sb.agBlocks(agno) || m.count > f.sb.agBlocks(agno)-agbno {
			return k.corrupt("extent of %d blocks at %d lies outside the filesystem", m.count, m.start)
		}
		return f.checkReserved(k, m, agno, agbno)
	}
	return nil
}

// checkReserved refuses runs that hold the headers of a group or the log.
func (f *filesystem) checkReserved(k *fork, m *mapping, agno, agbno uint64) error {
	headers := (4<<f.sb.sectlog + uint64(f.sb.blocksize) - 1) >> f.sb.blocklog
	if agbno < headers {
		return k.corrupt("extent at block %d points at the headers of group %d", m.start, agno)
	}
	if log := f.sb.logstart; log != 0 && agno == log>>f.sb.agblklog && m.start < log+uint64(f.sb.logblocks) && log < m.start+m.count {
		return k.corrupt("extent at block %d points into the log", m.start)
	}
	return nil
}

// forkBlock reads n bytes of a fork from a block on, and tells where they begin
// on disk. They must all be there.
func (f *filesystem) forkBlock(fk *fork, k kind, blk uint64, n int) ([]byte, int64, error) {
	first := int64(-1)
	b := make([]byte, 0, n)
	for len(b) < n {
		m, err := f.mapAt(fk, blk)
		if err != nil {
			return nil, 0, err
		}
		if m.hole || m.unwritten {
			return nil, 0, fk.corrupt("%s %d is a hole", k, blk)
		}
		off, _ := f.sb.blockOff(m.start + (blk - m.off)) // mapAt has checked the run
		run := min(int64(n-len(b)), int64(m.end()-blk)<<f.sb.blocklog)
		if first < 0 {
			first = off
		}
		part, err := f.read(k, off, int(run))
		if err != nil {
			return nil, 0, err
		}
		b = append(b, part...)
		blk += uint64(run) >> f.sb.blocklog
	}
	return b, first, nil
}
