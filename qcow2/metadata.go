package qcow2

import (
	"errors"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// ErrNoSnapshot says that an image has no snapshot of the id or name that
// Options ask for.
var ErrNoSnapshot = errors.New("no such snapshot")

// ErrNoBitmap says that an image has no bitmap of a name.
var ErrNoBitmap = errors.New("no such bitmap")

// metadata is what an image says about itself. Reading it opens no other file.
type metadata struct {
	r         block.Reader
	lim       Limits
	hdr       header
	ext       extensions
	backing   string
	snapshots []Snapshot
	snapTable int64 // size of the snapshot table in bytes
	bitmaps   []Bitmap
	bitmapDir span
	problems  problem.List
}

// readMetadata reads all but the mapping tables.
func readMetadata(r block.Reader, opts *Options) (*metadata, error) {
	m := &metadata{r: r, lim: opts.Limits.withDefaults()}
	size := r.Size()
	b, err := block.ReadBytes(r, 0, min(headerLenKnown, size), headerLenKnown)
	if err != nil {
		return nil, block.Locate(format, "header", 0, err)
	}
	m.hdr.decode(b)
	h := &m.hdr
	if len(b) < 4 || h.magic != magic {
		return nil, block.Errorf(format, "header", 0, block.ErrFormat, "")
	}
	if len(b) < headerLenV2 || h.version >= 3 && len(b) < headerLenV3 {
		return nil, block.Errorf(format, "header", 0, block.ErrTruncated, "the file has %d bytes", size)
	}
	if err := h.validate(size, &m.lim); err != nil {
		return nil, err
	}
	if m.ext, m.backing, err = readExtensions(r, h); err != nil {
		return nil, err
	}
	if err := h.validateFeatures(m.ext.names); err != nil {
		return nil, err
	}
	if _, err := h.encryption(); err != nil {
		return nil, err
	}
	if err := h.validateTables(size, &m.lim); err != nil {
		return nil, err
	}
	if m.snapshots, m.snapTable, err = readSnapshots(r, h, &m.lim); err != nil {
		return nil, err
	}
	if m.ext.bitmaps != nil {
		// The guest's data does not depend on them.
		m.bitmaps, m.bitmapDir, err = readBitmaps(r, h, m.ext.bitmaps, &m.lim)
		m.problems.Add(err)
	}
	m.noteFlags()
	return m, nil
}

// noteFlags reports what the header admits.
func (m *metadata) noteFlags() {
	if m.hdr.incompatibleFeatures&incompatDirty != 0 {
		m.problems.Add(corrupt("header incompatible_features", 0x48, "the dirty bit is set: the image was not closed, its refcounts may be wrong; its data is not affected"))
	}
	if m.hdr.incompatibleFeatures&incompatCorrupt != 0 {
		m.problems.Add(corrupt("header incompatible_features", 0x48, "the corrupt bit is set: a program found this image to be damaged"))
	}
}

// metadataMap returns where the metadata of the image lies. l1 is the L1 table
// that is in use.
func (m *metadata) metadataMap(l1 span) (*metadataMap, error) {
	h := &m.hdr
	mm := &metadataMap{clusterSize: h.clusterSize()}
	mm.add("header", 0, h.clusterSize())
	mm.add("L1 table", int64(h.l1TableOffset), int64(h.l1Size)*8)
	rt := span{start: int64(h.refcountTableOffset), end: int64(h.refcountTableOffset) + int64(h.refcountTableClusters)<<h.clusterBits}
	mm.add("refcount table", rt.start, rt.end-rt.start)
	mm.add("snapshot table", int64(h.snapshotsOffset), m.snapTable)
	mm.add("bitmap directory", m.bitmapDir.start, m.bitmapDir.end-m.bitmapDir.start)
	if h.cryptMethod == cryptLUKS {
		off, n, err := m.cryptoArea()
		m.problems.Add(err) // it matters to those who have a key
		mm.add("encryption header", off, n)
	}
	for i := range m.snapshots {
		s := &m.snapshots[i]
		if err := m.validateSnapshot(s); err != nil {
			m.problems.Add(err) // it matters to those who open that snapshot
			continue
		}
		mm.add("L1 table of a snapshot", int64(s.l1Offset), int64(s.l1Size)*8)
	}
	shared := 0
	for _, t := range []span{rt, l1} {
		if t.end-t.start > maxScanned {
			continue
		}
		b, err := block.ReadBytes(m.r, t.start, t.end-t.start, maxScanned)
		if err != nil {
			return nil, block.Locate(format, "table", t.start, err)
		}
		mm.addEntries(b)
	}
	if shared = mm.finish(); shared > 0 {
		m.problems.Add(corrupt("L1 table", l1.start, "%d of the L2 tables and refcount blocks are in use twice", shared))
	}
	return mm, nil
}

// validateSnapshot checks where the L1 table of a snapshot lies.
func (m *metadata) validateSnapshot(s *Snapshot) error {
	return m.hdr.validateL1("L1 table of a snapshot", s.at, s.l1Offset, s.l1Size, s.DiskSize, m.r.Size(), &m.lim)
}

// An Info is what an image says about itself.
type Info struct {
	Version       int    // 2 or 3
	Size          int64  // of the disk, in bytes
	Subformat     string // "": there is one kind
	ClusterSize   int64
	RefcountBits  int
	Compression   string // "zlib" or "zstd": how its compressed clusters are compressed
	ExtendedL2    bool   // clusters have subclusters
	LazyRefcounts bool
	Dirty         bool   // the refcounts may be wrong
	Corrupt       bool   // a program marked the image as damaged
	Encryption    string // "AES" or "LUKS", "" if the data is not encrypted
	Backing       string // the name of the backing file, "" if there is none
	BackingFormat string // "" if it is not stated
	DataFile      bool   // the data lies in a file of its own
	DataFileName  string // "" if it is not stated
	DataFileRaw   bool   // the data file is a raw image of the disk
	Features      []Feature
	Snapshots     []Snapshot
	Bitmaps       []Bitmap
}

func (m *metadata) info() Info {
	h := &m.hdr
	method, _ := h.encryption() // an unknown one does not come this far
	compression := "zlib"
	if h.compressionType == compressionZstd {
		compression = "zstd"
	}
	return Info{
		Version:       int(h.version),
		Size:          int64(h.size),
		ClusterSize:   h.clusterSize(),
		RefcountBits:  1 << h.refcountOrder,
		Compression:   compression,
		ExtendedL2:    h.extendedL2(),
		LazyRefcounts: h.compatibleFeatures&compatLazyRefcounts != 0,
		Dirty:         h.incompatibleFeatures&incompatDirty != 0,
		Corrupt:       h.incompatibleFeatures&incompatCorrupt != 0,
		Encryption:    method,
		Backing:       m.backing,
		BackingFormat: m.ext.backingFormat,
		DataFile:      h.dataFile(),
		DataFileName:  m.ext.dataFile,
		DataFileRaw:   h.autoclearFeatures&autoclearDataFileRaw != 0,
		Features:      h.features(m.ext.names),
		Snapshots:     slices.Clone(m.snapshots),
		Bitmaps:       slices.Clone(m.bitmaps),
	}
}

// Describe returns what the image in r says about itself, and what is odd
// about it. It opens no file that the image names, and it describes images
// that cannot be read, such as encrypted ones.
func Describe(r block.Reader, opts *Options) (Info, []error, error) {
	if opts == nil {
		opts = &Options{}
	}
	m, err := readMetadata(r, opts)
	if err != nil {
		return Info{}, nil, err
	}
	return m.info(), m.problems.All(), nil
}
