package xfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/fs/xfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// readAll reads every name, and the beginning of every file.
func readAll(r block.Reader) error {
	fsys, err := xfs.Open(r, &xfs.Options{CacheBytes: 4 << 20})
	if err != nil {
		return err
	}
	return walkAll(fsys)
}

func walkAll(fsys vfs.FS) error {
	var first error
	note := func(err error) {
		if err != nil && first == nil {
			first = err
		}
	}
	seen := 0
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if seen++; seen > 3000 {
			return fs.SkipAll
		}
		if err != nil {
			note(err)
			return nil
		}
		fi, err := d.Info()
		if err != nil {
			note(err)
			return nil
		}
		switch {
		case fi.Mode().IsRegular():
			f, err := fsys.Open(p)
			if err != nil {
				note(err)
				return nil
			}
			_, err = io.CopyN(io.Discard, f, 64<<10)
			if err != io.EOF {
				note(err)
			}
			f.Close()
		case fi.Mode()&fs.ModeSymlink != 0:
			_, err := fsys.ReadLink(p)
			note(err)
		}
		_, err = fsys.Xattrs(p)
		note(err)
		return nil
	})
	note(err)
	return first
}

func TestHostileSuperblock(t *testing.T) {
	base := fixture(t, "v4.img")
	be := binary.BigEndian
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"S01 block size 0":   {func(b []byte) { be.PutUint32(b[0x04:], 0) }, block.ErrCorrupt},
		"S02 agblocks 0":     {func(b []byte) { be.PutUint32(b[0x54:], 0) }, block.ErrCorrupt},
		"S03 agcount":        {func(b []byte) { be.PutUint32(b[0x58:], 0xffffffff) }, block.ErrLimit},
		"S05 inode size 0":   {func(b []byte) { be.PutUint16(b[0x68:], 0) }, block.ErrCorrupt},
		"S06 root inode":     {func(b []byte) { be.PutUint64(b[0x38:], 1<<64-1) }, block.ErrCorrupt},
		"no magic":           {func(b []byte) { b[0] = 0 }, block.ErrFormat},
		"unknown v4 feature": {func(b []byte) { be.PutUint32(b[0xc8:], be.Uint32(b[0xc8:])|1<<30) }, block.ErrUnsupported},
	} {
		b := bytes.Clone(base)
		c.change(b)
		err := readAll(bytes.NewReader(b))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := readAll(bytes.NewReader(base[:len(base)/2])); err == nil {
		t.Error("half of an image reads without an error")
	}
}

// sealSuperblock repairs the CRC of a version 5 superblock.
func sealSuperblock(b []byte) {
	clear(b[224:228])
	binary.LittleEndian.PutUint32(b[224:], crc32.Checksum(b[:512], crc32.MakeTable(crc32.Castagnoli)))
}

func TestUnknownFeatureOfVersion5(t *testing.T) {
	b := fixture(t, "ci.img")
	sealSuperblock(b)
	if err := readAll(bytes.NewReader(b)); err != nil {
		t.Fatalf("with its own bits: %v", err)
	}
	b[0xd8] |= 0x80 // S04: incompatible bit 31
	sealSuperblock(b)
	if err := readAll(bytes.NewReader(b)); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("S04: %v, want ErrUnsupported", err)
	}
}

func TestMutations(t *testing.T) {
	for _, name := range []string{"v4-ftype", "ci"} {
		t.Run(name, func(t *testing.T) {
			b := fixture(t, name+".img")
			tr := &testimg.Trace{Reader: bytes.NewReader(b)}
			fsys, err := xfs.Open(tr, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fs.ReadDir(fsys, "dirs/leaf"); err != nil {
				t.Fatal(err)
			}
			testimg.Mutate(t, testimg.Mutations{Image: b, Where: tr.Ranges(), Run: readAll, Seal: func(p *testimg.Patch, changed []int64) {
				if name == "ci" {
					h := bytes.Clone(p.Image[:512])
					sealSuperblock(h)
					p.Write(224, h[224:228])
				}
			}, N: 100})
		})
	}
}

func FuzzXFS(f *testing.F) {
	base := fixture(f, "v4-ftype.img")
	f.Add(uint32(0x04), []byte{0, 0, 16, 0})
	f.Add(uint32(64*512), []byte("IN"))
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		b := bytes.Clone(base)
		copy(b[int(at)%len(b):], with)
		readAll(bytes.NewReader(b))
	})
}
