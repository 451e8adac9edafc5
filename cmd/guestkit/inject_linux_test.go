package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
)

// faultCalls are the system calls that change something: each is to fail, or to
// be the last one, at each of its occurrences. In the short form only those are
// that give files their names.
var faultCalls = []string{"linkat", "renameat", "renameat2", "unlinkat", "fsync", "openat", "fchmod", "ftruncate", "pwrite64", "write", "flock", "fallocate", "ioctl", "copy_file_range"}

const faultsShort = 5 // of linkat, renameat, renameat2, unlinkat, fsync

// traceable builds a guestkit whose system calls strace may change here; a container
// may forbid that.
func traceable(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "guestkit")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/guestkit").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if out, err := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", bin, "version").CombinedOutput(); err != nil {
		peers.Missing(t, fmt.Sprintf("leave for strace to trace: %v %s", err, out))
	}
	return bin
}

// TestFaults replaces an image by another, and lets every system call of that
// fail, or kill the process behind it. Whatever comes, the old disk is there, or
// the new one, or (killed) none, and never a mixture; the next run is as if
// nothing had been. All calls, each with two errors, with GUESTKIT_FAULTS=all.
func TestFaults(t *testing.T) {
	peers.Need(t, "strace")
	all := os.Getenv("GUESTKIT_FAULTS") == "all"
	bin := traceable(t)
	targets := map[string][]string{
		"d.vmdk": {"-o", "subformat=twoGbMaxExtentFlat,split_size=1M"},
		"d.x":    {"-O", "raw", "-o", "split_size=1M"},
		"d.raw":  nil,
	}
	if all {
		targets["s.vmdk"] = []string{"-o", "subformat=twoGbMaxExtentSparse,split_size=1M"}
		targets["d.qcow2"] = []string{"-o", "data_file=d.data"}
		targets["c.qcow2"] = []string{"-c"}
		for _, name := range []string{"d.vhd", "d.vhdx", "d.vdi", "d.ova", "m.vmdk", "d.tar.gz"} {
			targets[name] = nil
		}
	}
	for name, flags := range targets {
		t.Run(name, func(t *testing.T) { newFaults(t, bin, name, flags).run(all) })
	}
}

type faults struct {
	t         *testing.T
	bin, dir  string
	disks     map[string]block.Device // by the names old and new
	main      string                  // by which the image is read
	convert   []string
	left      []string // what is in the folder when all went well
	runs, hit int
}

func newFaults(t *testing.T, bin, name string, flags []string) *faults {
	f := &faults{t: t, bin: bin, dir: t.TempDir(), disks: map[string]block.Device{}}
	src := t.TempDir()
	for i, disk := range []string{"old", "new"} {
		b := bytes.Repeat([]byte{byte('A' + i)}, 3<<20-i<<20) // the old one has more files
		if err := os.WriteFile(filepath.Join(src, disk), b, 0o600); err != nil {
			t.Fatal(err)
		}
		f.disks[disk] = block.Plain(bytes.NewReader(b))
	}
	f.main = filepath.Join(f.dir, name)
	f.convert = append([]string{"convert", "-q", "-m", "1", "-f", "raw", "--force"}, flags...)
	f.convert = append(f.convert, "--source", filepath.Join(src, "new"), "--output", f.main)
	if strings.HasSuffix(name, ".x") {
		f.main += ".001"
	}
	return f
}

// args is the command line that writes one of the disks.
func (f *faults) args(disk string) []string {
	out := append([]string(nil), f.convert...)
	for i := range out {
		if out[i] == "--source" {
			out[i+1] = filepath.Join(filepath.Dir(out[i+1]), disk)
		}
	}
	return out
}

func (f *faults) ok(disk string) {
	f.t.Helper()
	if out, err := exec.Command(f.bin, f.args(disk)...).CombinedOutput(); err != nil {
		f.t.Fatalf("%s: %v\n%s", disk, err, out)
	}
	if got := f.holds(); got != disk {
		f.t.Fatalf("written is %q, and it holds %q", disk, got)
	}
}

func (f *faults) files() []string {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// holds tells which disk the image is, "" if there is none.
func (f *faults) holds() string {
	if _, err := os.Lstat(f.main); errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if strings.HasSuffix(f.main, ".tar.gz") { // read by its packing alone
		b, err := os.ReadFile(f.main)
		for _, disk := range []string{"old", "new"} {
			want := filepath.Join(f.t.TempDir(), disk+".tar.gz")
			if out, err := exec.Command(f.bin, "convert", "-q", "-f", "raw", filepath.Join(filepath.Dir(f.source()), disk), want).CombinedOutput(); err != nil {
				f.t.Fatalf("%v %s", err, out)
			}
			if w, _ := os.ReadFile(want); err == nil && bytes.Equal(b, w) {
				return disk
			}
		}
		return "something else"
	}
	img, err := format.OpenFile(f.main, &format.Options{FollowOwnDir: true})
	if err != nil {
		return err.Error()
	}
	defer img.Close()
	for disk, want := range f.disks {
		if d, err := convert.Compare(context.Background(), img, want, true, nil); d == nil && err == nil {
			return disk
		}
	}
	return "a mixture"
}

func (f *faults) source() string {
	for i, a := range f.convert {
		if a == "--source" {
			return f.convert[i+1]
		}
	}
	return ""
}

var injected = regexp.MustCompile(`\(INJECTED\)|killed by SIGKILL`)

func (f *faults) run(all bool) {
	calls, kinds := faultCalls, []string{"error=EIO", "error=ENOSPC", "signal=KILL"}
	if !all {
		calls, kinds = calls[:faultsShort], []string{"error=EIO", "signal=KILL"}
	}
	f.ok("old")
	f.ok("new")
	f.left = f.files()
	for _, call := range calls {
		for _, kind := range kinds {
			most := 400
			if !all {
				most = 12
			}
			for k := 1; k <= most; k++ {
				if !f.once(call, kind, k) {
					break
				}
			}
		}
	}
	f.t.Logf("%d runs, %d faults", f.runs, f.hit)
	if f.hit < 4 {
		f.t.Errorf("only %d faults came", f.hit)
	}
}

// once lets one occurrence of a call fail; false if there is no such occurrence.
func (f *faults) once(call, kind string, k int) bool {
	f.ok("old")
	log := filepath.Join(f.t.TempDir(), "log")
	inject := fmt.Sprintf("inject=%s:%s:when=%d", call, kind, k)
	cmd := exec.Command("strace", append([]string{"-f", "-qq", "-e", "trace=" + call, "-e", inject, "-o", log, f.bin}, f.args("new")...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	f.runs++
	text, rerr := os.ReadFile(log)
	if rerr != nil {
		f.t.Fatal(rerr)
	}
	if !injected.Match(text) {
		return false
	}
	f.hit++
	killed := kind == "signal=KILL"
	got := f.holds()
	switch {
	case err == nil && got != "new":
		f.t.Errorf("%s: no error, and there is %q", inject, got)
	case killed && got != "new" && got != "old" && got != "":
		f.t.Errorf("%s: there is %q", inject, got)
	case !killed && got != "new" && got != "old" && call != "renameat" && call != "linkat":
		f.t.Errorf("%s: there is %q\n%s", inject, got, out)
	case !killed && got != "new" && got != "old":
		f.t.Errorf("%s: the old image is lost, and there is %q\n%s", inject, got, out)
	}
	// A call that fails may be the one that removes something.
	if left := f.files(); !killed && call != "unlinkat" && got == "new" && len(left) > len(f.left) && fmt.Sprint(left) != fmt.Sprint(f.left) {
		f.t.Errorf("%s: left are %q", inject, left)
	}
	f.ok("new")
	if left := f.files(); fmt.Sprint(left) != fmt.Sprint(f.left) {
		f.t.Errorf("%s: after the next run there are %q, not %q", inject, left, f.left)
	}
	return true
}

// TestResizeFaults grows an overlay over a larger backing file, and shrinks it again,
// and lets every system call of that fail or kill the process. The disk has its old
// size or its new one, the bytes that it had, zeros where it grew, and the next run
// ends what was begun. All calls with GUESTKIT_FAULTS=all.
func TestResizeFaults(t *testing.T) {
	peers.Need(t, "strace", "qemu-img", "qemu-io")
	dir := t.TempDir()
	bin, base, overlay := traceable(t), filepath.Join(dir, "base.raw"), filepath.Join(dir, "disk.qcow2")
	const small, large = 1<<20 + 512, 2 << 20
	below := bytes.Repeat([]byte("B"), 4<<20)
	if err := os.WriteFile(base, below, 0o600); err != nil {
		t.Fatal(err)
	}
	disk := append(bytes.Repeat([]byte("O"), 64<<10), below[:small-64<<10]...)
	reset := func(size int) {
		t.Helper()
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4096", "-b", base, "-F", "raw", overlay, fmt.Sprint(small))
		peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 0x4f 0 64k", overlay)
		if size > small {
			peers.Run(t, "qemu-img", "resize", "-q", "-f", "qcow2", overlay, fmt.Sprint(size))
		}
	}
	size := func(what string) int64 {
		t.Helper()
		img, err := format.OpenFile(overlay, &format.Options{FollowOwnDir: true, AllowDirs: []string{dir}})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return -1
		}
		defer img.Close()
		got := make([]byte, img.Size())
		if err := block.ReadFull(img, got, 0); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		want := append(bytes.Clone(disk), make([]byte, max(0, len(got)-small))...)[:len(got)]
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes are others than they were", what, len(got))
		}
		out, err := peers.Command(t, "qemu-img", "check", "-f", "qcow2", overlay).CombinedOutput()
		if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) { // 3 is leaks alone
			t.Errorf("%s: qemu-img check: %v\n%s", what, err, out)
		}
		return img.Size()
	}
	calls, kinds := []string{"pwrite64", "fsync", "fdatasync", "ftruncate", "fallocate"}, []string{"error=EIO", "signal=KILL"}
	most := 3
	if os.Getenv("GUESTKIT_FAULTS") == "all" {
		calls, kinds, most = append(calls, "pread64", "openat", "flock", "ioctl"), append(kinds, "error=ENOSPC"), 300
	}
	runs, hit := 0, 0
	for _, c := range []struct{ from, to int }{{small, large}, {large, small}} {
		args := []string{"resize", "-q", "--shrink", "--allow-dir", dir, overlay, fmt.Sprint(c.to)}
		for _, call := range calls {
			for _, kind := range kinds {
				for k := 1; k <= most; k++ {
					reset(c.from)
					log := filepath.Join(t.TempDir(), "log")
					inject := fmt.Sprintf("inject=%s:%s:when=%d", call, kind, k)
					cmd := exec.Command("strace", append([]string{"-f", "-qq", "-e", "trace=" + call, "-e", inject, "-o", log, bin}, args...)...)
					cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
					out, err := cmd.CombinedOutput()
					runs++
					text, rerr := os.ReadFile(log)
					if rerr != nil {
						t.Fatal(rerr)
					}
					if !injected.Match(text) {
						break
					}
					hit++
					what := fmt.Sprintf("%d to %d, %s (%v) %s", c.from, c.to, inject, err, out)
					if n := size(what); err == nil && n != int64(c.to) || n != int64(c.from) && n != int64(c.to) {
						t.Errorf("%s: the disk has %d bytes", what, n)
					}
					if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
						t.Errorf("%s: the next run: %v %s", what, err, out)
					} else if n := size(what + ", the next run"); n != int64(c.to) {
						t.Errorf("%s: the next run leaves %d bytes", what, n)
					}
				}
			}
		}
	}
	if b, err := os.ReadFile(base); err != nil || !bytes.Equal(b, below) {
		t.Errorf("the backing file is another: %v", err)
	}
	if t.Logf("%d runs, %d faults", runs, hit); hit < 8 {
		t.Errorf("only %d faults came", hit)
	}
}
