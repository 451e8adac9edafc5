package inspect_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestPartitionedDisc: a disc that a partition has once more, as those of Ubuntu and Arch
// Linux have it, holds one system and not two.
func TestPartitionedDisc(t *testing.T) {
	peers.Need(t, "xorriso", "mksquashfs", "mkfs.fat")
	dir := t.TempDir()
	files, root, efi, image := filepath.Join(dir, "files"), filepath.Join(dir, "root"), filepath.Join(dir, "efi"), filepath.Join(dir, "image.iso")
	for name, text := range map[string]string{
		filepath.Join(root, "usr/lib/os-release"): "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		filepath.Join(root, "usr/bin/sh"):         "",
		filepath.Join(root, "etc/hostname"):       "live\n",
		filepath.Join(files, "live/vmlinuz"):      "a kernel",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	peers.Run(t, "mksquashfs", root, filepath.Join(files, "live/filesystem.squashfs"), "-quiet", "-noappend")
	peers.Run(t, "mkfs.fat", "-C", "-n", "ESP", efi, "2048")
	peers.Run(t, "xorriso", append(strings.Fields("-as mkisofs -quiet -R -J -V HYBRID -partition_offset 16 -append_partition 2 0xef "+efi+" -appended_part_as_gpt"), "-o", image, files)...)
	open := func(r block.Reader) *inspect.Report {
		rep, err := inspect.Run(t.Context(), []block.Device{block.Plain(r)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { rep.Close() })
		return rep
	}
	rep := open(testimg.File(t, image))
	v, ok := rep.Volume("gpt1")
	if !ok || v.Content != "iso9660" || v.Status != inspect.StatusReserved || !strings.Contains(v.Reason, "the disc on iso") {
		t.Errorf("gpt1 is %+v", v)
	}
	if n := len(rep.Systems); n != 1 || rep.Systems[0].Volume != "iso" || !rep.Complete() {
		t.Errorf("%d systems, complete %t", n, rep.Complete())
	}
	// Another disc in the partition is read.
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	b[v.Offset+16*2048+813]++ // a digit of its time
	rep = open(strings.NewReader(string(b)))
	if v, _ := rep.Volume("gpt1"); v.Status != inspect.StatusRead || len(rep.Systems) != 2 {
		t.Errorf("another disc: %+v, %d systems", v, len(rep.Systems))
	}
}
