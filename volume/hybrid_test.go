package volume_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/volume"
)

// TestHybrid lists the ISO on a disk that xorriso gave a partition table, and the
// partitions; and no ISO that lay there before another table.
func TestHybrid(t *testing.T) {
	peers.Need(t, "xorriso", "mkfs.fat", "sfdisk")
	dir := t.TempDir()
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(files, "big"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	efi := filepath.Join(dir, "efi.img")
	peers.Run(t, "mkfs.fat", "-C", "-n", "ESP", efi, "2048")
	for name, c := range map[string]struct{ flags, want string }{
		"gpt": {"-append_partition 2 0xef " + efi + " -appended_part_as_gpt", "disk= iso=iso9660 gpt1= gpt2=vfat gpt3="},
		"mbr": {"-append_partition 2 0xef " + efi, "disk= mbr1=iso9660 mbr2=vfat"},
	} {
		image := filepath.Join(dir, name+".iso")
		args := append(strings.Fields("-as mkisofs -quiet -r -V HYBRID "+c.flags), "-o", image, files)
		peers.Run(t, "xorriso", args...)
		list := func() (out []string, tree *volume.Tree) {
			b, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			tree, err = volume.Scan(t.Context(), []block.Device{block.Plain(strings.NewReader(string(b)))}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range tree.Volumes {
				out = append(out, v.Name+"="+v.Found.Type)
			}
			return out, tree
		}
		got, tree := list()
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		for _, v := range tree.Volumes {
			if v.Found.Type == "iso9660" && (v.Found.Label != "HYBRID" || v.Off != 0) {
				t.Errorf("%s: %+v", name, v)
			}
		}
		if err := os.Truncate(image, 64<<20); err != nil {
			t.Fatal(err)
		}
		cmd := peers.Command(t, "sfdisk", "-q", "--wipe", "never", image)
		cmd.Stdin = strings.NewReader("label: gpt\nsize=2M\nsize=50M\n")
		peers.RunCmd(t, cmd)
		if got, _ := list(); strings.Contains(strings.Join(got, " "), "iso9660") {
			t.Errorf("%s: an ISO before another table: %q", name, got)
		}
	}
}
