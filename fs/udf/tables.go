package udf

import (
	"bytes"
	"errors"

	"github.com/guestkit/guestkit/block"
)

const (
	maxVAT     = 1 << 24 // entries
	maxBlank   = 1 << 30 // bytes of zeros at the end that are looked through
	vatSectors = 320     // before the end where it is looked for: behind it the drive runs out
)

// readVAT reads the virtual allocation table (UDF 2.2.11), a file whose entry is
// in the last block that was written.
func (f *filesystem) readVAT(p *partition) error {
	end, err := f.written()
	if err != nil {
		return err
	}
	last := end/f.bs - 1
	base := p.start * f.sector / f.bs
	for k := range int64(vatSectors) {
		b := last - k - base
		if b < 0 {
			break
		}
		at := place{uint32(b), uint16(p.under)}
		e, err := f.readEntry(at)
		if err != nil || e.icb.fileType != typeVAT && e.icb.fileType != typeNone {
			continue
		}
		d, err := f.streamOf(e)
		if err != nil {
			continue
		}
		table, err := f.decodeVAT(d, e.icb.fileType == typeNone)
		if err != nil {
			f.problems.Add(err)
			continue
		}
		p.virtual = table
		return nil
	}
	return block.Errorf(format, "virtual allocation table", -1, block.ErrCorrupt, "none lies in the last %d blocks that were written: the disc is cut short or was not closed", vatSectors)
}

// written returns where what was written ends: an image may be as large as its
// medium, whose rest is blank.
func (f *filesystem) written() (int64, error) {
	end := int64(0)
	for e, err := range block.Extents(f.dev, 0, f.dev.Size()) {
		if err != nil {
			return 0, err
		}
		if !e.Zero {
			end = e.Off + e.Len
		}
	}
	buf := make([]byte, 1<<20)
	for looked := int64(0); end > 0 && looked < maxBlank; {
		b := buf[:min(int64(len(buf)), end)]
		if err := block.ReadFull(f.dev, b, end-int64(len(b))); err != nil {
			return 0, block.Locate(format, "volume", end-int64(len(b)), err)
		}
		if rest := bytes.TrimRight(b, "\x00"); len(rest) > 0 {
			end -= int64(len(b) - len(rest))
			break
		}
		end -= int64(len(b))
		looked += int64(len(b))
	}
	return min((end+f.bs-1)/f.bs*f.bs, f.dev.Size()), nil
}

// decodeVAT reads the table of revision 1.50, which ends with its identifier, or
// of 2.00, which starts with a header.
func (f *filesystem) decodeVAT(d *content, old bool) ([]uint32, error) {
	bad := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "virtual allocation table", -1, class, detail, args...)
	}
	const trailer = 36
	from, to := int64(0), d.size
	switch {
	case d.size > 4*maxVAT:
		return nil, bad(block.ErrLimit, "%d bytes", d.size)
	case old && d.size >= trailer:
		to -= trailer
		id, err := block.ReadBytes(d, to, trailer, trailer)
		if err != nil {
			return nil, err
		}
		if string(id[1:23]) != "*UDF Virtual Alloc Tbl" {
			return nil, bad(block.ErrCorrupt, "it has no identifier")
		}
	case !old && d.size >= 4:
		b, err := block.ReadBytes(d, 0, 4, 4)
		if err != nil {
			return nil, err
		}
		from = int64(le.Uint16(b))
	}
	if from > to || from < 0 {
		return nil, bad(block.ErrCorrupt, "a header of %d in %d bytes", from, d.size)
	}
	b, err := block.ReadBytes(d, from, (to-from)&^3, 4*maxVAT)
	if err != nil {
		return nil, err
	}
	table := make([]uint32, len(b)/4)
	for i := range table {
		table[i] = le.Uint32(b[4*i:])
	}
	return table, nil
}

// readMetadata reads where the metadata file lies (UDF 2.2.13), or else its
// mirror.
func (f *filesystem) readMetadata(p *partition, m []byte) error {
	var faults []error
	for _, at := range []uint32{le.Uint32(m[40:]), le.Uint32(m[44:])} {
		e, err := f.readEntry(place{at, uint16(p.under)})
		if err == nil && e.icb.fileType != typeMetadata && e.icb.fileType != typeMirror {
			err = e.errorf(block.ErrCorrupt, "a metadata file of type %d", e.icb.fileType)
		}
		if err == nil {
			p.runs, err = f.runsOf(e)
		}
		for _, r := range p.runs {
			if err == nil && r.from%f.bs != 0 {
				err = e.errorf(block.ErrCorrupt, "an extent of the metadata file ends within a block, at byte %d", r.from)
			}
		}
		if err == nil {
			p.length = e.size / f.bs
			f.problems.Add(errors.Join(faults...))
			return nil
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
