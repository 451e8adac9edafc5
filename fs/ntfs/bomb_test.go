package ntfs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestBombs makes each attribute of the volume that lies in clusters a giant: a hole
// of 8 TiB, the same clusters many times, or many runs of a hole, whatever it is (the
// MFT itself, a directory, a list of attributes, security descriptors, $UpCase, the
// chunks of a packed file). All that can be read is read, in bounded time and memory.
func TestBombs(t *testing.T) {
	le := binary.LittleEndian
	sizes := func(a []byte, clusters uint64) {
		le.PutUint64(a[0x10:], 0)
		le.PutUint64(a[0x18:], clusters-1)
		for _, at := range []int{0x28, 0x30, 0x38} { // allocated, real, initialized
			le.PutUint64(a[at:], clusters*4096)
		}
		if le.Uint16(a[0x0C:])&0x8001 != 0 && le.Uint16(a[0x20:]) >= 0x48 { // sparse or compressed: what it takes
			le.PutUint64(a[0x40:], clusters*4096)
		}
	}
	bombs := []struct {
		name string
		make func(a []byte)
	}{
		{"a hole", func(a []byte) {
			const n = 1 << 31
			pairs := a[le.Uint16(a[0x20:]):]
			if len(pairs) < 7 {
				return
			}
			copy(pairs, "\x05\x00\x00\x00\x80\x00\x00")
			sizes(a, n)
		}},
		{"data and a hole", func(a []byte) {
			pairs := a[le.Uint16(a[0x20:]):]
			first := 1 + int(pairs[0]&15) + int(pairs[0]>>4)
			if pairs[0]>>4 == 0 || len(pairs) < first+7 {
				return
			}
			n := uint64(0)
			for i := int(pairs[0] & 15); i > 0; i-- {
				n = n<<8 | uint64(pairs[i])
			}
			copy(pairs[first:], "\x05\x00\x00\x00\x80\x00\x00")
			sizes(a, n+1<<31)
		}},
		{"the same clusters again", func(a []byte) {
			pairs := a[le.Uint16(a[0x20:]):]
			first := 1 + int(pairs[0]&15) + int(pairs[0]>>4)
			n, length := uint64(0), int(pairs[0]&15)
			for i := length; i > 0; i-- {
				n = n<<8 | uint64(pairs[i])
			}
			total := n
			for at := first; at+length+3 <= len(pairs); at += length + 2 { // no step from the cluster before
				pairs[at] = 0x10 | byte(length)
				copy(pairs[at+1:], pairs[1:1+length])
				pairs[at+1+length], pairs[at+2+length] = 0, 0
				total += n
			}
			sizes(a, total)
		}},
		{"many holes", func(a []byte) {
			pairs := a[le.Uint16(a[0x20:]):]
			total := uint64(0)
			for at := 0; at+3 < len(pairs); at += 2 {
				copy(pairs[at:], "\x01\x7f\x00")
				total += 0x7f
			}
			sizes(a, max(1, total))
		}},
	}
	whole := newEditor(t)
	var records []uint64
	fsys := openBytes(t, whole.img)
	for num := range uint64(24) { // of the filesystem itself
		records = append(records, num)
	}
	fs.WalkDir(fsys, ".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			records = append(records, testimg.Stat(t, fsys, path).Ino)
		}
		return nil
	})
	made, changed := 0, map[string]bool{}
	for _, num := range records {
		var at []int // the attributes in clusters
		whole.record(num, func(b []byte) {
			for off := int(le.Uint16(b[0x14:])); string(b[:4]) == "FILE" && off+0x48 <= len(b) && le.Uint32(b[off:]) != 0xFFFFFFFF && le.Uint32(b[off+4:]) != 0; off += int(le.Uint32(b[off+4:])) {
				if b[off+8] == 1 {
					at = append(at, off)
				}
			}
		})
		for _, off := range at {
			for _, bomb := range bombs {
				e := &editor{t: t, img: bytes.Clone(whole.img), records: whole.records}
				what := ""
				e.record(num, func(b []byte) {
					a := b[off : off+int(le.Uint32(b[off+4:]))]
					old := bytes.Clone(a)
					if bomb.make(a); !bytes.Equal(a, old) {
						what = fmt.Sprintf("record %d, attribute %#x: %s", num, le.Uint32(a), bomb.name)
					}
				})
				if what == "" || changed[what] {
					continue
				}
				made++
				changed[what] = true
				testimg.Guarded(t, what, 64<<20, func() error {
					fsys, err := ntfs.Open(bytes.NewReader(e.img), &ntfs.Options{CacheBytes: 4 << 20})
					if err != nil {
						return err
					}
					fsys.Info()
					if read(fsys); made%8 > 0 && os.Getenv("GUESTKIT_MUTATIONS") == "" {
						return nil // the other way takes ten times as long
					}
					return testimg.Extract(bytes.NewReader(e.img), func(r block.Reader) (vfs.FS, error) {
						return ntfs.Open(r, &ntfs.Options{CacheBytes: 4 << 20})
					}, t.TempDir())
				})
			}
		}
	}
	if t.Logf("%d bombs", made); made < 100 {
		t.Errorf("only %d bombs were made", made)
	}
}
