package ntfs_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// wimChunks compresses a file with wimlib and returns the resource of the WIM
// archive: a chunk table and chunks, which is what a WofCompressedData stream
// holds. It is nil if wimlib found that nothing is saved.
func wimChunks(t testing.TB, content []byte, compress, chunk string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), content, 0o666); err != nil {
		t.Fatal(err)
	}
	wim := filepath.Join(t.TempDir(), "x.wim")
	peers.Run(t, "wimlib-imagex", "capture", dir, wim, "--compress="+compress, "--chunk-size="+chunk, "--no-acls", "--threads=1")
	b, err := os.ReadFile(wim)
	if err != nil {
		t.Fatal(err)
	}
	// A resource header: size in 7 bytes, flags, offset, size of the content.
	resource := func(h []byte) (part []byte, flags byte, size uint64) {
		n := binary.LittleEndian.Uint64(h) & (1<<56 - 1)
		off := binary.LittleEndian.Uint64(h[8:])
		return b[off : off+n], h[7], binary.LittleEndian.Uint64(h[16:])
	}
	table, _, _ := resource(b[0x30:])
	for ; len(table) >= 50; table = table[50:] {
		const isMetadata, isCompressed = 0x02, 0x04
		part, flags, size := resource(table)
		if flags&isMetadata == 0 && size == uint64(len(content)) {
			if flags&isCompressed == 0 {
				return nil
			}
			return part
		}
	}
	t.Fatal("the file is not in the WIM")
	return nil
}
