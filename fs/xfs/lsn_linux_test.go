package xfs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestNewerOnDisk holds the rule of LSNs: a buffer that was written after the
// transaction in the log is not replayed. In a fixture that was shut down amid
// its work a block of a directory, of whose entries the log takes 33, gets
// another LSN. The kernel, which replays it, is the judge.
func TestNewerOnDisk(t *testing.T) {
	const block, lsn = 0x1544000, 1<<32 | 373 // of the transaction
	image := testimg.Unpack(t, "testdata/v5-dirty.img.bz2")
	before := -1
	for _, disk := range []uint64{1<<32 | 2, lsn - 1, lsn, lsn + 1} {
		b := bytes.Clone(image)
		x := b[block:][:4096]
		binary.BigEndian.PutUint64(x[0x10:], disk)
		clear(x[4:8])
		binary.LittleEndian.PutUint32(x[4:], crc32.Checksum(x, crc32.MakeTable(crc32.Castagnoli)))
		fsys, err := xfs.Open(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := fs.ReadDir(fsys, "dirs/many")
		if err != nil {
			t.Fatal(err)
		}
		if before < 0 {
			before = len(entries)
		}
		want := before
		if disk >= lsn {
			want += 33
		}
		if len(entries) != want {
			t.Errorf("LSN %#x: %d entries, want %d", disk, len(entries), want)
		}
		if !peers.Has(t, "xfs_repair") || os.Geteuid() != 0 {
			continue
		}
		t.Run(fmt.Sprintf("kernel %#x", disk), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			says, err := os.ReadDir(filepath.Join(peers.Mount(t, path, "xfs", "nouuid"), "dirs/many"))
			if err != nil || len(says) != want {
				t.Errorf("the kernel shows %d entries, %v; want %d", len(says), err, want)
			}
		})
	}
}
