package xfs_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
)

// BenchmarkWalk stats 50,000 files, against find on the kernel's mount.
func BenchmarkWalk(b *testing.B) {
	peers.NeedRoot(b)
	img := newImage(b, 400<<20)
	dir := peers.Mount(b, img, "xfs")
	for i := range 500 {
		d := filepath.Join(dir, fmt.Sprint(i))
		os.Mkdir(d, 0o755)
		for j := range 100 {
			if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("file-%d", j)), nil, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	peers.Unmount(b, dir)
	dir = peers.Mount(b, img, "xfs", "ro")
	fsys := openImage(b, img, nil)
	ours := func() time.Duration {
		start := time.Now()
		err := fs.WalkDir(fsys, ".", func(_ string, d fs.DirEntry, err error) error {
			if err == nil {
				_, err = d.Info()
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	kernel := func() time.Duration {
		start := time.Now()
		peers.Run(b, "find", dir, "-printf", "%p %s %m %T@\n")
		return time.Since(start)
	}
	o, k := alternate(b, ours, kernel)
	b.ReportMetric(float64(o)/float64(k), "x-of-find")
}

// alternate runs two things in turn, once to warm up and then for the length of
// the benchmark, and returns the medians of what they say they took.
func alternate(b *testing.B, ours, kernel func() time.Duration) (o, k time.Duration) {
	ours()
	kernel()
	var os, ks []time.Duration
	for b.Loop() {
		os, ks = append(os, ours()), append(ks, kernel())
	}
	slices.Sort(os)
	slices.Sort(ks)
	o, k = os[len(os)/2], ks[len(ks)/2]
	b.ReportMetric(o.Seconds()*1000, "ours-ms")
	b.ReportMetric(k.Seconds()*1000, "kernel-ms")
	return o, k
}

// BenchmarkRead reads a file of one extent and one of 100,000, against the
// kernel's mount.
func BenchmarkRead(b *testing.B) {
	peers.NeedRoot(b)
	peers.Need(b, "fallocate")
	img := newImage(b, 2<<30)
	dir := peers.Mount(b, img, "xfs")
	if err := os.WriteFile(filepath.Join(dir, "one"), make([]byte, 512<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "many"))
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 4096)
	for i := range 100000 {
		if _, err := f.WriteAt(block, int64(i)*8192); err != nil {
			b.Fatal(err)
		}
	}
	f.Close()
	peers.Unmount(b, dir)
	dir = peers.Mount(b, img, "xfs", "ro")
	fsys := openImage(b, img, nil)
	buf := make([]byte, 1<<20)
	read := func(f fs.File, err error) time.Duration {
		start := time.Now()
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	for _, name := range []string{"one", "many"} {
		b.Run(name, func(b *testing.B) {
			host := os.DirFS(dir)
			o, k := alternate(b, func() time.Duration { return read(fsys.Open(name)) }, func() time.Duration { return read(host.Open(name)) })
			b.ReportMetric(float64(k)/float64(o), "x-of-kernel")
		})
	}
}
