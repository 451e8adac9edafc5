package probe_test

import (
	"bytes"
	"testing"

	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/probe"
)

// TestLeftOver lays the superblocks of one filesystem into the gaps of another, as
// a mkfs leaves them that does not wipe: what the structures confirm wins. The
// images are those that other tests read, made by the tools of each.
func TestLeftOver(t *testing.T) {
	type base struct {
		name, path, want string
		at, n            int // of its own superblock
	}
	bases := []base{
		{"ext2", "ext4/testdata/ext2.img.gz", "ext2", 1024, 1024}, {"ext3", "ext4/testdata/ext3.img.gz", "ext3", 1024, 1024},
		{"ext4", "ext4/testdata/ext4.img.gz", "ext4", 1024, 1024}, {"ext4 of 4 KiB", "ext4/testdata/inline.img.gz", "ext4", 1024, 1024},
		{"ext4 without checksums", "ext4/testdata/plain.img.gz", "ext4", 1024, 1024},
		{"xfs 4", "xfs/testdata/v4.img.bz2", "xfs", 0, 512}, {"xfs 5", "xfs/testdata/v5-dirty.img.bz2", "xfs", 0, 512},
		{"btrfs", "btrfs/testdata/single.img.gz", "btrfs", 64 << 10, 4096}, {"btrfs mixed", "btrfs/testdata/mixed.img.gz", "btrfs", 64 << 10, 4096},
		{"ntfs", "ntfs/testdata/small.img.gz", "ntfs", 0, 512}, {"squashfs", "squashfs/testdata/xz.img.gz", "squashfs", 0, 96},
		{"iso9660", "iso9660/testdata/plain.img.gz", "iso9660", 32 << 10, 2048}, {"fat16", "fat/testdata/fat16.img.gz", "vfat", 0, 512},
		{"exfat", "exfat/testdata/small.img.gz", "exfat", 0, 512}, {"erofs", "erofs/testdata/plain.img.gz", "erofs", 1024, 128},
	}
	images := make([][]byte, len(bases))
	for i, b := range bases {
		images[i] = testimg.Unpack(t, "../../fs/"+b.path)
		if f, err := probe.Volume(bytes.NewReader(images[i])); err != nil || f.Type != b.want || f.Kind != probe.Filesystem {
			t.Errorf("%s: %+v, %v", b.name, f, err)
		}
	}
	pairs := 0
	for i, b := range bases {
		for j, other := range bases {
			if other.at+other.n > len(images[i]) {
				continue
			}
			gap := images[i][other.at : other.at+other.n]
			// Before the superblock of ext4 and behind that of NTFS is the room of a
			// boot loader; that of exFAT has a checksum.
			if i == j || b.want == "exfat" && other.at < 12*512 || len(bytes.Trim(gap, "\x00")) > 0 && !(b.want == "ntfs" && other.at == 1024) {
				continue
			}
			pairs++
			old := bytes.Clone(gap)
			copy(gap, images[j][other.at:])
			f, err := probe.Volume(bytes.NewReader(images[i]))
			if err != nil || f.Type != b.want {
				t.Errorf("%s with what %s left: %+v, %v", b.name, other.name, f, err)
			}
			copy(gap, old)
		}
	}
	t.Logf("%d pairs", pairs)
	if pairs < 60 {
		t.Errorf("%d pairs have room for each other", pairs)
	}
}
