package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// endless is standard input that never ends, and tells when it is read.
type endless struct{ begun chan struct{} }

func (e *endless) Read(p []byte) (int, error) {
	select {
	case e.begun <- struct{}{}:
	default:
	}
	return len(p), nil
}

// TestSignals: whatever signal ends a copy, nothing is left of it.
func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		dir := t.TempDir()
		in := &endless{make(chan struct{})}
		signals := make(chan os.Signal, 1)
		go func() { <-in.begun; <-in.begun; signals <- s }()
		var out, errs bytes.Buffer
		code := run([]string{"convert", "-q", "-f", "raw", "-", filepath.Join(dir, "x.qcow2")}, streams{in, &out, &errs}, signals)
		if code != 128+int(s) {
			t.Errorf("%v: code %d", s, code)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v: left are %v, %v", s, left, err)
		}
	}
}

// TestSignalsCaught: the program asks for those signals, but for those that are
// ignored where it is started, as by nohup.
func TestSignalsCaught(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "guestkit")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/guestkit").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, ignored := range []bool{false, true} {
		if !ignored && signal.Ignored(syscall.SIGHUP) {
			continue // this runs under nohup, and so would what it starts
		}
		dir := t.TempDir()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		script := `exec "$0" convert -q -f raw - "$1"`
		if ignored {
			script = `trap "" HUP; ` + script
		}
		cmd := exec.Command("sh", "-c", script, bin, filepath.Join(dir, "x.qcow2"))
		cmd.Stdin = r
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.Close()
		for range 64 { // more than a pipe holds: so the copy has begun
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Process.Signal(syscall.SIGHUP)
		if ignored {
			w.Close()
		}
		err = cmd.Wait()
		w.Close()
		code := cmd.ProcessState.ExitCode()
		left, _ := os.ReadDir(dir)
		if ignored && (err != nil || len(left) != 1) || !ignored && (code != 129 || len(left) != 0) {
			t.Errorf("ignored: %t; code %d, %v, left are %v", ignored, code, err, left)
		}
	}
}

// TestNoLinks writes to a file system that has neither hard links nor a rename
// that does not replace.
func TestNoLinks(t *testing.T) {
	peers.Need(t, "mount.exfat-fuse", "mkfs.exfat")
	peers.NeedRoot(t)
	dir := t.TempDir()
	disks(t, dir)
	image, mnt := filepath.Join(dir, "exfat"), filepath.Join(dir, "m")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	os.Truncate(image, 64<<20)
	os.Mkdir(mnt, 0o755)
	peers.Run(t, "mkfs.exfat", image)
	loop := strings.TrimSpace(peers.Run(t, "losetup", "-f", "--show", image))
	t.Cleanup(func() { peers.Run(t, "losetup", "-d", loop) })
	peers.Run(t, "mount.exfat-fuse", loop, mnt)
	t.Cleanup(func() { peers.Unmount(t, mnt) })
	for _, out := range []string{"o.qcow2", "p.vmdk -o subformat=twoGbMaxExtentFlat,split_size=1M", "q -O raw -o split_size=512K"} {
		args := append([]string{"convert", "-f", "raw", filepath.Join(dir, "a.raw")}, strings.Fields(filepath.Join(mnt, out))...)
		if r := gk(t, args...); r.code != 0 {
			t.Errorf("%s: %+v", out, r)
		}
		if r := gk(t, args...); r.code != exitFailed || !strings.Contains(r.err, "exists") {
			t.Errorf("%s again: %+v", out, r)
		}
		if r := gk(t, append(args, "--force")...); r.code != 0 {
			t.Errorf("%s --force: %+v", out, r)
		}
		name := filepath.Join(mnt, strings.Fields(out)[0])
		if strings.HasPrefix(out, "q") {
			name += ".001"
		}
		if r := gk(t, "compare", name, filepath.Join(dir, "a.raw")); r.code != 0 {
			t.Errorf("%s: %+v", out, r)
		}
	}
	if left, err := os.ReadDir(mnt); err != nil || strings.Contains(fmt.Sprint(left), ".guestkit") {
		t.Errorf("left are %v, %v", left, err)
	}
}
