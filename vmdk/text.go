package vmdk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// While a descriptor is written that takes more than one sector, the header leads to
// a copy of it at the end of the file: then this mark is in the header, and where the
// descriptor belongs.
const (
	textMark = "GKTD"
	textAt   = awayAt + awaySize
	textSize = 4 + 8
)

// text reads the descriptor, with all that fills up its room.
func (s *editor) text() ([]byte, error) {
	off := int64(s.h.descriptorOffset) * sectorSize
	b, err := block.ReadBytes(s.f, off, int64(s.h.descriptorSize)*sectorSize, MaxDescriptor+1)
	return b, block.Locate(format, "descriptor", off, err)
}

// withKeys returns the descriptor as it is and with other values, by their keys; an
// empty one takes a key out. Both fill up its room.
func (s *editor) withKeys(keys ...[2]string) (old, now []byte, err error) {
	if old, err = s.text(); err != nil {
		return nil, nil, err
	}
	now, _, _ = bytes.Cut(old, []byte{0}) // behind it nobody reads
	for _, kv := range keys {
		now = withKey(now, kv[0], kv[1])
	}
	if len(now) > len(old) {
		return nil, nil, block.Errorf(format, "descriptor", int64(s.h.descriptorOffset)*sectorSize, block.ErrUnsupported, "it has room for %d bytes, and %d are needed", len(old), len(now))
	}
	return old, append(now[:len(now):len(now)], make([]byte, len(old)-len(now))...), nil
}

// setKeys lets the descriptor have other values, as withKeys does. It has the old ones
// or the new ones, whatever interrupts it.
func (s *editor) setKeys(keys ...[2]string) error {
	old, now, err := s.withKeys(keys...)
	if err != nil {
		return err
	}
	home := int64(s.h.descriptorOffset) * sectorSize
	first, last := differing(old, now)
	switch {
	case first < 0:
		return nil
	case first == last:
		return s.write(now[first*sectorSize:][:sectorSize], home+int64(first)*sectorSize)
	}
	at := (s.size + sectorSize - 1) / sectorSize * sectorSize
	if err := s.write(now, at); err != nil {
		return err
	}
	if err := s.putTextPlace(uint64(at/sectorSize), s.h.descriptorOffset); err != nil {
		return err
	}
	return s.textHome(now, s.h.descriptorOffset)
}

// differing are the first and the last sector in which two texts of one length differ;
// -1 if they do not.
func differing(old, now []byte) (first, last int) {
	first, last = -1, -1
	for off := 0; off < len(old); off += sectorSize {
		if end := min(off+sectorSize, len(old)); !bytes.Equal(old[off:end], now[off:end]) {
			if last = off / sectorSize; first < 0 {
				first = last
			}
		}
	}
	return first, last
}

// textHome writes the descriptor to its place, and leads the header there.
func (s *editor) textHome(b []byte, sector uint64) error {
	if err := s.write(b, int64(sector)*sectorSize); err != nil {
		return err
	}
	if err := s.putTextPlace(sector, 0); err != nil {
		return err
	}
	if s.size < s.f.Size() {
		if err := s.f.Truncate(s.size); err != nil {
			return err
		}
	}
	return s.f.Sync()
}

// putTextPlace changes in the header where the descriptor lies; home, if not 0, is
// where it belongs.
func (s *editor) putTextPlace(sector, home uint64) error {
	b, err := block.ReadBytes(s.f, 0, headerSize, headerSize)
	if err != nil {
		return block.Locate(format, "sparse header", 0, err)
	}
	binary.LittleEndian.PutUint64(b[0x1c:], sector)
	clear(b[textAt : textAt+textSize])
	if home != 0 {
		copy(b[textAt:], textMark)
		binary.LittleEndian.PutUint64(b[textAt+4:], home)
	}
	return s.write(b, 0)
}

// textBack ends what an interrupted run has left of a change of the descriptor.
func (s *editor) textBack() (back bool, err error) {
	b, err := block.ReadBytes(s.f, textAt, textSize, textSize)
	if err != nil || string(b[:4]) != textMark {
		return false, block.Locate(format, "sparse header", textAt, err)
	}
	home := binary.LittleEndian.Uint64(b[4:])
	if now := s.h.descriptorOffset; home == 0 || home > now || s.h.descriptorSize > now-home {
		return false, block.Errorf(format, "sparse header", textAt, block.ErrCorrupt, "the descriptor at sector %d does not belong to sector %d", now, home)
	}
	text, err := s.text()
	if err != nil {
		return false, err
	}
	// The image may have been written to since: then the copy is not at the end.
	at, room := int64(s.h.descriptorOffset)*sectorSize, int64(home)*sectorSize
	end := int64(0)
	taken := func(what string, off, n int64) error {
		if off < room+int64(len(text)) && off+n > room {
			return block.Errorf(format, "sparse header", textAt, block.ErrCorrupt, "the descriptor belongs to sector %d, where the %s is", home, what)
		}
		end = max(end, off+n)
		return nil
	}
	tables, err := s.tables()
	if err != nil {
		return false, err
	}
	for _, t := range tables {
		if t.off == at {
			continue // the copy
		}
		if err := taken(t.what, t.off, t.end-t.off); err != nil {
			return false, err
		}
	}
	err = s.each(func(i int64, p place) error {
		return taken(fmt.Sprintf("grain %d", i), p.off, s.g.need(i))
	})
	if err != nil {
		return false, err
	}
	if end <= at {
		s.size = at
	}
	return true, s.textHome(text, home)
}

func (s *editor) write(b []byte, off int64) error {
	if _, err := s.f.WriteAt(b, off); err != nil {
		return err
	}
	return s.f.Sync()
}

// withKey replaces the line of a key of a descriptor, or adds one: of the disk data
// base at the end, others behind the createType. An empty value takes the line out.
func withKey(text []byte, key, value string) []byte {
	var out []byte
	line := ""
	if value != "" {
		line = fmt.Sprintf("%s=%s\n", key, value)
	}
	at := -1 // where the line would go
	for l := range bytes.Lines(text) {
		k, _, _ := bytes.Cut(l, []byte("="))
		k = bytes.TrimSpace(k)
		if strings.EqualFold(string(k), key) {
			out = append(out, line...)
			line, at = "", -1
			continue
		}
		out = append(out, l...)
		if strings.EqualFold(string(k), "createType") {
			at = len(out)
		}
	}
	switch {
	case line == "":
		return out
	case at < 0 || strings.HasPrefix(key, "ddb."):
		if n := len(out); n > 0 && out[n-1] != '\n' {
			out = append(out, '\n')
		}
		return append(out, line...)
	}
	return append(out[:at:at], append([]byte(line), out[at:]...)...)
}
