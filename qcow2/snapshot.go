package qcow2

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
)

// A Snapshot is an internal snapshot.
type Snapshot struct {
	ID          string
	Name        string
	Date        time.Time
	VMClock     time.Duration // how long the guest had run
	VMStateSize int64         // bytes of saved memory and devices, 0 for a disk-only snapshot
	DiskSize    int64         // the size that the virtual disk had, in bytes
	ICount      int64         // instructions that the guest had executed, -1 if unknown

	l1Offset uint64
	l1Size   uint32
	at       int64 // of its header in the snapshot table
}

const snapshotHeaderLen = 40

// snapshotHeader is the fixed part of an entry of the snapshot table; extra
// data, the id and the name follow it, padded to 8 bytes in all.
type snapshotHeader struct {
	l1TableOffset uint64 // 0x00
	l1Size        uint32 // 0x08
	idStrSize     uint16 // 0x0c
	nameSize      uint16 // 0x0e
	dateSec       uint32 // 0x10
	dateNsec      uint32 // 0x14
	vmClockNsec   uint64 // 0x18
	vmStateSize   uint32 // 0x20
	extraDataSize uint32 // 0x24
}

func (h *snapshotHeader) decode(b []byte) {
	be := binary.BigEndian
	*h = snapshotHeader{
		l1TableOffset: be.Uint64(b[0x00:]),
		l1Size:        be.Uint32(b[0x08:]),
		idStrSize:     be.Uint16(b[0x0c:]),
		nameSize:      be.Uint16(b[0x0e:]),
		dateSec:       be.Uint32(b[0x10:]),
		dateNsec:      be.Uint32(b[0x14:]),
		vmClockNsec:   be.Uint64(b[0x18:]),
		vmStateSize:   be.Uint32(b[0x20:]),
		extraDataSize: be.Uint32(b[0x24:]),
	}
}

func (h *snapshotHeader) encode(b []byte) {
	be := binary.BigEndian
	be.PutUint64(b[0x00:], h.l1TableOffset)
	be.PutUint32(b[0x08:], h.l1Size)
	be.PutUint16(b[0x0c:], h.idStrSize)
	be.PutUint16(b[0x0e:], h.nameSize)
	be.PutUint32(b[0x10:], h.dateSec)
	be.PutUint32(b[0x14:], h.dateNsec)
	be.PutUint64(b[0x18:], h.vmClockNsec)
	be.PutUint32(b[0x20:], h.vmStateSize)
	be.PutUint32(b[0x24:], h.extraDataSize)
}

// readSnapshots reads the snapshot table, and returns its size in bytes.
func readSnapshots(r block.Reader, h *header, lim *Limits) ([]Snapshot, int64, error) {
	if h.nbSnapshots == 0 {
		return nil, 0, nil
	}
	start := int64(h.snapshotsOffset)
	room := min(lim.SnapshotTable, r.Size()-start)
	if int64(h.nbSnapshots)*snapshotHeaderLen > room {
		return nil, 0, tableTooLong("snapshot table", start, room == lim.SnapshotTable)
	}
	src := bufio.NewReaderSize(io.NewSectionReader(r, start, room), 16<<10)
	out := make([]Snapshot, 0, h.nbSnapshots)
	pos := int64(0)
	for range h.nbSnapshots {
		s, n, err := readSnapshot(src, start+pos, h, lim)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, 0, tableTooLong("snapshot table", start, room == lim.SnapshotTable)
		}
		if err != nil {
			return nil, 0, block.Locate(format, "snapshot table", start+pos, err)
		}
		out = append(out, s)
		pos += n
	}
	return out, pos, nil
}

// tableTooLong says why a table did not fit: because of the limit, or of the
// end of the file.
func tableTooLong(what string, off int64, limit bool) error {
	class := block.ErrTruncated
	if limit {
		class = block.ErrLimit
	}
	return block.Errorf(format, what, off, class, "")
}

// readSnapshot reads one entry and returns its length with its padding.
func readSnapshot(src io.Reader, at int64, h *header, lim *Limits) (Snapshot, int64, error) {
	var fixed [snapshotHeaderLen]byte
	if _, err := io.ReadFull(src, fixed[:]); err != nil {
		return Snapshot{}, 0, err
	}
	var sh snapshotHeader
	sh.decode(fixed[:])
	if int64(sh.extraDataSize) > lim.SnapshotExtra {
		return Snapshot{}, 0, block.Errorf(format, "snapshot extra data", at, block.ErrLimit, "%d bytes, at most %d are allowed", sh.extraDataSize, lim.SnapshotExtra)
	}
	n := int64(sh.extraDataSize) + int64(sh.idStrSize) + int64(sh.nameSize)
	rest := make([]byte, n+(-(snapshotHeaderLen+n))&7)
	if got, err := io.ReadFull(src, rest); err != nil && (err != io.ErrUnexpectedEOF || int64(got) < n) {
		return Snapshot{}, 0, err // the padding of the last entry may be missing
	}
	extra, names := rest[:sh.extraDataSize], rest[sh.extraDataSize:n]
	s := Snapshot{
		ID:          string(names[:sh.idStrSize]),
		Name:        string(names[sh.idStrSize:]),
		Date:        time.Unix(int64(sh.dateSec), int64(sh.dateNsec)).UTC(),
		VMClock:     time.Duration(min(sh.vmClockNsec, math.MaxInt64)),
		VMStateSize: int64(sh.vmStateSize),
		DiskSize:    int64(h.size),
		l1Offset:    sh.l1TableOffset,
		l1Size:      sh.l1Size,
		at:          at,
	}
	s.ICount = -1
	if len(extra) >= 24 {
		s.ICount = int64(tableEntry(extra, 16))
	}
	if len(extra) >= 8 {
		s.VMStateSize = int64(min(tableEntry(extra, 0), math.MaxInt64))
	}
	if len(extra) >= 16 {
		size := tableEntry(extra, 8)
		if size > math.MaxInt64 {
			return Snapshot{}, 0, corrupt("snapshot disk size", at, "%#x bytes", size)
		}
		s.DiskSize = int64(size)
	}
	return s, snapshotHeaderLen + int64(len(rest)), nil
}

// findSnapshot returns the snapshot of that id, or else of that name. Qemu-img's
// words snapshot.id=ID, snapshot.name=NAME or both, with a comma between them, look at
// nothing else.
func findSnapshot(all []Snapshot, which string) (*Snapshot, error) {
	for i := range all {
		if all[i].ID == which {
			return &all[i], nil
		}
	}
	for i := range all {
		if all[i].is(which) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoSnapshot, which)
}

// is reports whether the words of findSnapshot may mean this one.
func (s *Snapshot) is(which string) bool {
	if id, ok := strings.CutPrefix(which, "snapshot.id="); ok {
		id, name, both := strings.Cut(id, ",snapshot.name=")
		return s.ID == id && (!both || s.Name == name)
	}
	if name, ok := strings.CutPrefix(which, "snapshot.name="); ok {
		name, id, both := strings.Cut(name, ",snapshot.id=")
		return s.Name == name && (!both || s.ID == id)
	}
	return s.ID == which || s.Name == which
}
