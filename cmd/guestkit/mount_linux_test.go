package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A teller is standard output that tells when something was written.
type teller struct {
	once sync.Once
	said chan struct{}
}

func (w *teller) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.said) })
	return len(p), nil
}

// mounting runs mount until its filesystem is there. Whatever becomes of it, nothing
// is mounted at the end of the test.
func mounting(t *testing.T, args ...string) (dir string, signals chan os.Signal, code chan int) {
	t.Helper()
	dir = t.TempDir()
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	signals, code = make(chan os.Signal, 1), make(chan int, 1)
	out := &teller{said: make(chan struct{})}
	var errs bytes.Buffer
	go func() {
		code <- run(append(append([]string{"mount"}, args...), dir), streams{strings.NewReader(""), out, &errs}, signals)
	}()
	select {
	case <-out.said:
	case c := <-code:
		t.Fatalf("mount ends with %d: %s", c, errs.String())
	}
	return dir, signals, code
}

// isMounted reports whether something is mounted on a directory.
func isMounted(t *testing.T, dir string) bool {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(b), " "+dir+" ")
}

// needFUSE ends the test where nothing can be mounted.
func needFUSE(t *testing.T) {
	t.Helper()
	peers.NeedRoot(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		peers.Need(t, "/dev/fuse")
	}
}

// mountVolume makes an ext4 of a tree with what a filesystem may hold.
func mountVolume(t *testing.T) string {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for _, d := range []string{"etc", "var/log/deep/er", "empty", "many"} {
		if err := os.MkdirAll(filepath.Join(tree, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string, b []byte, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(tree, name), b, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/shadow", []byte("root:*:\n"), 0o600)
	write("etc/ü\xff\n", []byte("odd"), 0o644)
	write("var/log/big", bytes.Repeat([]byte("0123456789abcdef"), 200_000), 0o640)
	for i := range 700 {
		write("many/"+strings.Repeat("n", i%40)+string(rune('a'+i%26))+strings.Repeat("x", i/26), []byte{byte(i)}, 0o644)
	}
	f, err := os.Create(filepath.Join(tree, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("end"), 3<<20)
	f.Close()
	os.Chmod(filepath.Join(tree, "etc/shadow"), 0o600|os.ModeSetuid)
	os.Symlink("../etc/shadow", filepath.Join(tree, "var/link"))
	os.Link(filepath.Join(tree, "var/log/big"), filepath.Join(tree, "hard"))
	for name, mode := range map[string]uint32{"null": unix.S_IFCHR | 0o666, "disk": unix.S_IFBLK | 0o600, "fifo": unix.S_IFIFO | 0o600} {
		if err := unix.Mknod(filepath.Join(tree, name), mode, int(unix.Mkdev(259, 70000))); err != nil {
			t.Fatal(err)
		}
	}
	unix.Setxattr(filepath.Join(tree, "etc"), "user.colour", []byte("red"), 0)
	os.Chown(filepath.Join(tree, "empty"), 1234, 70001)
	os.Chtimes(filepath.Join(tree, "empty"), time.Unix(1<<30, 5), time.Unix(1<<31+7, 123456789))
	image := filepath.Join(dir, "fs")
	peers.Run(t, "mkfs.ext4", "-q", "-d", tree, image, "64M")
	return image
}

// TestMount compares a mount with that of the kernel, and ends it in every way.
func TestMount(t *testing.T) {
	needFUSE(t)
	image := mountVolume(t)
	kernel := peers.Mount(t, image, "ext4", "ro,noload")
	dir, signals, code := mounting(t, image)
	want, err := testimg.HostTree(kernel, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 700 {
		t.Fatalf("the kernel shows %d files", len(want))
	}
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
	stat := func(name string) *syscall.Stat_t {
		fi, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		return fi.Sys().(*syscall.Stat_t)
	}
	for _, name := range []string{"", "hard", "etc", "var/log/big", "null", "sparse"} {
		a, b := stat(filepath.Join(dir, name)), stat(filepath.Join(kernel, name))
		if a.Ino != b.Ino || a.Nlink != b.Nlink || a.Rdev != b.Rdev || a.Blocks != b.Blocks {
			t.Errorf("%q is %+v, and to the kernel %+v", name, a, b)
		}
	}
	for _, err := range []error{os.WriteFile(filepath.Join(dir, "new"), nil, 0o600), os.Remove(filepath.Join(dir, "hard")), os.Chmod(filepath.Join(dir, "etc"), 0o700),
		unix.Setxattr(filepath.Join(dir, "etc"), "user.x", nil, 0), os.Truncate(filepath.Join(dir, "sparse"), 0)} {
		if err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("a change: %v", err)
		}
	}
	signals <- syscall.SIGTERM
	if c := <-code; c != 128+int(syscall.SIGTERM) || isMounted(t, dir) {
		t.Errorf("a signal: code %d", c)
	}

	// Somebody else unmounts it.
	dir, _, code = mounting(t, image)
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if c := <-code; c != exitDone {
		t.Errorf("unmounted: code %d", c)
	}

	// It is in use.
	dir, signals, code = mounting(t, image)
	f, err := os.Open(filepath.Join(dir, "hard"))
	if err != nil {
		t.Fatal(err)
	}
	signals <- syscall.SIGINT
	if c := <-code; c != 128+int(syscall.SIGINT) || isMounted(t, dir) {
		t.Errorf("a signal while a file is open: code %d", c)
	}
	f.Close()
}

// TestMountGuest mounts a whole guest, whose root and ESP have files of the same inode
// numbers, and others may look with permissions.
func TestMountGuest(t *testing.T) {
	needFUSE(t)
	dir, signals, code := mounting(t, "-o", "allow_other,fsname=a", uefi)
	seen := map[uint64]string{}
	err := filepath.Walk(dir, func(name string, fi os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		if other, ok := seen[st.Ino]; ok && st.Nlink < 2 {
			t.Errorf("%s and %s have the same number", name, other)
		}
		seen[st.Ino] = name
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "boot/efi/loader/loader.conf")); err != nil || len(b) == 0 {
		t.Errorf("the ESP: %v", err)
	}
	// As nobody: what is root's alone cannot be read.
	cmd := exec.Command("cat", filepath.Join(dir, "etc/hostname"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	os.Chmod(filepath.Dir(dir), 0o755)
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), filepath.Dir(dir)) {
		t.Errorf("nobody: %v %s", err, out)
	}
	signals <- syscall.SIGHUP
	if c := <-code; c != 128+int(syscall.SIGHUP) || isMounted(t, dir) {
		t.Errorf("code %d", c)
	}
}

// TestMountUsage: what is refused.
func TestMountUsage(t *testing.T) {
	dir := t.TempDir()
	for _, x := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-o", "rw", uefi, dir}, exitUsage, "read only"},
		{[]string{"-o", "colour", uefi, dir}, exitUsage, "no mount option"},
		{[]string{uefi}, exitUsage, "an image and a DIR"},
		{[]string{uefi, filepath.Join(dir, "none")}, exitFailed, "no such"},
		{[]string{uefi, uefi}, exitFailed, "no directory"},
	} {
		if r := gk(t, append([]string{"mount"}, x.args...)...); r.code != x.code || !strings.Contains(r.err, x.want) {
			t.Errorf("%q: %+v", x.args, r)
		}
	}
}

// BenchmarkMount reads a file of 256 MiB in order, the image's own bytes in memory:
// over a mount of guestkit, and over the kernel's.
func BenchmarkMount(b *testing.B) {
	peers.NeedRoot(b)
	dir := b.TempDir()
	tree, image := filepath.Join(dir, "tree"), filepath.Join(dir, "fs")
	os.Mkdir(tree, 0o755)
	const size = 256 << 20
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 7 >> 9)
	}
	if err := os.WriteFile(filepath.Join(tree, "f"), data, 0o600); err != nil {
		b.Fatal(err)
	}
	peers.Run(b, "mkfs.ext4", "-q", "-d", tree, image, "512M")
	buf := make([]byte, 1<<20)
	read := func(b *testing.B, mnt string) {
		f, err := os.Open(filepath.Join(mnt, "f"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		n := 0
		for {
			m, err := f.Read(buf)
			n += m
			if err != nil {
				break
			}
		}
		if n != size {
			b.Fatalf("%d bytes", n)
		}
	}
	b.Run("guestkit", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			mnt := filepath.Join(dir, "m")
			os.Mkdir(mnt, 0o755)
			out := &teller{said: make(chan struct{})}
			done := make(chan int)
			go func() {
				done <- run([]string{"mount", image, mnt}, streams{strings.NewReader(""), out, os.Stderr}, make(chan os.Signal))
			}()
			<-out.said
			b.StartTimer()
			read(b, mnt)
			b.StopTimer()
			unix.Unmount(mnt, 0)
			<-done
			b.StartTimer()
		}
	})
	b.Run("kernel", func(b *testing.B) {
		b.SetBytes(size)
		mnt := filepath.Join(dir, "k")
		os.Mkdir(mnt, 0o755)
		for b.Loop() {
			b.StopTimer()
			peers.Run(b, "mount", "-o", "loop,ro", image, mnt)
			b.StartTimer()
			read(b, mnt)
			b.StopTimer()
			peers.Run(b, "umount", mnt)
			b.StartTimer()
		}
	})
}

// TestMountUser mounts as one who is not root, which fusermount does.
func TestMountUser(t *testing.T) {
	needFUSE(t)
	fusermount, err := exec.LookPath("fusermount3")
	if err != nil {
		peers.Need(t, "fusermount3")
	}
	built, err := program()
	if err != nil {
		t.Fatal(err)
	}
	const user = 65534
	home := t.TempDir()
	exe, image, dir := filepath.Join(home, "guestkit"), filepath.Join(home, "image"), filepath.Join(home, "dir")
	for from, to := range map[string]string{built: exe, uefi: image} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	os.Mkdir(dir, 0o755)
	for _, name := range []string{home, dir} {
		if err := os.Chown(name, user, user); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(filepath.Dir(home), 0o755)
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		return cmd
	}
	if err := command(exe, "version").Run(); err != nil {
		peers.Missing(t, fmt.Sprintf("a folder that user %d can reach; %s: %v", user, home, err))
	}
	// mount runs the program until it has mounted; end waits for what it says then.
	mount := func() (cmd *exec.Cmd, end func() (int, string)) {
		t.Helper()
		cmd = command(exe, "mount", image, dir)
		out, errs := &teller{said: make(chan struct{})}, new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			cmd.Wait()
			close(ended)
		}()
		t.Cleanup(func() {
			cmd.Process.Kill()
			<-ended
		})
		select {
		case <-out.said:
		case <-ended:
			t.Fatalf("mount: %v: %s", cmd.ProcessState, errs)
		}
		return cmd, func() (int, string) {
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Fatal("the program does not end")
			}
			return cmd.ProcessState.ExitCode(), errs.String()
		}
	}

	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(sig) {
			continue // where this runs, and so by what it starts
		}
		cmd, end := mount()
		if out, err := command("cat", filepath.Join(dir, "etc/debian_version")).CombinedOutput(); err != nil {
			t.Errorf("a file: %v %s", err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "etc")); err == nil { // as root
			t.Error("others see the files without allow_other")
		}
		cmd.Process.Signal(sig)
		if code, said := end(); code != 128+int(sig) || isMounted(t, dir) || said != "guestkit: interrupted\n" && said != "" {
			t.Errorf("%v: code %d, %q", sig, code, said)
		}
	}

	cmd, end := mount()
	reader := command("sh", "-c", `exec 3<"$0"; echo; cat`, filepath.Join(dir, "etc/debian_version"))
	in, _ := reader.StdinPipe()
	out, _ := reader.StdoutPipe()
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 1))
	cmd.Process.Signal(syscall.SIGTERM)
	if code, said := end(); code != 128+int(syscall.SIGTERM) || !isMounted(t, dir) || !strings.Contains(said, "stays mounted") || strings.Contains(said, `\x0a`) {
		t.Errorf("in use: code %d, %q", code, said)
	}
	in.Close()
	reader.Wait()
	again, err := command(exe, "mount", image, dir).CombinedOutput()
	if err == nil || !strings.Contains(string(again), "fusermount -uz") {
		t.Errorf("on what a program left: %v, %s", err, again)
	}
	if out, err := command(fusermount, "-uz", dir).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}

	// fuse.conf has allow_other refused, unless it says otherwise.
	conf, _ := os.ReadFile("/etc/fuse.conf")
	if allowed := strings.Contains("\n"+string(conf), "\nuser_allow_other"); !allowed {
		said, err := command(exe, "mount", "-o", "allow_other", image, dir).CombinedOutput()
		if err == nil || !strings.Contains(string(said), "guestkit: "+dir+": fusermount refuses it; for -o allow_other") || isMounted(t, dir) {
			t.Errorf("allow_other: %v, %s", err, said)
		}
	}
}
