package testimg

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
)

// BenchTree makes 50,000 small files and some large ones in dir, text that
// compresses to about half.
func BenchTree(b *testing.B, dir string) {
	b.Helper()
	f := filler{b, dir, newRand(), Fill{}}
	for i := range 500 {
		for j := range 100 {
			f.write(fmt.Sprintf("usr/share/d%02d/s%d/file-%03d.txt", i/20, i%20, j), f.bytes(int64(i*7+j*13)%3000))
		}
	}
	for i := range 8 {
		f.write(fmt.Sprintf("usr/lib/lib%02d.so", i), f.bytes(8<<20))
	}
}

// BenchMounts compares a fresh open of an image with a fresh mount of it, in
// turn: a walk that stats every path, and four goroutines that read every file.
func BenchMounts(b *testing.B, image, fstype string, open Opener) {
	r := File(b, image)
	mounted := func(fn func(dir string)) time.Duration {
		dir := peers.Mount(b, image, fstype, "ro")
		defer peers.Unmount(b, dir)
		start := time.Now()
		fn(dir)
		return time.Since(start)
	}
	ours := func(fn func(fsys fs.FS)) time.Duration {
		start := time.Now()
		fsys, err := open(r)
		if err != nil {
			b.Fatal(err)
		}
		fn(fsys)
		return time.Since(start)
	}
	run := func(name string, fn func(b *testing.B, fsys fs.FS, dir string)) {
		b.Run(name, func(b *testing.B) {
			var us, them []time.Duration
			for range max(b.N, 3) {
				us = append(us, ours(func(fsys fs.FS) { fn(b, fsys, "") }))
				them = append(them, mounted(func(dir string) { fn(b, nil, dir) }))
			}
			slices.Sort(us)
			slices.Sort(them)
			a, c := us[len(us)/2].Seconds(), them[len(them)/2].Seconds()
			b.ReportMetric(a*1000, "ours-ms")
			b.ReportMetric(c*1000, "kernel-ms")
			b.ReportMetric(a/c, "ours/kernel")
		})
	}
	run("Walk", func(b *testing.B, fsys fs.FS, dir string) {
		if fsys == nil {
			cmd := peers.Command(b, "find", dir, "-printf", "%p %m %U %G %s %T@\n")
			cmd.Stdout = io.Discard
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			return
		}
		if n := len(files(b, fsys)); n < 50000 {
			b.Fatal(n)
		}
	})
	run("Read", func(b *testing.B, fsys fs.FS, dir string) {
		var names []string
		open := func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) }
		if fsys == nil {
			names = files(b, os.DirFS(dir))
		} else {
			names = files(b, fsys)
			open = func(name string) (io.ReadCloser, error) { return fsys.Open(name) }
		}
		readAll(b, names, open)
	})
}

// files walks and stats all of a filesystem.
func files(b *testing.B, fsys fs.FS) (names []string) {
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil && fi.Mode().IsRegular() {
			names = append(names, p)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return names
}

// readAll reads the files from four goroutines, each a run of neighbours.
func readAll(b *testing.B, names []string, open func(string) (io.ReadCloser, error)) {
	var wg sync.WaitGroup
	work := make(chan []string)
	for range 4 {
		wg.Go(func() {
			buf := make([]byte, 1<<20)
			for part := range work {
				for _, name := range part {
					f, err := open(name)
					if err != nil {
						b.Error(err)
						continue
					}
					if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf); err != nil {
						b.Error(err)
					}
					f.Close()
				}
			}
		})
	}
	for part := range slices.Chunk(names, 64) {
		work <- part
	}
	close(work)
	wg.Wait()
}
