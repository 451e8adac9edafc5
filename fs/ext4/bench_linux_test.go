package ext4_test

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

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
)

func median(ds []time.Duration) float64 {
	slices.Sort(ds)
	return ds[len(ds)/2].Seconds()
}

// alternate runs ours and theirs in turn and reports the medians and their
// ratio: above 1, ours takes longer.
func alternate(b *testing.B, ours, theirs func()) {
	ours()
	theirs()
	var a, c []time.Duration
	for range max(b.N, 5) {
		start := time.Now()
		ours()
		a = append(a, time.Since(start))
		start = time.Now()
		theirs()
		c = append(c, time.Since(start))
	}
	b.ReportMetric(median(a)*1000, "ours-ms")
	b.ReportMetric(median(c)*1000, "kernel-ms")
	b.ReportMetric(median(a)/median(c), "ours/kernel")
}

// BenchmarkWalk walks and stats 50,000 files, against find -printf on the
// kernel's mount.
func BenchmarkWalk(b *testing.B) {
	peers.NeedRoot(b)
	image := mkfs(b, "512M", "-t", "ext4", "-N", "70000")
	dir := peers.Mount(b, image, "ext4")
	for i := range 500 {
		sub := filepath.Join(dir, fmt.Sprintf("usr/share/d%02d/s%d", i/20, i%20))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range 100 {
			if err := unix.Mknod(fmt.Sprintf("%s/file-%03d.txt", sub, j), unix.S_IFREG|0o644, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	peers.Unmount(b, dir)
	dir = peers.Mount(b, image, "ext4", "ro")
	r := openFile(b, image)
	alternate(b, func() {
		fsys, err := ext4.Open(r, nil) // with cold caches
		if err != nil {
			b.Fatal(err)
		}
		n, size := 0, int64(0)
		err = fs.WalkDir(fsys, ".", func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := d.Info()
			if err != nil {
				return err
			}
			n++
			size += fi.Size() + fi.ModTime().Unix()
			return nil
		})
		if err != nil || n < 50000 {
			b.Fatal(n, err)
		}
	}, func() {
		cmd := peers.Command(b, "find", dir, "-printf", "%p %m %U %G %s %T@\n")
		cmd.Stdout = io.Discard
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	})
}

const bigFile = 512 << 20

func bigImage(b *testing.B) string {
	image := mkfs(b, "700M", "-t", "ext4")
	dir := peers.Mount(b, image, "ext4")
	f, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		b.Fatal(err)
	}
	fill := filler{t: b, rng: newRand()}
	for range bigFile >> 20 {
		if _, err := f.Write(fill.bytes(1 << 20)); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	peers.Unmount(b, dir)
	return image
}

// BenchmarkRead reads a file of 512 MiB in pieces of 1 MiB, against the kernel's
// mount.
func BenchmarkRead(b *testing.B) {
	peers.NeedRoot(b)
	image := bigImage(b)
	dir := peers.Mount(b, image, "ext4", "ro")
	fsys := openImage(b, image)
	buf := make([]byte, 1<<20)
	read := func(open func() (fs.File, error)) {
		f, err := open()
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		total := 0
		for {
			n, err := f.Read(buf)
			total += n
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if total != bigFile {
			b.Fatal(total)
		}
	}
	alternate(b, func() { read(func() (fs.File, error) { return fsys.Open("big") }) },
		func() { read(func() (fs.File, error) { return os.Open(filepath.Join(dir, "big")) }) })
}

// BenchmarkReadParallel reads the file with one and with four goroutines.
func BenchmarkReadParallel(b *testing.B) {
	peers.NeedRoot(b)
	fsys := openImage(b, bigImage(b))
	read := func(workers int) {
		f, err := fsys.Open("big")
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		var wg sync.WaitGroup
		part := int64(bigFile / workers)
		for w := range int64(workers) {
			wg.Go(func() {
				buf := make([]byte, 1<<20)
				for off := w * part; off < (w+1)*part; off += int64(len(buf)) {
					if _, err := f.(*vfs.File).ReadAt(buf, off); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	read(4)
	var one, four []time.Duration
	for range max(b.N, 5) {
		start := time.Now()
		read(1)
		one = append(one, time.Since(start))
		start = time.Now()
		read(4)
		four = append(four, time.Since(start))
	}
	b.ReportMetric(median(one)*1000, "one-ms")
	b.ReportMetric(median(four)*1000, "four-ms")
	b.ReportMetric(median(one)/median(four), "gain")
}
