package qcow2

import (
	"github.com/guestkit/guestkit/block"
)

type kind uint8

const (
	kindUnallocated kind = iota // reads from the backing file
	kindZero
	kindData
	kindCompressed
)

// A run is a part of the disk that is stored in one way.
type run struct {
	kind kind
	n    int64 // bytes, from where it was asked for
	// host is the host offset of the first byte of data, or, for a compressed
	// cluster, of its compressed bytes, which are at most csize long.
	host  int64
	csize int64
	// room says that there is a host cluster though it is not read, at host.
	room bool
	// entry is where the L2 entry lies, for errors; -1 if there is no L2 table.
	entry int64
}

const (
	flagCompressed = 1 << 62
	flagZero       = 1 << 0 // not with extended L2 entries

	l1Reserved         = 0x7f000000000001ff
	l2Reserved         = 0x3f000000000001fe
	extendedL2Reserved = l2Reserved | flagZero
)

// goesOn reports whether a run of another cluster is of the same kind, and where both
// have a host cluster lies at host.
func (r *run) goesOn(next run, host int64) bool {
	return next.kind == r.kind && next.room == r.room && (r.kind != kindData && !r.room || next.host == host)
}

// lookup returns the run that starts at off, which lies on the disk. It looks
// for no more than want bytes, and no further than one page of a table, so a
// run may end where the next one is of the same kind.
func (im *Image) lookup(off, want int64) (run, error) {
	span := im.hdr.l2Span()
	index := off / span
	l1At := im.l1.start + index*8
	page, err := im.tables.entries("L1 table", l1At, 8)
	if err != nil {
		return run{}, err
	}
	page = page[:min(int64(len(page)), im.l1.end-l1At)]
	l2, err := im.l2Table(tableEntry(page, 0), l1At)
	if err != nil {
		return run{}, err
	}
	inTable := off % span
	if l2 != 0 {
		r, err := im.lookupL2(l2, inTable, want)
		if err != nil {
			return run{}, err
		}
		if r.kind == kindData && im.hdr.dataFile() && r.host != off {
			return run{}, elsewhere(r.entry, r.host, off)
		}
		return im.checkRun(r)
	}
	n := span - inTable
	for pos := int64(8); n < want && pos+8 <= int64(len(page)) && tableEntry(page, pos) == 0 && n <= maxOffset-span; pos += 8 {
		n += span
	}
	return run{kind: kindUnallocated, n: n, entry: -1}, nil
}

// elsewhere is the error of an entry that does not lead to where the disk has the bytes:
// nothing else is valid in an external data file.
func elsewhere(at, host, off int64) error {
	return corrupt("L2 table entry", at, "the data file is to have what lies at %#x of the disk at %#x", off, host)
}

// reservedBits is the problem of an entry that has bits which mean nothing. QEMU
// passes over them, and so does reading here: an offset stands in its own bits.
func reservedBits(what string, at int64, entry uint64) error {
	return corrupt(what, at, "%#x has reserved bits", entry)
}

// l2Table checks an L1 entry and returns the offset of its L2 table, 0 if it
// has none.
func (im *Image) l2Table(entry uint64, at int64) (int64, error) {
	off := int64(entry & offsetMask)
	if entry&l1Reserved != 0 {
		im.problems.Add(reservedBits("L1 table entry", at, entry))
	}
	switch {
	case off&(im.hdr.clusterSize()-1) != 0:
		return 0, corrupt("L1 table entry", at, "%#x is no multiple of the cluster size", off)
	case off == 0:
		return 0, nil
	case off > im.r.Size()-im.hdr.clusterSize():
		return 0, block.Errorf(format, "L1 table entry", at, block.ErrTruncated, "the L2 table at %#x passes the end of the file at %#x", off, im.r.Size())
	}
	// Only the fixed structures: the L2 tables are in the map themselves.
	if start, what := im.meta.nextSpan(off); start < off+im.hdr.clusterSize() {
		return 0, corrupt("L1 table entry", at, "the L2 table at %#x lies over the %s", off, what)
	}
	return off, nil
}

// lookupL2 finds the run at inTable bytes into what the L2 table at l2 maps.
func (im *Image) lookupL2(l2, inTable, want int64) (run, error) {
	cs, size := im.hdr.clusterSize(), im.hdr.l2EntrySize()
	at := l2 + inTable>>im.hdr.clusterBits*size
	page, err := im.tables.entries("L2 table", at, size)
	if err != nil {
		return run{}, err
	}
	if im.hdr.extendedL2() {
		return im.lookupSubclusters(page, at, inTable, want)
	}
	inCluster := inTable & (cs - 1)
	r, err := im.cluster(tableEntry(page, 0), at)
	if err != nil {
		return run{}, err
	}
	r.n = cs - inCluster
	if r.kind == kindCompressed {
		return r, nil
	}
	first := r.host
	r.host += inCluster
	for pos := size; r.n < want && pos+size <= int64(len(page)); pos += size {
		next, err := im.cluster(tableEntry(page, pos), at+pos)
		if err != nil || !r.goesOn(next, first+pos/size*cs) {
			break // an error is for those who read that far
		}
		r.n += cs
	}
	return r, nil
}

// cluster decodes a standard L2 entry. Its run has no length yet.
func (im *Image) cluster(entry uint64, at int64) (run, error) {
	if entry&flagCompressed != 0 {
		return im.compressed(entry, at)
	}
	host := int64(entry & offsetMask)
	if entry&l2Reserved != 0 {
		im.problems.Add(reservedBits("L2 table entry", at, entry))
	}
	switch {
	case host&(im.hdr.clusterSize()-1) != 0:
		return run{}, corrupt("L2 table entry", at, "host offset %#x is no multiple of the cluster size", host)
	case entry&flagZero != 0 && im.hdr.version < 3:
		return run{}, corrupt("L2 table entry", at, "a zero cluster in a version 2 image")
	case entry&flagZero != 0:
		return run{kind: kindZero, host: host, room: im.allocated(entry), entry: at}, nil
	case !im.allocated(entry):
		return run{kind: kindUnallocated, entry: at}, nil
	}
	return run{kind: kindData, host: host, entry: at}, nil
}

// allocated reports whether an entry that is not compressed has a host cluster.
// In a data file, which has no header, offset 0 is as good as any: there the
// entry's copied flag tells.
func (im *Image) allocated(entry uint64) bool {
	return entry&offsetMask != 0 || im.hdr.dataFile() && entry&flagCopied != 0
}

// compressed decodes the L2 entry of a compressed cluster: a byte offset, and
// how many more sectors of 512 bytes there are besides the one it lies in.
func (im *Image) compressed(entry uint64, at int64) (run, error) {
	if im.hdr.dataFile() {
		return run{}, corrupt("L2 table entry", at, "a compressed cluster in an image with a data file")
	}
	bits := 62 - (im.hdr.clusterBits - 8)
	host := entry & (1<<bits - 1)
	sectors := entry & (flagCompressed - 1) >> bits
	if host >= uint64(im.r.Size()) {
		return run{}, block.Errorf(format, "L2 table entry", at, block.ErrTruncated, "the compressed cluster at %#x passes the end of the file at %#x", host, im.r.Size())
	}
	return run{kind: kindCompressed, host: int64(host), csize: int64(sectors+1)*512 - int64(host&511), entry: at}, nil
}

// checkRun cuts a run of data before metadata and before the end of the file.
// A run that starts there is an error.
func (im *Image) checkRun(r run) (run, error) {
	if r.kind != kindData && r.kind != kindCompressed {
		return r, nil
	}
	need := r.n
	if r.kind == kindCompressed {
		need = r.csize
	}
	if !im.hdr.dataFile() {
		start, what := im.meta.next(r.host)
		if r.kind == kindCompressed && start < r.host+need || start == r.host {
			return run{}, corrupt("L2 table entry", r.entry, "the data at %#x lies over the %s", r.host, what)
		}
		need = min(need, start-r.host)
	}
	if r.kind == kindCompressed {
		return r, nil
	}
	rest := im.data.Size() - r.host
	if rest <= 0 {
		return run{}, block.Errorf(format, "L2 table entry", r.entry, block.ErrTruncated, "the data at %#x passes the end of the file at %#x", r.host, im.data.Size())
	}
	r.n = min(need, rest)
	return r, nil
}
