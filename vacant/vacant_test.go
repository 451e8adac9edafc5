package vacant_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vacant"
)

var ctx = context.Background()

func find(t testing.TB, b []byte) *vacant.Report {
	t.Helper()
	rep, err := vacant.Find(ctx, block.Plain(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// soil writes garbage where a disk is vacant.
func soil(b []byte, runs []vacant.Run) []byte {
	out := bytes.Clone(b)
	for _, r := range runs {
		for i := r.Off; i < r.Off+r.Len; i++ {
			out[i] = byte(i>>9) ^ 0xA5
		}
	}
	return out
}

// listing is the whole tree of a filesystem, with the sums of its contents.
func listing(t testing.TB, r block.Reader) string {
	t.Helper()
	fsys, err := fs.Open(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if p := fsys.Problems(); len(p) > 0 {
		t.Fatal(p)
	}
	return testimg.Listing(tree)
}

// TestFixtures: what is vacant in the images that other packages test with may be
// garbage or zeros, and the filesystem is the same.
func TestFixtures(t *testing.T) {
	for path, want := range map[string]error{
		"ext4/testdata/ext2.img.gz":        nil,
		"ext4/testdata/ext3.img.gz":        nil,
		"ext4/testdata/ext4.img.gz":        nil,
		"ext4/testdata/inline.img.gz":      nil,
		"ext4/testdata/huge-blocks.img.gz": nil,
		"ext4/testdata/dirty.img.gz":       block.ErrDirty,
		"btrfs/testdata/single.img.gz":     nil,
		"btrfs/testdata/mixed.img.gz":      nil,
		"btrfs/testdata/log.img.gz":        block.ErrDirty,
		"fat/testdata/fat12.img.gz":        nil,
		"fat/testdata/fat16.img.gz":        nil,
		"fat/testdata/fat32.img.gz":        nil,
		"exfat/testdata/small.img.gz":      nil,
		"exfat/testdata/large.img.gz":      nil,
		"ntfs/testdata/small.img.gz":       nil,
		"xfs/testdata/ci.img.bz2":          nil,
		"xfs/testdata/v4-ftype.img.bz2":    nil,
		"xfs/testdata/v4.img.bz2":          nil,
		"xfs/testdata/v4-dirty.img.bz2":    block.ErrDirty,
		"xfs/testdata/v5-dirty.img.bz2":    block.ErrDirty,
		"erofs/testdata/plain.img.gz":      block.ErrUnsupported,
	} {
		t.Run(path, func(t *testing.T) {
			b := testimg.Unpack(t, "../fs/"+path)
			rep := find(t, b)
			if len(rep.Volumes) != 1 {
				t.Fatalf("%+v", rep.Volumes)
			}
			v := rep.Volumes[0]
			if want != nil {
				if !errors.Is(v.Err, want) || rep.Free() != 0 {
					t.Fatalf("%d bytes, %v, want none and %v", rep.Free(), v.Err, want)
				}
				return
			}
			if v.Err != nil || rep.Free() == 0 {
				t.Fatalf("%d bytes, %v", rep.Free(), v.Err)
			}
			before := listing(t, bytes.NewReader(b))
			soiled := soil(b, rep.Runs)
			testimg.CompareListings(t, listing(t, bytes.NewReader(soiled)), before)
			again := find(t, soiled)
			if again.Free() != rep.Free() || again.Volumes[0].Err != nil {
				t.Errorf("%d bytes, %v, of the disk with garbage; %d before", again.Free(), again.Volumes[0].Err, rep.Free())
			}
			over := again.Over(block.Plain(bytes.NewReader(soiled)))
			testimg.CompareListings(t, listing(t, over), before)
			testimg.TestDevice(t, over, bytes.NewReader(zeroed(b, rep.Runs)), 4096)
		})
	}
}

func zeroed(b []byte, runs []vacant.Run) []byte {
	out := bytes.Clone(b)
	for _, r := range runs {
		clear(out[r.Off:][:r.Len])
	}
	return out
}

// TestLies: a bitmap that calls a block free which is in use is refused, and
// nothing of the volume is vacant. ext2 has no checksums that would tell.
func TestLies(t *testing.T) {
	le := binary.LittleEndian
	b := testimg.Unpack(t, "../fs/ext4/testdata/ext2.img.gz")
	bs := int64(1024) << le.Uint32(b[1024+0x18:])
	first := int64(le.Uint32(b[1024+0x14:]))
	desc := (first + 1) * bs
	bitmap := int64(le.Uint32(b[desc:])) * bs
	table := int64(le.Uint32(b[desc+8:]))
	inode := table*bs + int64(le.Uint16(b[1024+0x58:]))*1 // inode 2, the root
	root := int64(le.Uint32(b[inode+0x28:]))
	lie := func(blk int64) []byte {
		out := bytes.Clone(b)
		i := blk - first
		if out[bitmap+i/8]>>(i%8)&1 == 0 {
			t.Fatalf("block %d is free", blk)
		}
		out[bitmap+i/8] &^= 1 << (i % 8)
		le.PutUint16(out[desc+0x0C:], le.Uint16(out[desc+0x0C:])+1)
		return out
	}
	for _, c := range []struct {
		what string
		b    []byte
		want string
	}{
		{"the inode table", lie(table), "own structures"},
		{"the bitmap itself", lie(bitmap / bs), "own structures"},
	} {
		rep := find(t, c.b)
		if err := rep.Volumes[0].Err; rep.Free() != 0 || !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d bytes, %v", c.what, rep.Free(), err)
		}
	}
	// Single blocks of 1 KiB are shorter than what is kept, so all that the root
	// directory lies in is freed.
	if bs < 4096 {
		out := lie(root)
		for blk := root + 1; blk < root+8; blk++ {
			if i := blk - first; out[bitmap+i/8]>>(i%8)&1 != 0 {
				out[bitmap+i/8] &^= 1 << (i % 8)
				le.PutUint16(out[desc+0x0C:], le.Uint16(out[desc+0x0C:])+1)
			}
		}
		rep := find(t, out)
		if err := rep.Volumes[0].Err; rep.Free() != 0 || !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("the root directory: %d bytes, %v", rep.Free(), err)
		}
	}
	wrong := bytes.Clone(b)
	wrong[desc+0x0C]++
	if rep := find(t, wrong); rep.Free() != 0 || !errors.Is(rep.Volumes[0].Err, block.ErrCorrupt) {
		t.Errorf("another count: %d bytes, %v", rep.Free(), rep.Volumes[0].Err)
	}
}

// TestLiesXFS: a tree of free extents that takes a block in use for free, with the
// sums made right. XFS of version 4 has no checksums that would tell.
func TestLiesXFS(t *testing.T) {
	be := binary.BigEndian
	b := testimg.Unpack(t, "../fs/xfs/testdata/v4.img.bz2")
	bs := int64(be.Uint32(b[4:]))
	agf := b[512:]
	root := b[int64(be.Uint32(agf[0x10:]))*bs:]
	if be.Uint16(root[4:]) != 0 {
		t.Fatal("the tree has several levels")
	}
	lies := 0
	for i := range int(be.Uint16(root[6:])) {
		rec := root[0x10+8*i:]
		first, n := be.Uint32(rec), be.Uint32(rec[4:])
		if int64(n)*bs < 16<<10 { // what is short is not kept apart
			continue
		}
		be.PutUint32(rec, first-1)
		be.PutUint32(rec[4:], n+1)
		be.PutUint32(agf[0x34:], be.Uint32(agf[0x34:])+1)
		rep := find(t, b)
		if err := rep.Volumes[0].Err; rep.Free() != 0 || !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("block %d: %d bytes, %v", first-1, rep.Free(), err)
		}
		be.PutUint32(rec, first)
		be.PutUint32(rec[4:], n)
		be.PutUint32(agf[0x34:], be.Uint32(agf[0x34:])-1)
		lies++
	}
	if lies == 0 {
		t.Error("nothing was changed")
	}
}

// TestMutations: whatever is changed in a filesystem, what is vacant lies on the
// disk, in order, and finding it ends.
func TestMutations(t *testing.T) {
	for _, path := range []string{"ext4/testdata/ext4.img.gz", "ntfs/testdata/small.img.gz", "fat/testdata/fat12.img.gz", "btrfs/testdata/mixed.img.gz"} {
		t.Run(path, func(t *testing.T) {
			b := testimg.Unpack(t, "../fs/"+path)
			trace := &testimg.Trace{Reader: bytes.NewReader(b)}
			if _, err := vacant.Find(ctx, block.Plain(trace)); err != nil {
				t.Fatal(err)
			}
			testimg.Mutate(t, testimg.Mutations{Image: b, Where: trace.Ranges(), Run: func(r block.Reader) error { return sane(r) }})
		})
	}
}

// sane finds what is vacant of a disk that may hold anything.
func sane(r block.Reader) error {
	rep, err := vacant.Find(ctx, block.Plain(r))
	if err != nil {
		return err
	}
	pos := int64(0)
	for _, run := range rep.Runs {
		if run.Off < pos || run.Len <= 0 || run.Off+run.Len > r.Size() {
			panic("a run that is not on the disk, or out of order")
		}
		pos = run.Off + run.Len
	}
	for _, v := range rep.Volumes {
		if v.Err != nil && len(v.Runs) > 0 {
			panic("a volume that is kept has vacant parts")
		}
	}
	return nil
}

// FuzzFind changes bytes of what Find reads of a disk: each six bytes of the
// input are a place in that, the new byte, and how many follow that are the same.
func FuzzFind(f *testing.F) {
	type base struct {
		b     []byte
		where []testimg.Range
		total int64
	}
	var bases []base
	for _, path := range []string{"ext4/testdata/ext2.img.gz", "ext4/testdata/ext4.img.gz", "fat/testdata/fat12.img.gz", "exfat/testdata/small.img.gz", "ntfs/testdata/small.img.gz", "btrfs/testdata/mixed.img.gz"} {
		x := base{b: testimg.Unpack(f, "../fs/"+path)}
		trace := &testimg.Trace{Reader: bytes.NewReader(x.b)}
		if _, err := vacant.Find(ctx, block.Plain(trace)); err != nil {
			f.Fatal(err)
		}
		x.where = trace.Ranges()
		for _, r := range x.where {
			x.total += r.N
		}
		f.Add(uint8(len(bases)), []byte{0, 0, 4, 0x18, 1, 1, 0, 0, 4, 0x60, 0xFF, 4})
		bases = append(bases, x)
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		x := &bases[int(which)%len(bases)]
		p := testimg.Patch{Image: x.b}
		defer p.Undo()
		for ; len(changes) >= 6; changes = changes[6:] {
			at := int64(binary.BigEndian.Uint32(changes)) % x.total
			for _, r := range x.where {
				if n := r.N; at >= n {
					at -= n
					continue
				}
				p.Write(r.Off+at, bytes.Repeat(changes[4:5], int(changes[5])%16+1))
				break
			}
		}
		sane(bytes.NewReader(x.b))
	})
}
