package inspect

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestOSTreeBootsFromItsRoot lets ostree make a root whose /boot lies on the root's own
// volume, with two deployments of different kernels, and has GRUB, SYSLINUX or nothing
// read the entries that ostree writes.
func TestOSTreeBootsFromItsRoot(t *testing.T) {
	peers.Need(t, "ostree", "mkfs.ext4")
	dir := t.TempDir()
	sysroot := filepath.Join(dir, "sysroot")
	if err := os.MkdirAll(sysroot, 0o755); err != nil {
		t.Fatal(err)
	}
	admin := func(args ...string) {
		cmd := peers.Command(t, "ostree", append([]string{"admin"}, args...)...)
		cmd.Env = append(cmd.Env, "OSTREE_SYSROOT_DEBUG=mutable-deployments") // which can be removed
		peers.RunCmd(t, cmd)
	}
	admin("init-fs", "--modern", sysroot)
	admin("os-init", "--sysroot="+sysroot, "fedora")
	repo := "--repo=" + filepath.Join(sysroot, "ostree/repo")
	for _, version := range []string{"40", "41"} {
		tree := filepath.Join(dir, version)
		testimg.MakeTree(t, tree, map[string]string{"usr/lib/os-release": "ID=fedora\nVERSION_ID=" + version + "\n", "usr/etc/hostname": "", "var/": "", "boot/": "", "sysroot/": "", "usr/bin/": "",
			"usr/lib/modules/6.1." + version + "/vmlinuz": "kernel of " + version, "usr/lib/modules/6.1." + version + "/initramfs.img": "x"})
		peers.Run(t, "ostree", repo, "commit", "-b", "os", "--tree=dir="+tree)
		if version == "41" { // a configuration that is there is written anew
			testimg.MakeTree(t, sysroot, map[string]string{"boot/syslinux/": "", "boot/loader/syslinux.cfg": "TIMEOUT 20\n"})
			if err := os.Symlink("../loader/syslinux.cfg", filepath.Join(sysroot, "boot/syslinux/syslinux.cfg")); err != nil {
				t.Fatal(err)
			}
		}
		admin("deploy", "--sysroot="+sysroot, "--os=fedora", "--karg=root=LABEL=root", "os")
	}
	look := func(want string) {
		t.Helper()
		img := filepath.Join(t.TempDir(), "img")
		peers.Run(t, "mkfs.ext4", "-q", "-L", "root", "-d", sysroot, img, "32M")
		rep, err := Run(context.Background(), []block.Device{block.Plain(testimg.File(t, img))}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range rep.Systems {
			text := s.VersionID + " by"
			for _, e := range s.Because("root") {
				text += " " + e.Path
			}
			for _, b := range s.BootLoaders {
				text += ", " + b.Name
				for _, e := range b.Entries {
					_, kernel, _ := strings.Cut(e.Kernel, "vmlinuz")
					at, _, _ := strings.Cut(e.Kernel, "/fedora-")
					text += fmt.Sprintf(" %s %s %t", at, kernel, e.Default)
				}
			}
			for _, k := range s.Kernels {
				text += fmt.Sprintf(", kernel %s of %q %t %t", k.Version, k.Entry, k.Default, strings.Contains(k.Options, "root=LABEL=root ostree=/ostree/boot."))
			}
			got = append(got, text)
		}
		if len(rep.Problems()) != 0 || strings.Join(got, "\n") != want {
			t.Errorf("%v\n%s\nwant\n%s", rep.Problems(), strings.Join(got, "\n"), want)
		}
	}
	const first, second = "/boot/ostree -6.1.41", "/boot/ostree -6.1.40"
	const by = " by /boot/loader/entries/ostree-"
	look("41" + by + "2-fedora.conf, bls " + first + " false " + second + " false, syslinux " + first + " true " + second + ` false, kernel 6.1.41 of "fedora (ostree:0)" true true` + "\n" +
		"40" + by + `1-fedora.conf, kernel 6.1.40 of "ostree-1-fedora" false true`)
	if err := os.RemoveAll(filepath.Join(sysroot, "boot/syslinux")); err != nil {
		t.Fatal(err)
	}
	testimg.MakeTree(t, sysroot, map[string]string{"boot/grub2/grub.cfg": "blscfg\n"})
	look("41" + by + "2-fedora.conf, grub " + first + " true " + second + ` false, kernel 6.1.41 of "ostree-2-fedora" true true` + "\n" +
		"40" + by + `1-fedora.conf, kernel 6.1.40 of "ostree-1-fedora" false true`)
}
