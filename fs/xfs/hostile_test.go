package xfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
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
	// S04 is bit 31.
	for bit, name := range map[int]string{31: "bit 31", 11: "bit 11"} {
		c := bytes.Clone(b)
		binary.BigEndian.PutUint32(c[0xd8:], binary.BigEndian.Uint32(c[0xd8:])|1<<bit)
		sealSuperblock(c)
		if err := readAll(bytes.NewReader(c)); !errors.Is(err, block.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("S04, %s: %v, want ErrUnsupported", name, err)
		}
	}
}

// seal repairs the checksums of version 5 over the structures that hold the
// changed bytes: inodes, blocks of the filesystem, and directory blocks.
func seal(p *testimg.Patch, changed []int64) {
	const inodeSize, blockSize, dirBlockSize = 512, 1024, 4096 // of the fixture
	fix := func(start, size int64, crc int) {
		b := bytes.Clone(p.Image[start : start+size])
		clear(b[crc : crc+4])
		p.Write(start+int64(crc), binary.LittleEndian.AppendUint32(nil, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))))
	}
	for _, off := range changed {
		if off < 0 || off >= int64(len(p.Image)) {
			continue
		}
		if off < inodeSize {
			fix(0, inodeSize, 224)
		}
		if at := off &^ (inodeSize - 1); string(p.Image[at:at+2]) == "IN" {
			fix(at, inodeSize, 100)
			continue
		}
		at := off &^ (blockSize - 1)
		switch magic := string(p.Image[at : at+4]); {
		case magic == "BMA3":
			fix(at, blockSize, 0x40)
			continue
		case magic == "XSLM" || magic == "XARM":
			fix(at, blockSize, 0x0c)
			continue
		case string(p.Image[at+8:at+10]) == "\x3b\xee":
			fix(at, blockSize, 0x0c)
			continue
		}
		for back := int64(0); back < dirBlockSize && at >= back && at-back+dirBlockSize <= int64(len(p.Image)); back += blockSize {
			b := p.Image[at-back:]
			if magic := string(b[:4]); magic == "XDB3" || magic == "XDD3" {
				fix(at-back, dirBlockSize, 4)
				break
			}
			if magic := string(b[8:10]); magic == "\x3d\xf1" || magic == "\x3d\xff" || magic == "\x3e\xbe" {
				fix(at-back, dirBlockSize, 0x0c)
				break
			}
		}
	}
}

// TestMutations damages what reading a whole tree looks at, but for contents.
func TestMutations(t *testing.T) {
	for _, name := range []string{"v4", "v4-ftype", "ci"} {
		t.Run(name, func(t *testing.T) {
			b := fixture(t, name+".img")
			tr := &testimg.Trace{Reader: bytes.NewReader(b)}
			if _, err := xfs.Open(tr, nil); err != nil {
				t.Fatal(err)
			}
			opened := tr.Ranges()
			if err := readTree(tr); err != nil {
				t.Fatal(err)
			}
			var where []testimg.Range
			for _, r := range append(opened, tr.Ranges()...) {
				if r.N <= 64<<10 {
					where = append(where, r)
				}
			}
			m := testimg.Mutations{Image: b, Where: where, Run: readSome, N: 100, Open: func(r block.Reader) (vfs.FS, error) { return xfs.Open(r, nil) }}
			if name == "ci" {
				m.Seal = seal
			}
			testimg.Mutate(t, m)
		})
	}
}

// readSome reads what readTree does, and one file.
func readSome(r block.Reader) error {
	if err := readTree(r); err != nil {
		return err
	}
	fsys, err := xfs.Open(r, nil)
	if err != nil {
		return err
	}
	f, err := fsys.Open("files/fragmented")
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(f, 4<<20))
	return err
}

// readTree reads the directories, attributes and links of a filesystem, without
// the largest directories.
func readTree(r block.Reader) error {
	fsys, err := xfs.Open(r, &xfs.Options{CacheBytes: 4 << 20})
	if err != nil {
		return err
	}
	for _, name := range []string{"dirs/node/an-entry-of-the-node-form-000005", "dirs/frag1", "files/clone"} {
		if _, err := fs.Stat(fsys, name); err != nil {
			return err
		}
	}
	for _, dir := range []string{"dirs/leaf", "dirs/block", "dirs/short", "odd", "files", "special", "xattrs", "meta"} {
		sub, err := fsys.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, d := range sub {
			if d.Type()&fs.ModeSymlink != 0 {
				if _, err := fsys.ReadLink(dir + "/" + d.Name()); err != nil {
					return err
				}
			}
			if _, err := fsys.Xattrs(dir + "/" + d.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

func FuzzXFS(f *testing.F) {
	base := fixture(f, "v4-ftype.img")
	f.Add(uint32(0x04), []byte{0, 0, 16, 0})
	f.Add(uint32(64*512), []byte("IN"))
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		readSome(&laidOver{bytes.NewReader(base), int64(at) % int64(len(base)), with})
	})
}
