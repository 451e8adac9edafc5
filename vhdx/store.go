package vhdx

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/overlays"
	"github.com/guestkit/guestkit/internal/wide"
)

// blocks is how many blocks the disk has.
func (im *Image) blocks() int64 { return (im.m.size + im.m.blockSize - 1) / im.m.blockSize }

// block is the part of the disk that block i holds.
func (im *Image) block(i int64) block.Range {
	off := i * im.m.blockSize
	return block.Range{Off: off, Len: min(im.m.blockSize, im.m.size-off)}
}

// partials lists the blocks of which the image holds but some sectors.
func (im *Image) partials() (out []block.Range, err error) {
	for i := range im.blocks() {
		state, _, err := im.blockEntry(i)
		if err != nil {
			return nil, err
		}
		if state == blockPartiallyPresent {
			out = append(out, im.block(i))
		}
	}
	return out, nil
}

// store lets the given parts of the disk hold what from reads there. Blocks that the
// image does not hold as a whole are there as a whole from then on: it writes what
// nothing leads to yet, and the BAT changes through the log. Of blocks that are there
// already, an interrupted run leaves any bytes.
func (s *session) store(ctx context.Context, im *Image, parts []block.Range, from block.Device) error {
	buf := make([]byte, mib)
	end, err := im.end()
	if err != nil {
		return err
	}
	var changes []blocks.Change
	for len(parts) > 0 {
		i := parts[0].Off / im.m.blockSize
		whole := im.block(i)
		part := block.Range{Off: parts[0].Off, Len: min(parts[0].Len, whole.Off+whole.Len-parts[0].Off)}
		if rest := parts[0].Len - part.Len; rest > 0 && part.Off+part.Len < im.m.size {
			parts[0] = block.Range{Off: part.Off + part.Len, Len: rest}
		} else {
			parts = parts[1:]
		}
		state, at, err := im.blockEntry(i)
		if err != nil {
			return err
		}
		entry := i + i/im.chunk
		if last := len(changes) - 1; last >= 0 && changes[last].I == entry {
			continue // all of it is there
		}
		switch state {
		case blockFullyPresent:
			if err := s.copy(ctx, from, part, at+part.Off-whole.Off, buf); err != nil {
				return err
			}
			continue
		case blockPartiallyPresent:
		default:
			zero, err := overlays.Zeros(from, whole)
			switch {
			case err != nil:
				return err
			case zero && (state != blockNotPresent || !im.m.hasParent):
				continue
			case zero:
				changes = append(changes, blocks.Change{I: entry, V: blockZero})
				continue
			}
			at = end
			end += im.m.blockSize
			if err := s.f.Truncate(end); err != nil {
				return err
			}
		}
		if err := s.copy(ctx, from, whole, at, buf); err != nil {
			return err
		}
		changes = append(changes, blocks.Change{I: entry, V: uint64(at) | blockFullyPresent})
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	return s.writeBAT(im.bat, changes)
}

// copy copies a part of a disk to a place of the file.
func (s *session) copy(ctx context.Context, from block.Reader, part block.Range, at int64, buf []byte) error {
	for done := int64(0); done < part.Len; done += int64(len(buf)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b := buf[:min(int64(len(buf)), part.Len-done)]
		if err := block.ReadFull(from, b, part.Off+done); err != nil {
			return err
		}
		if _, err := s.f.WriteAt(b, at+done); err != nil {
			return err
		}
	}
	return nil
}

// end is where the file ends, in whole MiB, and all blocks: the last one may end with
// the disk, where the file is cut.
func (im *Image) end() (int64, error) {
	end := im.dev.Size()
	if n := im.blocks(); n > 0 {
		_, at, err := im.blockEntry(n - 1)
		if err != nil {
			return 0, err
		}
		if at > 0 {
			end = max(end, at+im.m.blockSize)
		}
	}
	return (end + mib - 1) / mib * mib, nil
}

// dropBitmaps takes the sector bitmaps out of the BAT, which no block needs.
func (s *session) dropBitmaps(im *Image) error {
	var changes []blocks.Change
	for chunk := range (im.blocks() + im.chunk - 1) / im.chunk {
		present, _, err := im.bitmapEntry(chunk)
		if err != nil {
			return err
		}
		if present {
			changes = append(changes, blocks.Change{I: im.bitmapIndex(chunk)})
		}
	}
	return s.writeBAT(im.bat, changes)
}

const (
	linkageKey = "parent_linkage"
	secondKey  = "parent_linkage2"
)

// relink changes what the metadata say of the parent, through the log at once: the
// keys of its locator, or with none that there is no parent.
func (s *session) relink(im *Image, keys map[string]string) error {
	const most = 16 * mib
	n := im.meta.end - im.meta.off
	if n > most {
		return block.Errorf(format, "metadata region", im.meta.off, block.ErrLimit, "it has %d bytes, and at most %d are changed", n, int64(most))
	}
	old, err := block.ReadBytes(s.f, im.meta.off, n, most)
	if err != nil {
		return block.Locate(format, "metadata region", im.meta.off, err)
	}
	b := bytes.Clone(old)
	if err := relinked(b, keys); err != nil {
		return block.Locate(format, "metadata region", im.meta.off, err)
	}
	var pages []page
	for at := 0; at < len(b); at += logSector {
		if p := b[at : at+logSector]; !bytes.Equal(p, old[at:at+logSector]) {
			pages = append(pages, page{im.meta.off + int64(at), p})
		}
	}
	if most := (int(s.h.logLength)/logSector - 1) * 120 / 128; len(pages) > most {
		return block.Errorf(format, "parent locator", -1, block.ErrLimit, "%d pages would change, and the log holds %d", len(pages), most)
	}
	return s.write(pages)
}

// relinked changes the metadata region b, which was read before.
func relinked(b []byte, keys map[string]string) error {
	le := binary.LittleEndian
	count := int(le.Uint16(b[10:]))
	var all []metadataEntry
	for i := range count {
		var e metadataEntry
		e.decode(b[32+32*i:])
		if int64(e.offset)+int64(e.length) > int64(len(b)) { // reading passes over what it does not know
			return block.Errorf(format, "metadata table entry", -1, block.ErrCorrupt, "item %s lies outside of the region", e.id)
		}
		all = append(all, e)
	}
	at := slices.IndexFunc(all, func(e metadataEntry) bool { return e.is(itemParentLocator) })
	if at < 0 {
		return block.ErrCorrupt
	}
	end := int64(metadataTableSize) // of what the others have
	for i, e := range all {
		if i == at {
			continue
		}
		if l := all[at]; e.offset < l.offset+l.length && l.offset < e.offset+e.length {
			return block.Errorf(format, "metadata table entry", -1, block.ErrCorrupt, "item %s lies over the parent locator", e.id)
		}
		end = max(end, int64(e.offset)+int64(e.length))
	}
	clear(b[32 : 32+32*count])
	if keys == nil {
		e := all[at]
		clear(b[e.offset : e.offset+e.length])
		all = slices.Delete(all, at, at+1)
	} else {
		item := encodeLocator(keys)
		e := &all[at]
		clear(b[e.offset : e.offset+e.length])
		if len(item) > int(e.length) {
			if end = (end + 7) &^ 7; end+int64(len(item)) > int64(len(b)) {
				return block.Errorf(format, "parent locator", -1, block.ErrUnsupported, "the metadata region has no room for its %d bytes", len(item))
			}
			e.offset = uint32(end)
		}
		e.length = uint32(len(item))
		copy(b[e.offset:], item)
	}
	for i, e := range all {
		e.encode(b[32+32*i:])
		if e.is(itemFileParameters) && keys == nil {
			flags := b[e.offset+4:]
			le.PutUint32(flags, le.Uint32(flags)&^2)
		}
	}
	le.PutUint16(b[10:], uint16(len(all)))
	return nil
}

// encodeLocator encodes a parent locator (section 2.6.2.6).
func encodeLocator(keys map[string]string) []byte {
	le := binary.LittleEndian
	b := make([]byte, 20+12*len(keys))
	copy(b, locatorVHDX[:])
	le.PutUint16(b[18:], uint16(len(keys)))
	for i, key := range slices.Sorted(maps.Keys(keys)) {
		e := 20 + 12*i
		for j, text := range []string{key, keys[key]} {
			at := len(b)
			b = wide.Append(b, text, binary.LittleEndian)
			le.PutUint32(b[e+4*j:], uint32(at))
			le.PutUint16(b[e+8+2*j:], uint16(len(b)-at))
		}
	}
	return b
}
