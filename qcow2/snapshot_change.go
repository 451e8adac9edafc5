package qcow2

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
)

// Each of these functions changes an image at once: interrupted at any moment,
// it is as before or as after. New tables go where the old image has nothing,
// and one write of the first sector switches over.

// CreateSnapshot keeps the state of the disk under a name that no snapshot has,
// and returns the new snapshot.
func CreateSnapshot(ctx context.Context, f Storage, name string, date time.Time) (Snapshot, error) {
	w, err := changeSnapshots(ctx, f)
	if err != nil {
		return Snapshot{}, err
	}
	switch {
	case name == "" || len(name) > math.MaxUint16 || strings.ContainsRune(name, 0):
		return Snapshot{}, invalid("the name of a snapshot is 1 to %d bytes without NUL", math.MaxUint16)
	case int64(len(w.snapshots)) >= w.lim.Snapshots:
		return Snapshot{}, block.Errorf(format, "snapshot table", -1, block.ErrLimit, "the image has %d snapshots", len(w.snapshots))
	case date.Unix() < 0 || date.Unix() > math.MaxUint32:
		return Snapshot{}, invalid("the date %s is not in 1970 to 2106", date)
	}
	id := uint64(1)
	for _, s := range w.snapshots {
		if s.Name == name {
			return Snapshot{}, block.Errorf(format, "snapshot", s.at, block.ErrRefused, "there is one of the name %q", name)
		}
		if n, err := strconv.ParseUint(s.ID, 10, 63); err == nil {
			id = max(id, n+1)
		}
	}
	entries, err := w.snapshotEntries()
	if err != nil {
		return Snapshot{}, err
	}
	// From now on the active tables share everything with the snapshot.
	if err := w.settle(1); err != nil {
		return Snapshot{}, err
	}
	if err := w.referAll(w.l1); err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{ID: strconv.FormatUint(id, 10), Name: name, Date: date.UTC(), DiskSize: int64(w.h.size), ICount: -1, l1Size: uint32(len(w.l1) / 8)}
	l1 := w.l1
	if len(l1) == 0 {
		l1 = make([]byte, 8)
	}
	off, err := w.putTable(l1)
	if err != nil {
		return Snapshot{}, err
	}
	s.l1Offset = uint64(off)
	if err := w.putSnapshots(append(entries, s.encode())); err != nil {
		return Snapshot{}, err
	}
	return s, w.commit()
}

// ApplySnapshot lets the disk be again what it was in a snapshot, given by id or
// name; what it is now is lost. Bitmaps that track writes say from then on that
// everything may have changed. Saved memory is not brought back.
func ApplySnapshot(ctx context.Context, f Storage, idOrName string) error {
	w, err := changeSnapshots(ctx, f)
	if err != nil {
		return err
	}
	s, err := w.pickSnapshot(idOrName)
	if err != nil {
		return err
	}
	l1, err := block.ReadBytes(f, int64(s.l1Offset), int64(s.l1Size)*8, w.lim.L1Table)
	if err != nil {
		return block.Locate(format, "L1 table of a snapshot", int64(s.l1Offset), err)
	}
	need := w.h.l1Need(s.DiskSize) * 8
	if need > w.lim.L1Table {
		return block.Errorf(format, "L1 table", -1, block.ErrLimit, "a disk of %d bytes takes %d bytes", s.DiskSize, need)
	}
	// Saved memory lies behind the disk.
	l1 = l1[:min(need, int64(len(l1)))]
	if err := w.dropAll(w.l1); err != nil {
		return err
	}
	if err := w.referAll(l1); err != nil {
		return err
	}
	// The flags of a table that is not in use may be old.
	w.l1 = append(bytes.Clone(l1), make([]byte, need-int64(len(l1)))...)
	w.dirt = true
	if err := w.settle(0); err != nil {
		return err
	}
	if err := w.clearPast(s.DiskSize); err != nil {
		return err
	}
	w.h.size = uint64(s.DiskSize)
	if len(w.bitmaps) > 0 {
		if err := w.soilBitmaps(s.DiskSize); err != nil {
			return err
		}
	}
	return w.commit()
}

// DeleteSnapshot gives up a snapshot, given by id or name.
func DeleteSnapshot(ctx context.Context, f Storage, idOrName string) error {
	w, err := changeSnapshots(ctx, f)
	if err != nil {
		return err
	}
	s, err := w.pickSnapshot(idOrName)
	if err != nil {
		return err
	}
	entries, err := w.snapshotEntries()
	if err != nil {
		return err
	}
	var left [][]byte
	for i := range w.snapshots {
		if &w.snapshots[i] != s {
			left = append(left, entries[i])
		}
	}
	l1, err := block.ReadBytes(f, int64(s.l1Offset), int64(s.l1Size)*8, w.lim.L1Table)
	if err != nil {
		return block.Locate(format, "L1 table of a snapshot", int64(s.l1Offset), err)
	}
	if err := w.dropAll(l1); err != nil {
		return err
	}
	w.free(int64(s.l1Offset), max(int64(s.l1Size)*8, 1))
	if err := w.settle(0); err != nil {
		return err
	}
	if err := w.putSnapshots(left); err != nil {
		return err
	}
	return w.commit()
}

func changeSnapshots(ctx context.Context, f Storage) (*rewrite, error) {
	w, err := change(ctx, f, "snapshot")
	if err == nil && w.hdr.dataFile() {
		err = block.Errorf(format, "snapshot", -1, block.ErrUnsupported, "the image has an external data file, which has no snapshots")
	}
	return w, err
}

// pickSnapshot is findSnapshot for what is lost if it is the wrong one.
func (w *rewrite) pickSnapshot(which string) (*Snapshot, error) {
	s, err := findSnapshot(w.snapshots, which)
	if err != nil {
		return nil, block.Locate(format, "snapshot", -1, err)
	}
	for i := range w.snapshots {
		if o := &w.snapshots[i]; o != s && o.is(which) {
			return nil, block.Errorf(format, "snapshot", o.at, block.ErrRefused, "%q means two of them: %s (%q) and %s (%q); snapshot.id= or snapshot.name= before it tells which", which, s.ID, s.Name, o.ID, o.Name)
		}
	}
	return s, nil
}

// encode makes an entry of the snapshot table.
func (s *Snapshot) encode() []byte {
	h := snapshotHeader{
		l1TableOffset: s.l1Offset,
		l1Size:        s.l1Size,
		idStrSize:     uint16(len(s.ID)),
		nameSize:      uint16(len(s.Name)),
		dateSec:       uint32(s.Date.Unix()),
		dateNsec:      uint32(s.Date.Nanosecond()),
		extraDataSize: 24,
	}
	b := make([]byte, snapshotHeaderLen, snapshotHeaderLen+24+len(s.ID)+len(s.Name)+7)
	h.encode(b)
	b = binary.BigEndian.AppendUint64(b, uint64(s.VMStateSize))
	b = binary.BigEndian.AppendUint64(b, uint64(s.DiskSize))
	b = binary.BigEndian.AppendUint64(b, uint64(s.ICount))
	b = append(append(b, s.ID...), s.Name...)
	return append(b, make([]byte, -len(b)&7)...)
}

// snapshotEntries returns the entries of the snapshot table as they are, with
// what nobody here knows.
func (w *rewrite) snapshotEntries() ([][]byte, error) {
	start := int64(w.h.snapshotsOffset)
	var out [][]byte
	for i, s := range w.snapshots {
		end := start + w.snapTable
		if i+1 < len(w.snapshots) {
			end = w.snapshots[i+1].at
		}
		b := make([]byte, end-s.at)
		// The padding of the last entry may be missing.
		if err := block.ReadFull(w.f, b[:min(end, w.size)-s.at], s.at); err != nil {
			return nil, block.Locate(format, "snapshot table", s.at, err)
		}
		out = append(out, b)
	}
	return out, nil
}

// putSnapshots writes a new snapshot table.
func (w *rewrite) putSnapshots(entries [][]byte) error {
	w.free(int64(w.h.snapshotsOffset), w.snapTable)
	b := bytes.Join(entries, nil)
	w.h.nbSnapshots, w.h.snapshotsOffset = uint32(len(entries)), 0
	if len(b) == 0 {
		return nil
	}
	if int64(len(b)) > w.lim.SnapshotTable {
		return block.Errorf(format, "snapshot table", -1, block.ErrLimit, "it would have %d bytes", len(b))
	}
	off, err := w.putTable(b)
	w.h.snapshotsOffset = uint64(off)
	return err
}
