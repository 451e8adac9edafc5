package inspect

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// makeUFS makes a filesystem of files, of 8 MiB, and returns what blkid calls its
// UUID.
func makeUFS(t *testing.T, image, label string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	testimg.MakeTree(t, dir, files)
	peers.Run(t, "makefs", "-t", "ffs", "-s", "8m", "-o", "version=2", image, dir)
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[8<<10+680:], label)  // fs_volname, which newfs -L writes and makefs does not
	copy(b[8<<10+0x94:], label) // of fs_id, which makefs makes of the time in seconds
	if err := os.WriteFile(image, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(peers.Run(t, "blkid", "-p", "-o", "value", "-s", "LABEL", image)); got != label {
		t.Fatalf("blkid reads the label %q", got)
	}
	return strings.TrimSpace(peers.Run(t, "blkid", "-p", "-o", "value", "-s", "UUID", image))
}

// place copies an image into a disk at an offset.
func place(t *testing.T, disk string, off int64, image string) {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// TestFreeBSD: a root and other filesystems of UFS2 in a GPT, which fstab names in
// all the ways that FreeBSD has, with swap space that nothing marks.
func TestFreeBSD(t *testing.T) {
	peers.Need(t, "makefs", "sfdisk", "blkid")
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 64<<20); err != nil {
		t.Fatal(err)
	}
	const gptid = "7d3c1b6a-1f2e-11ef-9c2d-0800274c0e01"
	cmd := peers.Command(t, "sfdisk", "-q", disk)
	cmd.Stdin = strings.NewReader(`label: gpt
start=2048, size=2048, type=83BD6B9D-7F41-11DC-BE0B-001560B84F0F
start=4096, size=16384, type=516E7CB5-6ECF-11D6-8FF8-00022D09712B
start=20480, size=16384, type=516E7CB6-6ECF-11D6-8FF8-00022D09712B
start=36864, size=16384, type=516E7CB6-6ECF-11D6-8FF8-00022D09712B, uuid=` + gptid + `
start=53248, size=16384, type=516E7CB6-6ECF-11D6-8FF8-00022D09712B
start=69632, size=16384, type=516E7CB6-6ECF-11D6-8FF8-00022D09712B, name=srv
start=86016, size=16384, type=516E7CB6-6ECF-11D6-8FF8-00022D09712B
`)
	peers.RunCmd(t, cmd)
	image := filepath.Join(dir, "ufs")
	at := func(first int64) { place(t, disk, first*512, image) }
	makeUFS(t, image, "usr", map[string]string{"bin/true": "", "local/": ""})
	at(36864)
	id := makeUFS(t, image, "var", map[string]string{"log/messages": "a line\n"})
	at(53248)
	makeUFS(t, image, "srv", map[string]string{"data": "served\n"})
	at(69632)
	makeUFS(t, image, "home", map[string]string{"alice/notes": "a note\n"})
	at(86016)
	fstab := "# Device\tMountpoint\tFStype\tOptions\tDump\tPass#\n/dev/ada0p3 / ufs rw 1 1\n/dev/ada0p2 none swap sw 0 0\n/dev/gptid/" + gptid + " /usr ufs rw 2 2\n" +
		"/dev/ufsid/" + id + " /var ufs rw 2 2\n/dev/gpt/srv /srv ufs rw 2 2\n/dev/ufs/home /home ufs rw 2 2\n/dev/cd0 /cdrom cd9660 ro,noauto 0 0\nproc /proc procfs rw 0 0\n"
	makeUFS(t, image, "root", map[string]string{"etc/fstab": fstab, "etc/rc.conf": "hostname=\"beastie.example\"\n", "bin/freebsd-version": "#!/bin/sh\nUSERLAND_VERSION=\"14.1-RELEASE-p5\"\n",
		"bin/sh": "", "sbin/init": "", "boot/kernel/kernel": "", "usr/": "", "var/": "", "srv/": "", "home/": ""})
	at(20480)
	place(t, disk, 2048*512, "/bin/true")    // for a boot loader
	place(t, disk, 4096*512, "/bin/true")    // for what was swapped out
	place(t, disk, (4096+16)*512, "/bin/sh") //
	rep, err := Run(t.Context(), []block.Device{block.Plain(testimg.File(t, disk))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rep.Close()
	if p := rep.Problems(); len(p) > 0 || !rep.Complete() || len(rep.Systems) != 1 {
		t.Fatalf("problems %v, complete %v, systems %+v", p, rep.Complete(), rep.Systems)
	}
	sys := rep.Systems[0]
	if got := fmt.Sprintln(sys.Type, sys.Distro, sys.Version, sys.VersionID, sys.ProductName, sys.Hostname, sys.Volume); got != "freebsd freebsd 14.1-RELEASE-p5 14.1 FreeBSD 14.1-RELEASE-p5 beastie.example gpt3\n" {
		t.Error(got)
	}
	var mounts []string
	for _, m := range sys.Mounts {
		mounts = append(mounts, fmt.Sprint(m.Path, "=", m.Volume, "(", m.By, ")"))
	}
	want := "/=gpt3(device name) =gpt2(device name) /usr=gpt4(partuuid) /var=gpt5(uuid) /srv=gpt6(partlabel) /home=gpt7(label) /cdrom=() /proc=()"
	if got := strings.Join(mounts, " "); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	for path, want := range map[string]string{"var/log/messages": "a line\n", "home/alice/notes": "a note\n", "srv/data": "served\n"} {
		if b, err := fs.ReadFile(sys.Files, path); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	for name, want := range map[string]Status{"gpt1": StatusReserved, "gpt2": StatusSwap} {
		if v, _ := rep.Volume(name); v.Status != want {
			t.Errorf("%s is %s: %s", name, v.Status, v.Reason)
		}
	}
}

// bsdSlice writes the label of a slice, whose partitions "a" (root), "b" (swap), "c"
// (all of it) and "e" have 8 MiB each, and start at sectors of the disk.
func bsdSlice(t *testing.T, disk string, slice int64, uid string) {
	t.Helper()
	le := binary.LittleEndian
	b := make([]byte, 512)
	le.PutUint32(b[0x00:], 0x82564557)
	le.PutUint32(b[0x28:], 512)
	le.PutUint32(b[0x3C:], 131072)
	if copy(b[0x40:], uid) > 0 {
		le.PutUint16(b[0x72:], 1)
	}
	le.PutUint32(b[0x84:], 0x82564557)
	le.PutUint16(b[0x8A:], 8)
	for i, e := range [8]struct {
		first int64
		kind  byte
	}{{slice + 2048, 7}, {slice + 2048 + 16384, 1}, {slice, 0}, {}, {slice + 2048 + 2*16384, 7}} {
		if e.first > 0 {
			at := b[0x94+16*i:]
			le.PutUint32(at, 16384)
			le.PutUint32(at[4:], uint32(e.first))
			at[12] = e.kind
			if i == 2 {
				le.PutUint32(at, 100000)
			}
		}
	}
	sum := uint16(0)
	for i := 0; i < 0x94+16*8; i += 2 {
		sum ^= le.Uint16(b[i:])
	}
	le.PutUint16(b[0x88:], sum)
	image := filepath.Join(t.TempDir(), "label")
	if err := os.WriteFile(image, b, 0o600); err != nil {
		t.Fatal(err)
	}
	place(t, disk, slice*512+512, image)
}

// TestBSDLabels: guests of NetBSD, OpenBSD and FreeBSD in the slice of an MBR.
func TestBSDLabels(t *testing.T) {
	peers.Need(t, "makefs", "sfdisk", "blkid")
	for name, c := range map[string]struct {
		slice, uid, fstab string
		files             map[string]string
		want              string
	}{
		"netbsd": {"a9", "", "/dev/wd0a\t/\tffs\trw\t1 1\n/dev/wd0b none swap sw 0 0\nROOT.e /usr ffs rw 1 2\n", map[string]string{"netbsd": "", "etc/release": "NetBSD 10.0 (GENERIC)\n"}, "netbsd 10.0"},
		"openbsd": {"a6", "\x01\x23\x45\x67\x89\xab\xcd\xef", "0123456789abcdef.b none swap sw\n0123456789abcdef.a / ffs rw 1 1\n0123456789abcdef.e /usr ffs rw,nodev 1 2\n",
			map[string]string{"bsd": "", "etc/motd": "OpenBSD 7.5 (GENERIC.MP) #82\n"}, "openbsd 7.5"},
		"freebsd": {"a5", "", "/dev/ada0s1a / ufs rw 1 1\n/dev/ada0s1b none swap sw 0 0\n/dev/ada0s1e /usr ufs rw 2 2\n", map[string]string{"bin/freebsd-version": "USERLAND_VERSION=\"9.3-RELEASE\"\n"}, "freebsd 9.3-RELEASE"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			disk, image := filepath.Join(dir, "disk.img"), filepath.Join(dir, "ufs")
			if err := os.WriteFile(disk, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(disk, 64<<20); err != nil {
				t.Fatal(err)
			}
			cmd := peers.Command(t, "sfdisk", "-q", disk)
			cmd.Stdin = strings.NewReader("label: dos\nstart=2048, size=102400, type=" + c.slice + ", bootable\n")
			peers.RunCmd(t, cmd)
			bsdSlice(t, disk, 2048, c.uid)
			c.files["etc/fstab"], c.files["usr/"], c.files["bin/sh"] = c.fstab, "", ""
			makeUFS(t, image, "root", c.files)
			place(t, disk, (2048+2048)*512, image)
			place(t, disk, (2048+2048+16384+16)*512, "/bin/sh") // what was swapped out
			makeUFS(t, image, "usr", map[string]string{"bin/true": "yes"})
			place(t, disk, (2048+2048+2*16384)*512, image)
			rep, err := Run(t.Context(), []block.Device{block.Plain(testimg.File(t, disk))}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer rep.Close()
			if p := rep.Problems(); len(p) > 0 || !rep.Complete() || len(rep.Systems) != 1 {
				for _, v := range rep.Volumes {
					t.Logf("%s %s %s %s", v.Name, v.Content, v.Status, v.Reason)
				}
				t.Fatalf("problems %v, complete %v, %d systems", p, rep.Complete(), len(rep.Systems))
			}
			sys := rep.Systems[0]
			if got := sys.Distro + " " + sys.Version; got != c.want || sys.Volume != "mbr1:bsd1" {
				t.Errorf("%s on %s, want %s", got, sys.Volume, c.want)
			}
			for _, m := range sys.Mounts {
				if want := map[string]string{"/": "mbr1:bsd1", "/usr": "mbr1:bsd5", "": "mbr1:bsd2"}[m.Path]; m.Volume != want {
					t.Errorf("%s is %s (%s), want %s", m.Spec, m.Volume, m.Reason, want)
				}
			}
			if b, err := fs.ReadFile(sys.Files, "usr/bin/true"); string(b) != "yes" {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}

// TestFreeBSDMedium: the disc that FreeBSD is installed from.
func TestFreeBSDMedium(t *testing.T) {
	peers.Need(t, "xorriso")
	dir := t.TempDir()
	for name, text := range map[string]string{"bin/freebsd-version": "USERLAND_VERSION=\"14.1-RELEASE\"\n", "bin/sh": "", "etc/fstab": "/dev/iso9660/14_1_RELEASE_AMD64_CD / cd9660 ro 0 0\n", "usr/freebsd-dist/MANIFEST": "",
		"etc/rc.local": "#!/bin/sh\nif [ -f /tmp/bsdinstall-installscript ]; then\n\tbsdinstall script /etc/installerconfig\nfi\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	image := filepath.Join(t.TempDir(), "iso")
	peers.Run(t, "xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "14_1_RELEASE_AMD64_CD", "-o", image, dir)
	rep, err := Run(t.Context(), []block.Device{block.Plain(testimg.File(t, image))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rep.Close()
	if len(rep.Systems) != 1 || len(rep.Problems()) > 0 {
		t.Fatalf("%d systems, %v", len(rep.Systems), rep.Problems())
	}
	sys := rep.Systems[0]
	if got := fmt.Sprintln(sys.Kind, sys.Distro, sys.Version, sys.ProductName); got != "installer freebsd 14.1-RELEASE FreeBSD 14.1-RELEASE\n" {
		t.Error(got)
	}
}
