package xfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// The active part of the log of v5-dirty, as xfs_logprint says: blocks of 512
// bytes from the tail to the head.
const (
	dirtyLog  = (32784 + 292) * 512
	dirtySize = (594 - 292) * 512
)

// sealLog repairs the checksums of records, as far as their headers say where
// they are.
func sealLog(log []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	be := binary.BigEndian
	for len(log) >= 512 && be.Uint32(log) == 0xfeedbabe {
		length, size := be.Uint32(log[0x0c:]), be.Uint32(log[0x140:])
		headers := (min(max(size, 1), 256<<10) + 32<<10 - 1) / (32 << 10)
		end := uint64(headers)*512 + uint64(length)
		if end > uint64(len(log)) {
			return
		}
		clear(log[0x20:0x24])
		c := crc32.Checksum(log[:328], table)
		for i := range headers - 1 {
			c = crc32.Update(c, table, log[(i+1)*512:][:260])
		}
		binary.LittleEndian.PutUint32(log[0x20:], crc32.Update(c, table, log[headers*512:end]))
		log = log[min((end+511)&^511, uint64(len(log))):]
	}
}

// readLog reads a filesystem with a dirty log. What was not replayed must be
// said.
func readLog(t testing.TB, r block.Reader) error {
	fsys, err := xfs.Open(r, &xfs.Options{CacheBytes: 4 << 20})
	if err != nil {
		return err
	}
	if info := fsys.Info(); info.Dirty && !info.Replayed {
		for _, p := range fsys.Problems() {
			if errors.Is(p, block.ErrDirty) {
				return p
			}
		}
		t.Error("a log was not replayed, and no problem says so")
	}
	return walkAll(fsys)
}

// TestUnfinishedIntents has changes that were begun and not ended when the
// machine stopped, which the kernel would end: they are named. Kernels leave
// intents out of the log that they end soon, so the first inode item of v5-dirty
// is made one, and the second the item that ends it.
func TestUnfinishedIntents(t *testing.T) {
	item := []byte{0x3b, 0x12, 2, 0} // an inode, in two regions
	for what, c := range map[string]struct {
		intent, done byte
		replayed     bool
	}{
		"":                            {0x44, 0x45, true},
		"a change of the map of":      {0x44, 0x3b, true},
		"a change of an attribute of": {0x46, 0x45, true}, // what ends another sort
		"an exchange of the contents": {0x48, 0x3b, true},
		"type 0x1277":                 {0x77, 0x3b, false},
	} {
		b := fixture(t, "v5-dirty.img")
		log := b[dirtyLog:][:dirtySize]
		first := bytes.Index(log, item)
		second := first + 4 + bytes.Index(log[first+4:], item)
		ino := binary.LittleEndian.Uint64(log[first+0x10:])
		log[first] = c.intent
		if log[second] = c.done; c.done != 0x3b {
			copy(log[second+8:second+16], log[first+8:]) // the same identity
		}
		sealLog(log)
		fsys := mustOpen(t, bytes.NewReader(b), nil)
		p, info := fsys.Problems(), fsys.Info()
		if !info.Dirty || info.Replayed != c.replayed {
			t.Errorf("%s: %+v", what, info)
		}
		if what == "" {
			if len(p) != 0 {
				t.Errorf("an intent that was ended: %v", p)
			}
			continue
		}
		if len(p) != 1 || !errors.Is(p[0], block.ErrDirty) || !strings.Contains(p[0].Error(), what) || c.replayed && !strings.Contains(p[0].Error(), fmt.Sprint(ino)) {
			t.Errorf("%s, inode %d: problems %v", what, ino, p)
		}
	}
}

// TestLogMutations damages a dirty log; half of the mutants have checksums that
// are right.
func TestLogMutations(t *testing.T) {
	b := fixture(t, "v5-dirty.img")
	log := bytes.Clone(b[dirtyLog:][:dirtySize])
	if sealLog(log); !bytes.Equal(log, b[dirtyLog:][:dirtySize]) {
		t.Fatal("sealing changes a log that nobody has damaged")
	}
	testimg.Mutate(t, testimg.Mutations{Image: b, Where: []testimg.Range{{Off: dirtyLog, N: dirtySize}}, Run: func(r block.Reader) error { return readLog(t, r) },
		Seal: func(p *testimg.Patch, _ []int64) {
			log := bytes.Clone(p.Image[dirtyLog:][:dirtySize])
			sealLog(log)
			p.Write(dirtyLog, log)
		}})
}

// laidOver is an image with other bytes in one place.
type laidOver struct {
	*bytes.Reader
	off  int64
	with []byte
}

func (l *laidOver) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.Reader.ReadAt(p, off)
	if start, end := max(off, l.off), min(off+int64(n), l.off+int64(len(l.with))); start < end {
		copy(p[start-off:end-off], l.with[start-l.off:])
	}
	return n, err
}

func FuzzXFSLog(f *testing.F) {
	base := fixture(f, "v5-dirty.img")
	for _, at := range []uint32{0, 44, 512, 524, 540, 600, 5000, 60000} {
		f.Add(at, []byte{0, 1}, true)
	}
	f.Add(uint32(512+9), []byte{0xff}, true)
	f.Add(uint32(0x0c), []byte{0, 0, 0xff, 0xff}, false)
	f.Fuzz(func(t *testing.T, at uint32, with []byte, seal bool) {
		log := bytes.Clone(base[dirtyLog:][:dirtySize])
		copy(log[int(at)%len(log):], with)
		if seal {
			sealLog(log)
		}
		readLog(t, &laidOver{bytes.NewReader(base), dirtyLog, log})
	})
}
