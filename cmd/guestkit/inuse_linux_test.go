package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestInUseQEMU is TestInUse with the programs that take these locks.
func TestInUseQEMU(t *testing.T) {
	peers.Need(t, "qemu-system-x86_64", "qemu-nbd")
	for name, start := range map[string]func(base, dir string) *exec.Cmd{
		"qemu-system": func(base, _ string) *exec.Cmd {
			return peers.Command(t, "qemu-system-x86_64", "-S", "-nodefaults", "-display", "none", "-accel", "tcg", "-m", "64", "-drive", "if=none,format=qcow2,file="+base)
		},
		"qemu-nbd": func(base, dir string) *exec.Cmd {
			return peers.Command(t, "qemu-nbd", "-t", "-f", "qcow2", "-k", filepath.Join(dir, "nbd.sock"), base)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			base, top := filepath.Join(dir, "base.qcow2"), filepath.Join(dir, "top.qcow2")
			b, err := os.ReadFile(uefi)
			if err == nil {
				err = os.WriteFile(base, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			must(t, "create", "-q", "-b", "base.qcow2", "-F", "qcow2", top)
			cmd := start(base, dir)
			var said bytes.Buffer
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			defer func() {
				cmd.Process.Kill()
				<-ended
			}()
			f, err := os.Open(base)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for { // until it has the lock
				l := unix.Flock_t{Type: unix.F_WRLCK, Start: 101, Len: 1}
				if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l); err != nil {
					t.Skip(err)
				}
				if l.Type != unix.F_UNLCK {
					break
				}
				select {
				case err := <-ended:
					ended <- err
					t.Fatalf("%v: %v, %s", cmd.Args, err, said.String())
				case <-time.After(20 * time.Millisecond):
				}
			}
			saysInUse(t, base, top)
			for _, c := range [][]string{{"resize", base, "+1M"}, {"snapshot", "-c", "s", base}, {"check", "-r", "all", base}, {"sparsify", base}, {"convert", "--force", "-n", top, base}, {"convert", "--force", "-f", "raw", uefi, base}} {
				if r := gk(t, c...); r.code == 0 || !strings.Contains(r.err, "open") {
					t.Errorf("guestkit %s of an image that is in use: %+v", strings.Join(c, " "), r)
				}
			}
		})
	}
}

// TestInUse: every command that reads an image tells, in the same words, that
// QEMU has it open for writing, or an image behind it. The locks are those of
// QEMU's block/file-posix.c: a shared one on byte 101 (100 and the bit of
// writing) of the file.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	disks(t, dir)
	base, top := filepath.Join(dir, "base.qcow2"), filepath.Join(dir, "top.qcow2")
	b, err := os.ReadFile(uefi)
	if err == nil {
		err = os.WriteFile(base, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "create", "-b", "base.qcow2", "-F", "qcow2", top); r.code != 0 {
		t.Fatal(r.err)
	}
	f, err := os.OpenFile(base, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := unix.Flock_t{Type: unix.F_RDLCK, Start: 101, Len: 1}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l); err != nil {
		t.Skip(err)
	}
	saysInUse(t, base, top)
}

// saysInUse runs every command on an image that is open for writing, and on one
// that lies over it.
func saysInUse(t *testing.T, base, top string) {
	t.Helper()
	dir := filepath.Dir(base)
	const words = "a running QEMU has it open for writing; what is read may be inconsistent"
	for _, image := range []string{base, top} {
		for _, c := range []string{"inspect", "info", "info --json", "info --compat qemu", "detect", "check", "check --untrusted", "check --target kubevirt", "map", "ls", "manifest", "volumes", "measure -O raw",
			"cat I /etc/hostname", "convert -f qcow2 I " + filepath.Join(dir, "out.raw") + " --force", "compare I I", "convert I - -O raw"} {
			if image == top && (strings.HasPrefix(c, "check") || c == "detect" || c == "info --compat qemu") {
				continue // which open nothing but the image
			}
			args := strings.Fields(c)
			if !strings.Contains(c, " I") {
				args = append(args, "I")
			}
			for i := range args {
				if args[i] == "I" {
					args[i] = image
				}
			}
			var errs bytes.Buffer // a whole disk may go to the output
			if run(args, streams{strings.NewReader(""), io.Discard, &errs}, nil); !strings.Contains(errs.String(), base+": "+words) {
				t.Errorf("guestkit %s says nothing: %s", strings.Join(args, " "), errs.String())
			}
		}
	}
}

// TestFifoForAFile: a pipe to which nobody writes is refused, and not waited for.
func TestFifoForAFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"log A", "registry A", "info A", "inspect A", "convert A B.qcow2", "check --target kubevirt A", "bitmap A b", "digest A"} {
		done := make(chan result, 1)
		go func() {
			done <- gk(t, strings.Fields(strings.ReplaceAll(strings.ReplaceAll(args, "A", fifo), "B", fifo+"2"))...)
		}()
		select {
		case r := <-done:
			if r.code != exitFailed || !strings.Contains(r.err, "neither a file nor a block device") {
				t.Errorf("%s: %+v", args, r)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s waits", args)
		}
	}
}
