package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

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
			if r := gk(t, args...); !strings.Contains(r.err, base+": "+words) {
				t.Errorf("guestkit %s says nothing: %+v", strings.Join(args, " "), r.err)
			}
		}
	}
}
