//go:build linux

package xfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"golang.org/x/sys/unix"
)

// counted counts reads and their bytes.
type counted struct {
	block.Reader
	reads, bytes atomic.Int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	c.bytes.Add(int64(len(p)))
	return c.Reader.ReadAt(p, off)
}

// TestLargeDirectory has 100,000 names in one directory and, where GUESTKIT_LARGE
// is set, 250,000, so that the hash index has nodes above nodes. One name is
// found by a few reads.
func TestLargeDirectory(t *testing.T) {
	name := func(i int) string { return fmt.Sprintf("%d-%x", i, i*2654435761) }
	for _, v := range []struct {
		names int
		level byte // of the root of the index
	}{{100_000, 1}, {250_000, 2}} {
		names := v.names
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			if v.level > 1 && os.Getenv("GUESTKIT_LARGE") == "" {
				t.Skip("GUESTKIT_LARGE is not set")
			}
			img := newImage(t, 400<<20)
			dir := peers.Mount(t, img, "xfs")
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "many"), 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range names {
				if err := os.Link(filepath.Join(dir, "file"), filepath.Join(dir, "many", name(i))); err != nil {
					t.Fatal(err)
				}
			}
			peers.Unmount(t, dir)
			if level := peers.Run(t, "xfs_db", "-r", "-c", "path /many", "-c", "dblock "+fmt.Sprint(1<<35/blockSize(t, img)), "-c", "print nhdr.level", img); level != fmt.Sprintf("nhdr.level = %d\n", v.level) {
				t.Errorf("the root of the index: %q", level)
			}

			c := &counted{Reader: testimg.File(t, img)}
			fsys, err := xfs.Open(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			entries, err := fs.ReadDir(fsys, "many")
			if err != nil || len(entries) != names {
				t.Fatalf("%d names, %v", len(entries), err)
			}
			have := make(map[string]bool, names)
			for _, e := range entries {
				have[e.Name()] = true
			}
			for i := range names {
				if !have[name(i)] {
					t.Fatalf("%s is not listed", name(i))
				}
			}
			for i := 0; i < names; i += 997 {
				if _, err := fs.Stat(fsys, "many/"+name(i)); err != nil {
					t.Error(err)
				}
				if _, err := fs.Stat(fsys, "many/no-"+name(i)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("a name that is not there: %v", err)
				}
			}
			if fsys, err = xfs.Open(c, nil); err != nil {
				t.Fatal(err)
			}
			reads, bytes := c.reads.Load(), c.bytes.Load()
			if _, err := fs.Stat(fsys, "many/"+name(77_777)); err != nil {
				t.Error(err)
			}
			reads, bytes = c.reads.Load()-reads, c.bytes.Load()-bytes
			if reads > 12 || bytes > 128<<10 {
				t.Errorf("one name took %d reads of %d bytes", reads, bytes)
			}
			t.Logf("one name of %d: %d reads, %d bytes", names, reads, bytes)

			_, err = fs.ReadDir(mustOpen(t, c, &xfs.Options{MaxDirEntries: 1000}), "many")
			if !errors.Is(err, block.ErrLimit) {
				t.Errorf("more names than the option allows: %v", err)
			}
		})
	}
}

// TestManyAttributes has so many attributes on one file that their hash index, in
// blocks of 1 KiB, has nodes above nodes.
func TestManyAttributes(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "xfs_db")
	img := newImage(t, 320<<20, "-b", "size=1024")
	dir := peers.Mount(t, img, "xfs")
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range 4000 {
		if err := unix.Setxattr(path, fmt.Sprintf("user.%d", i), bytes.Repeat([]byte{byte(i)}, i%50), 0); err != nil {
			t.Fatal(err)
		}
	}
	peers.Unmount(t, dir)
	if level := peers.Run(t, "xfs_db", "-r", "-c", "path /file", "-c", "ablock 0", "-c", "print hdr.level", img); level != "hdr.level = 2\n" {
		t.Errorf("the root of the index: %q", level)
	}
	compareWithKernel(t, img, nil)
}

// blockSize reads the size of blocks from the superblock.
func blockSize(t *testing.T, img string) int64 {
	t.Helper()
	b := make([]byte, 8)
	if _, err := testimg.File(t, img).ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return int64(b[4])<<24 | int64(b[5])<<16 | int64(b[6])<<8 | int64(b[7])
}

// TestExternalLog reads a filesystem whose log, on another device, was not
// empty.
func TestExternalLog(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "xfs_io")
	logImg := filepath.Join(t.TempDir(), "log.img")
	if err := os.WriteFile(logImg, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(logImg, 64<<20); err != nil {
		t.Fatal(err)
	}
	img := newImage(t, 320<<20, "-l", "logdev="+logImg+",size=64m")
	loop := peers.Loop(t, logImg)
	dir := peers.Mount(t, img, "xfs", "logdev="+loop)
	for i := range 100 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file-", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shutdown(t, dir, "shutdown -f")
	dataCopy, logCopy := copyImage(t, img), copyImage(t, logImg)

	file := testimg.File(t, dataCopy)
	fsys := mustOpen(t, file, nil)
	p := fsys.Problems()
	if len(p) != 1 || !errors.Is(p[0], block.ErrDirty) || !errors.Is(p[0], block.ErrMissing) || fsys.Info().Replayed {
		t.Errorf("without the log: %v, %+v", p, fsys.Info())
	}
	fsys = mustOpen(t, file, &xfs.Options{Log: testimg.File(t, logCopy)})
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil || len(fsys.Problems()) != 0 || !fsys.Info().Replayed {
		t.Fatalf("with the log: %v, %v, %+v", err, fsys.Problems(), fsys.Info())
	}
	dir = peers.Mount(t, img, "xfs", "noatime", "logdev="+loop)
	want, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	peers.Unmount(t, dir)
	if len(want) != 101 {
		t.Errorf("the kernel sees %d paths", len(want))
	}
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
}

// TestRealtime has a file whose blocks are on the realtime device. No kernel at
// hand writes one, so xfs_db says so of an ordinary file, and where its blocks
// are.
func TestRealtime(t *testing.T) {
	peers.Need(t, "xfs_db")
	dir := t.TempDir()
	payload := make([]byte, 300_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	proto, data, rt := filepath.Join(dir, "proto"), filepath.Join(dir, "payload"), filepath.Join(dir, "rt.img")
	for name, b := range map[string][]byte{data: payload, proto: []byte("/\n0 0\nd--755 0 0\nfile ---644 0 0 " + data + "\n$\n"), rt: nil} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(rt, 64<<20); err != nil {
		t.Fatal(err)
	}
	img := newImage(t, 320<<20, "-r", "rtdev="+rt+",extsize=64k", "-p", proto)
	out := peers.Run(t, "xfs_db", "-r", "-c", "path /file", "-c", "bmap", img)
	var start, count int64
	if _, err := fmt.Sscanf(strings.ReplaceAll(out, "(0/", "( "), "data offset 0 startblock %d ( %d) count %d", &start, new(int64), &count); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	peers.Run(t, "xfs_db", "-x", "-c", "path /file", "-c", "write core.realtime 1", img)
	moved := bytes.Clone(payload)
	for i := range moved {
		moved[i] ^= 0x55 // not what the data device has there
	}
	f, err := os.OpenFile(rt, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(moved, start*4096); err != nil {
		t.Fatal(err)
	}
	f.Close()
	file := testimg.File(t, img)
	if b, err := fs.ReadFile(mustOpen(t, file, &xfs.Options{Realtime: testimg.File(t, rt)}), "file"); err != nil || !bytes.Equal(b, moved) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	fsys := mustOpen(t, file, nil)
	if fi, err := fs.Stat(fsys, "file"); err != nil || fi.Size() != int64(len(payload)) {
		t.Errorf("%v, %v", fi, err)
	}
	if _, err := fs.ReadFile(fsys, "file"); !errors.Is(err, block.ErrMissing) {
		t.Errorf("without the device: %v", err)
	}
	if _, err := fs.ReadFile(mustOpen(t, file, &xfs.Options{Realtime: bytes.NewReader(moved[:8192])}), "file"); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("with a device that is cut: %v", err)
	}
}
