package qcow2_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
)

// benchDisk makes a raw disk of n bytes, of which half compresses well and a
// quarter not at all, and returns its path.
func benchDisk(b *testing.B, dir string, n int64) string {
	b.Helper()
	path := filepath.Join(dir, "disk.raw")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	plain := text(1 << 20)
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for off := int64(0); off < n; off += 4 << 20 {
		for i, part := range [][]byte{plain, noise, plain, plain} {
			if _, err := f.WriteAt(part, off+int64(i)<<20); err != nil {
				b.Fatal(err)
			}
		}
	}
	return path
}

func benchImage(b *testing.B, raw string, args ...string) string {
	b.Helper()
	out := filepath.Join(filepath.Dir(raw), "disk.qcow2")
	peers.Run(b, "qemu-img", slices.Concat([]string{"convert", "-O", "qcow2"}, args, []string{raw, out})...)
	return out
}

func openBench(b *testing.B, path string) format.Image {
	b.Helper()
	im, err := format.OpenFile(path, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { im.Close() })
	return im
}

// readThrough reads all of r in pieces of 1 MiB and returns how long it took.
func readThrough(b *testing.B, r block.Reader) time.Duration {
	b.Helper()
	start := time.Now()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < r.Size(); off += int64(len(buf)) {
		if n, err := r.ReadAt(buf[:min(int64(len(buf)), r.Size()-off)], off); err != nil && err != io.EOF || n == 0 {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkSequential reads 1 GiB from a qcow2 image and from the raw file, by
// turns, both from the page cache. ratio is the speed over that of the file.
func BenchmarkSequential(b *testing.B) {
	rawPath := benchDisk(b, b.TempDir(), 1<<30)
	image, file := openBench(b, benchImage(b, rawPath)), openBench(b, rawPath)
	b.SetBytes(1 << 30)
	var ours, theirs []time.Duration
	for b.Loop() {
		ours = append(ours, readThrough(b, image))
		b.StopTimer()
		theirs = append(theirs, readThrough(b, file))
		b.StartTimer()
	}
	b.ReportMetric(float64(median(theirs))/float64(median(ours)), "ratio")
}

// BenchmarkCompressed reads 256 MiB of compressed clusters, a quarter of which
// do not compress, so that they are stored, and lets qemu-img bench read the same
// by turns, cluster by cluster. ratio is the speed over qemu-img's, whose time
// includes its start.
func BenchmarkCompressed(b *testing.B) {
	for _, kind := range []string{"zlib", "zstd"} {
		b.Run(kind, func(b *testing.B) {
			rawPath := benchDisk(b, b.TempDir(), 256<<20)
			path := benchImage(b, rawPath, "-c", "-o", "compression_type="+kind)
			image := openBench(b, path)
			peers.Need(b, "qemu-img")
			b.SetBytes(256 << 20)
			var ours, theirs []time.Duration
			for b.Loop() {
				ours = append(ours, readThrough(b, image))
				b.StopTimer()
				start := time.Now()
				if out, err := exec.Command("qemu-img", "bench", "-f", "qcow2", "-c", "4096", "-d", "1", "-s", "64k", path).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				theirs = append(theirs, time.Since(start))
				b.StartTimer()
			}
			b.ReportMetric(float64(median(theirs))/float64(median(ours)), "ratio")
		})
	}
}

// BenchmarkRandom reads 4 KiB at random offsets of 1 GiB from 1, 2 and 4
// goroutines; an operation is one read.
func BenchmarkRandom(b *testing.B) {
	image := openBench(b, benchImage(b, benchDisk(b, b.TempDir(), 1<<30)))
	readThrough(b, image)
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("goroutines=%d", workers), func(b *testing.B) {
			b.SetBytes(4096)
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(1, uint64(w)))
					buf := make([]byte, 4096)
					for range b.N / workers {
						if _, err := image.ReadAt(buf, rng.Int64N(1<<18)*4096); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
