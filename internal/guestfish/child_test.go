//go:build libguestfs && linux

package guestfish

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
)

// newChild starts a guestfish without an appliance, in a folder of its own.
func newChild(t *testing.T) (c *child, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gk") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	c, err = start(bytes.NewReader(volume(4096)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, dir
}

// gone reports that neither the process nor a file of it is left.
func gone(t *testing.T, c *child, dir string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); syscall.Kill(-c.cmd.Process.Pid, 0) != syscall.ESRCH; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) { // init takes a while to see what ended
			t.Fatal("processes are left")
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("files are left: %v %v", names, err)
	}
}

// TestChild: bytes come through both ways as they are, in order, and a command
// that fails is told from one that prints nothing.
func TestChild(t *testing.T) {
	peers.Need(t, "guestfish")
	c, dir := newChild(t)
	var all []byte
	for b := 1; b < 256; b++ {
		all = append(all, byte(b))
	}
	odd := []string{string(all), "", "-x", "~", "a'b\"c\\d", "#", "| cat", "$(id)", "\n", "<fs>", "*"}
	var commands []string
	for range 100 { // more than a pipe holds
		for _, s := range odd {
			commands = append(commands, command("echo", s))
		}
	}
	answers, complaint, err := c.ask(1<<20, time.Minute, commands...)
	if err != nil || complaint != "" || len(answers) != len(commands) {
		t.Fatalf("%d answers, %q, %v", len(answers), complaint, err)
	}
	for i, a := range answers {
		if want := odd[i%len(odd)] + "\n"; string(a) != want {
			t.Errorf("%q comes back as %q", want, a)
		}
	}
	for range 50 {
		answers, complaint, err = c.ask(1000, time.Minute, "nothing-of-this-name", command("echo", "x"))
		if err != nil || string(answers[1]) != "x\n" || !strings.Contains(complaint, "unknown command") {
			t.Fatalf("%q, %q, %v", answers, complaint, err)
		}
		if _, complaint, err = c.ask(1000, time.Minute, command("echo", "x")); err != nil || complaint != "" {
			t.Fatalf("an old complaint: %q, %v", complaint, err)
		}
	}
	c.Close()
	gone(t, c, dir)
	if _, _, err := c.ask(1000, time.Minute, "echo x"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestChildLimits: an answer that is too long, one that does not come, and a
// child that is closed while it works.
func TestChildLimits(t *testing.T) {
	peers.Need(t, "guestfish")
	c, dir := newChild(t)
	if _, _, err := c.ask(100<<10, time.Minute, "!/usr/bin/head -c 1000000 /dev/zero"); !errors.Is(err, block.ErrLimit) {
		t.Errorf("a long answer: %v", err)
	}
	c.Close()
	gone(t, c, dir)
	c, dir = newChild(t)
	if _, _, err := c.ask(1000, 50*time.Millisecond, "!/bin/sleep 1000"); !errors.Is(err, block.ErrLimit) {
		t.Errorf("no answer: %v", err)
	}
	c.Close()
	gone(t, c, dir)
	c, dir = newChild(t)
	done := make(chan error)
	go func() {
		_, _, err := c.ask(1000, time.Hour, "!/bin/sleep 1000")
		done <- err
	}()
	for busy := false; !busy; {
		if busy = !c.mu.TryLock(); !busy {
			c.mu.Unlock()
		}
	}
	c.Close()
	if err := <-done; err == nil {
		t.Error("closed while it works: no error")
	}
	gone(t, c, dir)
}

// TestEnvironment: what the user set for libguestfs is kept, and only that.
func TestEnvironment(t *testing.T) {
	got := environment([]string{"PATH=/bin", "SECRET=1", "LIBGUESTFS_DEBUG=1", "LIBGUESTFS_MEMSIZE=512", "LC_ALL=de", "LIBGUESTFS_TMPDIR=/x"}, "/d", false)
	for _, want := range []string{"PATH=/bin", "LC_ALL=C", "LIBGUESTFS_MEMSIZE=512", "LIBGUESTFS_TMPDIR=/d", "XDG_RUNTIME_DIR=/d", "LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if len(got) != 7 {
		t.Errorf("%q", got)
	}
	for _, c := range []struct {
		from []string
		kvm  bool
	}{{nil, true}, {[]string{"LIBGUESTFS_BACKEND=libvirt"}, false}, {[]string{"LIBGUESTFS_BACKEND_SETTINGS="}, false}} {
		if slices.Contains(environment(c.from, "/d", c.kvm), "LIBGUESTFS_BACKEND_SETTINGS=force_tcg") {
			t.Errorf("%v, KVM %v: emulated", c.from, c.kvm)
		}
	}
}

// TestNoGuestfish: a machine without it says what is missing.
func TestNoGuestfish(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := start(bytes.NewReader(nil)); !errors.Is(err, block.ErrUnsupported) || !strings.Contains(err.Error(), "guestfish") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "guestfish"), []byte("no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if _, err := start(bytes.NewReader(nil)); err == nil {
		t.Error("what does not start is no error")
	}
	if names, _ := os.ReadDir(temp); len(names) > 0 {
		t.Errorf("files are left: %v", names)
	}
}
