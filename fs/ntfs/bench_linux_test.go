package ntfs_test

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

// race runs two ways to do the same in turn and reports the median time of
// ours, and how many times that of the peer it is.
func race(b *testing.B, bytes int64, ours, peer func()) {
	b.Helper()
	ours()
	peer() // both warm
	var a, p []time.Duration
	for b.Loop() {
		start := time.Now()
		ours()
		a = append(a, time.Since(start))
		start = time.Now()
		peer()
		p = append(p, time.Since(start))
	}
	slices.Sort(a)
	slices.Sort(p)
	mine, theirs := a[len(a)/2], p[len(p)/2]
	b.ReportMetric(mine.Seconds(), "s")
	b.ReportMetric(theirs.Seconds(), "peer-s")
	b.ReportMetric(mine.Seconds()/theirs.Seconds(), "x-peer-time")
	if bytes > 0 {
		b.ReportMetric(float64(bytes)/1e6/mine.Seconds(), "MB/s")
	}
}

// BenchmarkWalk lists and stats 50,000 files, against find on ntfs-3g.
func BenchmarkWalk(b *testing.B) {
	peers.Need(b, "mkntfs", "ntfs-3g", "find")
	img := mkntfs(b, 256<<20)
	dir, unmount := mount3g(b, img)
	f := newFiller(b, dir)
	for i := range 50_000 {
		if i%500 == 0 {
			f.mkdir(fmt.Sprintf("dir %d", i/500))
		}
		f.must(os.WriteFile(f.path(fmt.Sprintf("dir %d/file number %d", i/500, i)), []byte("x"), 0o666))
	}
	unmount()
	dir, _ = mount3g(b, img, "ro")
	race(b, 0, func() {
		fsys, h := openImage(b, img, nil)
		defer h.Close()
		n := 0
		if err := fs.WalkDir(fsys, ".", func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			_, err = d.Info()
			n++
			return err
		}); err != nil || n != 50_101 {
			b.Fatalf("%d files, %v", n, err)
		}
	}, func() { peers.Run(b, "find", dir, "-printf", "%p %s %T@ %y\n") })
}

// BenchmarkContiguous reads a file of 512 MiB, against ntfs-3g.
func BenchmarkContiguous(b *testing.B) {
	peers.Need(b, "mkntfs", "ntfs-3g")
	const size = 512 << 20
	img := mkntfs(b, 768<<20)
	dir, unmount := mount3g(b, img, "big_writes")
	f := newFiller(b, dir)
	h, err := os.Create(f.path("big"))
	f.must(err)
	part := f.random(4 << 20)
	for range size / len(part) {
		_, err := h.Write(part)
		f.must(err)
	}
	f.must(h.Close())
	unmount()
	dir, _ = mount3g(b, img, "ro")
	buf := make([]byte, 1<<20)
	copyAll := func(r io.Reader) {
		n := 0
		for {
			m, err := r.Read(buf)
			if n += m; err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if n != size {
			b.Fatalf("%d bytes", n)
		}
	}
	race(b, size, func() {
		fsys, img := openImage(b, img, nil)
		defer img.Close()
		h, err := fsys.Open("big")
		if err != nil {
			b.Fatal(err)
		}
		copyAll(h)
	}, func() {
		h, err := os.Open(filepath.Join(dir, "big"))
		if err != nil {
			b.Fatal(err)
		}
		defer h.Close()
		copyAll(h)
	})
}

// BenchmarkPacked reads a compressed file, against ntfs-3g.
func BenchmarkPacked(b *testing.B) {
	peers.Need(b, "mkntfs", "ntfs-3g")
	const size = 32 << 20
	img := mkntfs(b, 96<<20)
	dir, unmount := mount3g(b, img, "compression")
	f := newFiller(b, dir)
	f.compress("packed")
	f.write("packed/text", f.text(size))
	unmount()
	dir, _ = mount3g(b, img, "ro,direct_io")
	race(b, size, func() {
		fsys, img := openImage(b, img, nil)
		defer img.Close()
		if x, err := fs.ReadFile(fsys, "packed/text"); err != nil || len(x) != size {
			b.Fatal(err)
		}
	}, func() {
		if x, err := os.ReadFile(filepath.Join(dir, "packed/text")); err != nil || len(x) != size {
			b.Fatal(err)
		}
	})
}
