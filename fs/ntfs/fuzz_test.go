package ntfs_test

import (
	"bytes"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ntfs"
)

// patched reads an image with bytes of its metadata replaced: so a fuzzer need
// not carry a whole volume.
type patched struct {
	base  []byte
	patch []byte // at off
	off   int64
}

func (p patched) Size() int64 { return int64(len(p.base)) }

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(p.base).ReadAt(b, off)
	if d := p.off - off; d < int64(n) && d > -int64(len(p.patch)) {
		if d >= 0 {
			copy(b[d:n], p.patch)
		} else {
			copy(b[:n], p.patch[-d:])
		}
	}
	return n, err
}

// FuzzNTFS replaces a 1,024-byte MFT record, or what else lies at the place,
// and reads the volume. Where the record is sealed, its fixups are made to
// match.
func FuzzNTFS(f *testing.F) {
	img := fixture(f, "small.img.gz")
	e := newEditor(f)
	for num := range uint64(64 + 150) {
		if off := num * recordSize; off >= uint64(e.records[len(e.records)-1].Off+e.records[len(e.records)-1].Len) {
			break
		}
		off := e.offset(num)
		if num < 12 || num >= 64 && num%7 == 0 {
			f.Add(off, true, bytes.Clone(img[off:off+recordSize]))
		}
	}
	f.Add(int64(0), false, bytes.Clone(img[:512]))
	for off := int64(0); off < int64(len(img)); off += 4096 {
		if string(img[off:off+4]) == "INDX" {
			f.Add(off, true, bytes.Clone(img[off:off+4096]))
		}
	}
	f.Fuzz(func(t *testing.T, off int64, seal bool, patch []byte) {
		if off < 0 || off >= int64(len(img)) || len(patch) > 8192 {
			return
		}
		if seal && len(patch) >= 512 && len(patch)%512 == 0 {
			n := uint16(len(patch)/512 + 1)
			usa := int(patch[4]) | int(patch[5])<<8
			if usa+2*int(n) <= 510 {
				patch = bytes.Clone(patch)
				patch[6], patch[7] = byte(n), byte(n>>8)
				for i := 512; i <= len(patch); i += 512 {
					copy(patch[i-2:i], patch[usa:usa+2])
				}
			}
		}
		var r block.Reader = patched{img, patch, off}
		fsys, err := ntfs.Open(r, &ntfs.Options{CacheBytes: 1})
		if err != nil {
			return
		}
		read(fsys)
		fsys.Info()
		fsys.Problems()
	})
}
