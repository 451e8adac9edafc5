package main

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// peakMemory is the most memory that a child held, in bytes, or 0 where that
// cannot be told: Linux starts the count of a child at the peak of its parent,
// which the race detector makes large.
func peakMemory(s *os.ProcessState) int64 {
	var own syscall.Rusage
	peak := s.SysUsage().(*syscall.Rusage).Maxrss
	if syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil && peak <= own.Maxrss {
		return 0
	}
	return peak << 10
}

// A watch sees whether a file is opened, by anyone.
type watch struct{ fd int }

func watchOpens(t *testing.T, path string) *watch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Skip("inotify:", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	w := &watch{fd}
	if f, err := os.Open(path); err == nil {
		f.Close()
	}
	if !w.opened() {
		t.Fatal("inotify does not see a file being opened")
	}
	return w
}

func (w *watch) opened() bool {
	buf := make([]byte, 4096)
	n, _ := unix.Read(w.fd, buf)
	return n > 0
}

func (w *watch) drain() {
	for w.opened() {
	}
}
