package inspect

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestInitramfs looks into archives that cpio and zstd made, by the names of real
// ones; an archive that is damaged is a problem and no list.
func TestInitramfs(t *testing.T) {
	peers.Need(t, "cpio", "zstd")
	dir := t.TempDir()
	names := []string{
		"conf/initramfs.conf", "usr/lib/modules/6.1.0/kernel/drivers/block/virtio_blk.ko", "usr/lib/modules/6.1.0/kernel/drivers/block/xen-blkfront.ko.xz",
		"usr/lib/modules/6.1.0/kernel/fs/ext4/ext4.ko", "usr/lib/modules/6.1.0/modules.dep", "usr/bin/virtio_net.kotlin",
	}
	for _, n := range names {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(n)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, n), []byte(n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := peers.Command(t, "cpio", "-o", "-H", "newc", "--quiet")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.Join(names, "\n"))
	archive := peers.RunCmd(t, cmd)
	cmd = peers.Command(t, "zstd", "-q")
	cmd.Stdin = strings.NewReader(archive)
	packed := peers.RunCmd(t, cmd)

	tree := base(fstest.MapFS{
		"etc/fstab": file(""), "usr/bin/bash": file(""), "boot/vmlinuz-6.1.0": file("MZ"), "boot/initrd.img-6.1.0": file(archive + packed),
		"boot/vmlinuz-6.2.0": file("MZ"), "boot/initrd.img-6.2.0": file(archive + packed[:len(packed)/2]), "boot/vmlinuz-6.3.0": file("MZ"),
	})
	kernels := func(o *Options) (map[string]*Initramfs, *Report) {
		v := &Volume{Name: "disk", Content: "ext4", Status: StatusRead, UUID: "u", fsys: testimg.MapFS(t, tree, vfs.Info{Type: "ext4"})}
		rep := &Report{Volumes: []*Volume{v}}
		if err := rep.findSystems(context.Background(), v, o); err != nil {
			t.Fatal(err)
		}
		out := map[string]*Initramfs{}
		for _, k := range rep.Systems[0].Kernels {
			out[k.Version] = k.Initramfs
		}
		return out, rep
	}
	got, rep := kernels(&Options{Initramfs: true})
	i := got["6.1.0"]
	if i == nil || i.Compression != "zstd" || i.Generator != "initramfs-tools" || i.Files != 2*len(names) || i.Modules != 6 || !slices.Equal(i.Drivers, []string{"virtio_blk", "xen_blkfront"}) {
		t.Errorf("%+v", i)
	}
	if got["6.2.0"] != nil || got["6.3.0"] != nil {
		t.Errorf("%+v, %+v", got["6.2.0"], got["6.3.0"])
	}
	if p := rep.Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "initrd.img-6.2.0") {
		t.Error(p)
	}
	if got, _ := kernels(&Options{}); got["6.1.0"] != nil {
		t.Error("unpacked without being asked")
	}
}
