package qcow2

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// The types of header extensions.
const (
	extEnd           = 0x00000000
	extBackingFormat = 0xe2792aca
	extFeatureNames  = 0x6803f857
	extBitmaps       = 0x23852875
	extCrypto        = 0x0537be77
	extDataFile      = 0x44415441
)

// An extension is one header extension: its type, the length of its data, and
// the data padded to 8 bytes.
type extension struct {
	typ  uint32 // 0x00
	data []byte // from 0x08; 0x04 is its length
	off  int64  // where the data lies in the file
}

// decodeExtensions splits the part of the first cluster that lies between the
// header and the name of the backing file; off is where area lies in the file.
func decodeExtensions(area []byte, off int64) ([]extension, error) {
	var out []extension
	for pos := 0; len(area)-pos >= 8; {
		typ := binary.BigEndian.Uint32(area[pos:])
		n := int64(binary.BigEndian.Uint32(area[pos+4:]))
		if typ == extEnd {
			break
		}
		at := off + int64(pos)
		pos += 8
		if n > int64(len(area)-pos) {
			return nil, corrupt("header extension", at, "its %d bytes leave the area of the extensions", n)
		}
		out = append(out, extension{typ: typ, data: area[pos : pos+int(n)], off: off + int64(pos)})
		pos += int(n+7) &^ 7
	}
	return out, nil
}

// encodeExtensions writes extensions and the one that ends them.
func encodeExtensions(exts []extension) []byte {
	var b []byte
	for _, e := range exts {
		b = binary.BigEndian.AppendUint32(b, e.typ)
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.data)))
		b = append(b, e.data...)
		b = append(b, make([]byte, -len(e.data)&7)...)
	}
	return append(b, make([]byte, 8)...)
}

// extensions is what the header extensions say.
type extensions struct {
	all           []extension
	backingFormat string
	dataFile      string
	names         featureNames
	bitmaps       *extension
}

// readExtensions reads the first cluster as far as it says something, and
// returns the name of the backing file with the extensions.
func readExtensions(r block.Reader, h *header) (ext extensions, backing string, err error) {
	end := h.clusterSize()
	if h.backingFileOffset != 0 {
		end = int64(h.backingFileOffset) + int64(h.backingFileSize)
	}
	first, err := block.ReadBytes(r, 0, min(end, r.Size()), h.clusterSize())
	if err != nil {
		return ext, "", block.Locate(format, "header", 0, err)
	}
	area := first
	if h.backingFileOffset != 0 {
		if end > r.Size() {
			return ext, "", block.Errorf(format, "backing file name", int64(h.backingFileOffset), block.ErrTruncated, "")
		}
		if h.backingFileOffset < uint64(h.headerLength) {
			return ext, "", corrupt("header backing_file_offset", 0x08, "the name at %#x lies over the header", h.backingFileOffset)
		}
		backing = string(first[h.backingFileOffset:])
		area = first[:h.backingFileOffset]
	}
	if int(h.headerLength) < len(area) {
		ext.all, err = decodeExtensions(area[h.headerLength:], int64(h.headerLength))
	}
	for i, e := range ext.all {
		switch e.typ {
		case extBackingFormat:
			ext.backingFormat = string(e.data)
		case extDataFile:
			ext.dataFile = string(e.data)
		case extFeatureNames:
			ext.names = featureNames(e.data)
		case extBitmaps:
			ext.bitmaps = &ext.all[i]
		}
	}
	return ext, backing, err
}
