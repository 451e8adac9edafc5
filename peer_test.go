//go:build linux

package guestkit_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
)

const mib = 1 << 20

// A partitionImage is the content of one partition of a disk that a test
// makes.
type partitionImage struct {
	code, name string // of sgdisk
	size       int64
	image      string // file with the content, "" for zeros
}

// makeDisk writes a GPT with the partitions, by sgdisk, which may be told more,
// and packs the disk as a compressed qcow2, by qemu-img.
func makeDisk(t *testing.T, parts []partitionImage, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	raw, out := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	total := int64(2 * mib)
	for _, p := range parts {
		total += p.size
	}
	f, err := os.Create(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(total); err != nil {
		t.Fatal(err)
	}
	var args []string
	off := int64(mib)
	for i, p := range parts {
		n := strconv.Itoa(i + 1)
		args = append(args, "-n", fmt.Sprintf("%s:%d:%d", n, off/512, (off+p.size)/512-1), "-t", n+":"+p.code, "-c", n+":"+p.name)
		off += p.size
	}
	peers.Run(t, "sgdisk", append(append(args, more...), raw)...)
	off = mib
	for _, p := range parts {
		if p.image != "" {
			peers.Run(t, "dd", "if="+p.image, "of="+raw, "bs=1M", fmt.Sprintf("seek=%d", off/mib), "conv=notrunc,sparse", "status=none")
		}
		off += p.size
	}
	peers.Run(t, "qemu-img", "convert", "-c", "-O", "qcow2", raw, out)
	if err := os.Remove(raw); err != nil {
		t.Fatal(err)
	}
	return out
}

// blank makes a sparse file of a size.
func blank(t *testing.T, name string, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// ext4Of makes a filesystem of a folder.
func ext4Of(t *testing.T, size int64, uuid, label, tree string) string {
	t.Helper()
	path := blank(t, "ext4", size)
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-U", uuid, "-L", label, "-d", tree, path)
	return path
}

// espOf makes a FAT filesystem with one loader.
func espOf(t *testing.T, size int64, serial string) string {
	t.Helper()
	path := blank(t, "esp", size)
	peers.Run(t, "mkfs.vfat", "-i", serial, "-n", "ESP", path)
	loader := filepath.Join(t.TempDir(), "loader")
	if err := os.WriteFile(loader, []byte("MZ"), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mmd", "-i", path, "::EFI", "::EFI/BOOT")
	peers.Run(t, "mcopy", "-i", path, loader, "::EFI/BOOT/BOOTX64.EFI")
	return path
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRealDebian installs a Debian by mmdebstrap and compares what Inspect
// says of its disk with what dpkg and the installed files say.
func TestRealDebian(t *testing.T) {
	peers.Need(t, "mmdebstrap", "sgdisk", "mke2fs", "mkfs.vfat", "mcopy", "qemu-img", "dpkg-query")
	peers.NeedRoot(t)
	const uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	// mmdebstrap works as another user below the folder.
	tree, err := os.MkdirTemp("", "guestkit-debian-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tree) })
	if err := os.Chmod(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mmdebstrap", "--quiet", "--variant=minbase", "--include=systemd-sysv", "--dpkgopt=force-unsafe-io", "bookworm", tree)
	write(t, tree, "etc/hostname", "real-debian\n")
	write(t, tree, "etc/fstab", "UUID="+uuid+" / ext4 errors=remount-ro 0 1\nPARTLABEL=boot-esp /boot/efi vfat umask=0077 0 1\n")
	if err := os.MkdirAll(filepath.Join(tree, "boot/efi"), 0o755); err != nil {
		t.Fatal(err)
	}
	disk := makeDisk(t, []partitionImage{
		{"ef02", "bios", mib, ""},
		{"ef00", "boot-esp", 34 * mib, espOf(t, 34*mib, "1234ABCD")},
		{"8304", "root", 1024 * mib, ext4Of(t, 1024*mib, uuid, "debian-root", tree)},
	})

	rep, read := inspected(t, disk)
	if len(rep.Systems) != 1 || !rep.Complete() || len(rep.Problems()) > 0 {
		t.Fatalf("%d systems, unread %v, problems %v", len(rep.Systems), rep.Unread(), rep.Problems())
	}
	s := rep.Systems[0]
	version, err := os.ReadFile(filepath.Join(tree, "etc/debian_version"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"distro", s.Distro, "debian"}, {"version", s.Version, strings.TrimSpace(string(version))}, {"version ID", s.VersionID, "12"},
		{"codename", s.Codename, "bookworm"}, {"host name", s.Hostname, "real-debian"}, {"init", s.Init.Name, "systemd"},
		{"architecture", s.Arch, map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]},
		{"manager", s.PackageManager, "apt"}, {"root", s.Volume, "gpt3"}, {"firmware", string(s.Firmware), "uefi"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
	var got []string
	for _, p := range s.Packages.Items {
		got = append(got, strings.Join([]string{p.Name, p.Version, p.Arch, p.Source, p.SourceVersion}, " "))
	}
	query := peers.Run(t, "dpkg-query", "--admindir="+filepath.Join(tree, "var/lib/dpkg"), "-W",
		"-f", "${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n")
	var want []string
	for line := range strings.Lines(query) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "installed "); ok {
			want = append(want, text)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 50 || !slices.Equal(got, want) {
		t.Errorf("%d packages, dpkg-query has %d\ngot  %q\nwant %q", len(got), len(want), got, want)
	}
	if n := read(); n > 16*mib {
		t.Errorf("%d bytes of the image were read, more than 16 MiB", n)
	} else {
		t.Logf("%d KiB of the image were read, %d packages", n>>10, len(got))
	}
	if kib := childMemory(t, disk); kib > 64<<10 {
		t.Errorf("%d KiB of resident memory, more than 64 MiB", kib)
	} else {
		t.Logf("%d KiB of resident memory", kib)
	}
}

// childMemory inspects a disk in a process of its own, built without the race
// detector, and returns its peak of resident memory in KiB.
func childMemory(t *testing.T, disk string) int64 {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "child")
	build := exec.Command("go", "build", "-o", bin, "./cmd/guestkit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	child := exec.Command(bin, "inspect", "--json", disk)
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, os.Stderr
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out.Bytes(), []byte("bookworm")) {
		t.Fatalf("the child found no Debian: %s", out.Bytes())
	}
	return maxRSS(child.ProcessState)
}

// TestCoverageOfManyVolumes makes a guest whose folders are on volumes of
// their own, beside volumes that cannot be read, by the real tools.
func TestCoverageOfManyVolumes(t *testing.T) {
	peers.Need(t, "sgdisk", "mke2fs", "mkfs.vfat", "mcopy", "qemu-img", "mkswap", "cryptsetup", "mkfs.btrfs")
	uuid := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	root, usr, boot, varlib := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	for _, d := range []string{"usr", "boot", "var", "home"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"bin": "usr/bin", "lib": "usr/lib"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root, "etc/hostname", "split\n")
	if err := os.Symlink("../usr/lib/os-release", filepath.Join(root, "etc/os-release")); err != nil {
		t.Fatal(err)
	}
	write(t, root, "etc/fstab", strings.Join([]string{
		"UUID=" + uuid(1) + " / ext4 defaults 0 1",
		"LABEL=usr /usr ext4 defaults 0 2",
		"PARTLABEL=boot /boot ext4 defaults 0 2",
		"/dev/vda4 /var ext4 defaults 0 2",
		"UUID=" + uuid(5) + " none swap sw 0 0",
		"UUID=" + uuid(6) + " /home ext4 defaults 0 2", ""}, "\n"))
	write(t, usr, "lib/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian\"\n")
	write(t, boot, "vmlinuz-6.1.0-1-amd64", "kernel")
	write(t, varlib, "lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1-1\nArchitecture: all\n")

	swap := blank(t, "swap", 8*mib)
	peers.Run(t, "mkswap", "-U", uuid(5), swap)
	luks := blank(t, "luks", 20*mib)
	key := filepath.Join(t.TempDir(), "key")
	write(t, filepath.Dir(key), "key", "secret")
	peers.Run(t, "cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
		"--uuid", uuid(6), "--key-file", key, luks)
	btrfs := blank(t, "btrfs", 128*mib)
	peers.Run(t, "mkfs.btrfs", "-q", btrfs)

	disk := makeDisk(t, []partitionImage{
		{"8304", "root", 32 * mib, ext4Of(t, 32*mib, uuid(1), "root", root)},
		{"8300", "usr", 16 * mib, ext4Of(t, 16*mib, uuid(2), "usr", usr)},
		{"8300", "boot", 16 * mib, ext4Of(t, 16*mib, uuid(3), "", boot)},
		{"8300", "var", 16 * mib, ext4Of(t, 16*mib, uuid(4), "", varlib)},
		{"8200", "swap", 8 * mib, swap},
		{"8309", "luks", 20 * mib, luks},
		{"8300", "blank", 4 * mib, ""},
		{"8300", "other", 128 * mib, btrfs},
	})
	rep, _ := inspected(t, disk)
	if len(rep.Systems) != 1 {
		t.Fatalf("%d systems; problems %v", len(rep.Systems), rep.Problems())
	}
	want := map[string]inspect.Status{"disk": "container", "gpt1": "read", "gpt2": "read", "gpt3": "read", "gpt4": "read", "gpt5": "swap",
		"gpt6": "encrypted", "gpt7": "empty", "gpt8": "unsupported"}
	if len(rep.Volumes) != len(want) {
		t.Errorf("%d volumes, want %d", len(rep.Volumes), len(want))
	}
	for _, v := range rep.Volumes {
		if v.Name == "gpt8" && v.Status == inspect.StatusRead {
			continue // there is a driver for it
		}
		if v.Status != want[v.Name] || v.Status != inspect.StatusRead && v.Reason == "" {
			t.Errorf("%s: %s (%s), want %s", v.Name, v.Status, v.Reason, want[v.Name])
		}
	}
	s := rep.Systems[0]
	if rep.Complete() || s.Distro != "debian" || s.Hostname != "split" || len(s.Packages.Items) != 1 || len(s.Kernels) != 1 {
		t.Errorf("complete %v, %+v", rep.Complete(), s)
	}
	for _, m := range s.Mounts {
		if merged := m.Path != "" && m.Path != "/home"; m.Merged != merged || m.Volume == "" {
			t.Errorf("%+v", m)
		}
	}
	g, err := guestkit.Open(disk, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	vols, err := g.Volumes(context.Background())
	if err != nil || len(vols.Volumes) != len(want) || len(vols.Systems) != 0 {
		t.Errorf("Volumes: %v, %v", vols, err)
	}
}

// maxRSS returns the peak of resident memory of a child that ended, in KiB, or
// 0 where that cannot be told: Linux starts the count of a child at the peak of
// its parent, which the race detector makes large.
func maxRSS(p *os.ProcessState) int64 {
	var own syscall.Rusage
	peak := p.SysUsage().(*syscall.Rusage).Maxrss
	if syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil && peak <= own.Maxrss {
		return 0
	}
	return peak
}
