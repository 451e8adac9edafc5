package ldm

import (
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Disk is a dynamic disk.
type Disk struct {
	Name      string // for errors; set by the caller
	GUID      string // lower-case
	Group     string // GUID of its group
	GroupName string

	data block.Device // of its volumes
	db   *database
}

// Places returns where the PRIVHEAD of a disk may be: in sector 6 and the last
// sector, or, where ends are given, in the last sector before each, which are the
// ends of the metadata partitions of a GPT.
func places(size int64, ends []int64) []int64 {
	if len(ends) == 0 {
		return []int64{6 * sectorSize, size/sectorSize*sectorSize - sectorSize}
	}
	var out []int64
	for _, end := range ends {
		out = append(out, end/sectorSize*sectorSize-sectorSize)
	}
	return out
}

// Open reads the database of a disk. ends are the offsets at which the LDM metadata
// partitions of its GPT end; with an MBR there are none. A disk without a PRIVHEAD
// is an error that wraps block.ErrFormat.
func Open(d block.Device, ends ...int64) (*Disk, error) {
	h, at, err := findPrivhead(d, places(d.Size(), ends))
	if err != nil {
		return nil, err
	}
	fault := func(what string, off int64, class error, detail string, args ...any) (*Disk, error) {
		return nil, block.Errorf(format, what, off, class, detail, args...)
	}
	if detail, class := h.validate(uint64(d.Size()) / sectorSize); class != nil {
		return fault("PRIVHEAD", at, class, "%s", detail)
	}
	base := int64(h.databaseAt) * sectorSize
	config, err := findConfig(d, base, h.databaseSize)
	if err != nil {
		return nil, err
	}
	off, n := base+int64(config.start)*sectorSize, int64(config.size)*sectorSize
	b, err := block.ReadBytes(d, off, n, maxDatabase)
	if err != nil {
		return nil, block.Locate(format, "VMDB", off, err)
	}
	var v vmdb
	v.decode(b)
	switch {
	case string(v.magic[:]) != "VMDB":
		return fault("VMDB", off, block.ErrCorrupt, "no signature")
	case v.major != 4:
		return fault("VMDB", off, block.ErrUnsupported, "version %d.%d", v.major, v.minor)
	case v.blockSize < 32 || v.blockSize > 1<<16 || int64(v.first) > n || v.first < vmdbLen:
		return fault("VMDB", off, block.ErrCorrupt, "records of %d bytes from %d on", v.blockSize, v.first)
	}
	db, err := readRecords(b, &v, off)
	if err != nil {
		return nil, err
	}
	db.sort()
	return &Disk{
		GUID: strings.ToLower(text(h.disk[:])), Group: strings.ToLower(text(h.group[:])), GroupName: text(h.groupName[:]),
		data: block.Section(d, int64(h.dataStart)*sectorSize, int64(h.dataSize)*sectorSize), db: db,
	}, nil
}

// findPrivhead returns the first that is one.
func findPrivhead(d block.Device, at []int64) (h privhead, off int64, err error) {
	for _, off := range at {
		if off < 0 || off > d.Size()-sectorSize {
			continue
		}
		b, err := block.ReadBytes(d, off, sectorSize, sectorSize)
		if err != nil {
			return h, 0, block.Locate(format, "PRIVHEAD", off, err)
		}
		if h.decode(b); string(h.magic[:]) == "PRIVHEAD" {
			return h, off, nil
		}
	}
	return h, 0, block.Errorf(format, "PRIVHEAD", at[0], block.ErrFormat, "there is none: this is no dynamic disk")
}

// findConfig returns the region of the records by the first table of contents that
// is one. There are two at the start of the database, and two at its end.
func findConfig(d block.Device, base int64, sectors uint64) (region, error) {
	for _, at := range [...]int64{1, 2, int64(sectors) - 3, int64(sectors) - 2} {
		if at < 1 || uint64(at) >= sectors {
			continue
		}
		off := base + at*sectorSize
		b, err := block.ReadBytes(d, off, sectorSize, sectorSize)
		if err != nil {
			return region{}, block.Locate(format, "TOCBLOCK", off, err)
		}
		var t tocblock
		if t.decode(b); string(t.magic[:]) != "TOCBLOCK" {
			continue
		}
		for _, r := range t.parts {
			if text(r.name[:]) == "config" && r.size >= 1 && r.size <= maxDatabase/sectorSize && r.start < sectors && r.size <= sectors-r.start {
				return r, nil
			}
		}
	}
	return region{}, block.Errorf(format, "TOCBLOCK", base+sectorSize, block.ErrCorrupt, "none of four names where the records are")
}
