package qcow2

import (
	"context"
	"encoding/binary"
	"math/bits"

	"github.com/guestkit/guestkit/block"
)

// An Amendment says what of an image is changed; what is nil stays.
type Amendment struct {
	Version       *int  // 2 or 3
	LazyRefcounts *bool // needs version 3
	RefcountBits  *int  // a power of two, 1 to 64; other than 16 needs version 3
	DataFileRaw   *bool // false alone: that the data file is no raw image of the disk
}

// Amend changes the options of an image; the disk stays the same. If it is
// interrupted, the image is as before or as after.
//
// An image that uses what version 2 has not (bitmaps, zstd, extended L2 entries,
// a data file, zero clusters in snapshots) is refused; its zero clusters become
// unallocated ones, or clusters of zeros over a backing file.
func Amend(ctx context.Context, f Storage, a *Amendment) error {
	w, err := change(ctx, f, "amend")
	if err != nil {
		return err
	}
	if a.Version != nil {
		if err := w.setVersion(*a.Version); err != nil {
			return err
		}
	}
	if n := a.RefcountBits; n != nil {
		if *n < 1 || *n > 64 || *n&(*n-1) != 0 {
			return invalid("the refcount width %d is no power of two from 1 to 64", *n)
		}
		w.h.refcountOrder = uint32(bits.TrailingZeros64(uint64(*n)))
	}
	if on := a.LazyRefcounts; on != nil {
		w.h.compatibleFeatures &^= compatLazyRefcounts
		if *on {
			w.h.compatibleFeatures |= compatLazyRefcounts
		}
	}
	if raw := a.DataFileRaw; raw != nil {
		if *raw && w.h.autoclearFeatures&autoclearDataFileRaw == 0 {
			return block.Errorf(format, "amend", -1, block.ErrUnsupported, "the data file would have to be laid out anew; convert the image with data_file_raw=on")
		}
		if !*raw {
			w.h.autoclearFeatures &^= autoclearDataFileRaw
		}
	}
	if w.h.version < 3 && (w.h.refcountOrder != 4 || w.h.compatibleFeatures&compatLazyRefcounts != 0) {
		return invalid("version 2 has refcounts of 16 bits that are not lazy; add refcount_bits=16,lazy_refcounts=off, or compat=1.1")
	}
	return w.commit()
}

// setVersion changes the version of the header, and of the tables what that one
// has not.
func (w *rewrite) setVersion(version int) error {
	h := &w.h
	switch {
	case version != 2 && version != 3:
		return invalid("version %d is not 2 or 3", version)
	case uint32(version) == h.version:
		return nil
	}
	h.version = uint32(version)
	w.setExtension(0, nil) // the header has another length
	if version == 3 {
		entries, err := w.snapshotEntries()
		if err != nil {
			return err
		}
		for _, e := range entries {
			if n := binary.BigEndian.Uint32(e[0x24:]); n < 16 {
				return block.Errorf(format, "amend", -1, block.ErrUnsupported, "a snapshot has %d bytes of extra data, and version 3 demands 16; delete it first", n)
			}
		}
		h.headerLength = headerLenKnown
		w.setExtension(extFeatureNames, knownFeatureNames())
		return nil
	}
	for _, x := range []struct {
		has  bool
		what string
	}{
		{len(w.bitmaps) > 0, "bitmaps"},
		{h.extendedL2(), "extended L2 entries"},
		{h.dataFile(), "a data file"},
		{h.compressionType != compressionZlib, "clusters compressed with zstd"},
		{h.cryptMethod == cryptLUKS, "LUKS encryption"},
	} {
		if x.has {
			return block.Errorf(format, "amend", -1, block.ErrUnsupported, "the image has %s, and version 2 has none", x.what)
		}
	}
	h.headerLength = headerLenV2
	h.compatibleFeatures &^= compatLazyRefcounts
	w.setExtension(extFeatureNames, nil)
	for _, s := range w.snapshots {
		l1, err := block.ReadBytes(w.f, int64(s.l1Offset), int64(s.l1Size)*8, w.lim.L1Table)
		if err != nil {
			return err
		}
		err = w.eachL2(l1, func(_, off int64, l2 []byte) error {
			for at := int64(0); at < int64(len(l2)); at += 8 {
				if e := tableEntry(l2, at); e&flagCompressed == 0 && e&flagZero != 0 {
					return block.Errorf(format, "amend", off+at, block.ErrUnsupported, "the snapshot %q has zero clusters, and version 2 has none; delete it first", s.Name)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	zeros := make([]byte, h.clusterSize())
	return w.eachL2(w.l1, func(i, _ int64, l2 []byte) error {
		changed := false
		for at := int64(0); at < int64(len(l2)); at += 8 {
			e := tableEntry(l2, at)
			if e&flagCompressed != 0 || e&flagZero == 0 {
				continue
			}
			w.freeEntry(e)
			e = 0
			if w.backing != "" {
				off, err := w.putTable(zeros)
				if err != nil {
					return err
				}
				e = uint64(off) | flagCopied
			}
			binary.BigEndian.PutUint64(l2[at:], e)
			changed = true
		}
		if changed {
			return w.putL2(i, l2)
		}
		return nil
	})
}
