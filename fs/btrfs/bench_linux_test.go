package btrfs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// versus runs ours and the kernel's reading in turn, each on a filesystem that was
// just opened or mounted, so that both compare checksums and decompress. The image
// is in the page cache. Above 1, the ratio says that ours takes longer.
func versus(b *testing.B, image string, ours func(fsys fs.FS), kernel func(dir string)) {
	r := testimg.File(b, image)
	var a, c []time.Duration
	for range max(b.N, 5) {
		start := time.Now()
		fsys, err := openFS(r)
		if err != nil {
			b.Fatal(err)
		}
		ours(fsys)
		a = append(a, time.Since(start))
		dir := peers.Mount(b, image, "btrfs", "ro")
		start = time.Now()
		kernel(dir)
		c = append(c, time.Since(start))
		peers.Unmount(b, dir)
	}
	slices.Sort(a)
	slices.Sort(c)
	us, them := a[len(a)/2].Seconds(), c[len(c)/2].Seconds()
	b.ReportMetric(us*1000, "ours-ms")
	b.ReportMetric(them*1000, "kernel-ms")
	b.ReportMetric(them/us, "speed/kernel")
}

func BenchmarkWalk(b *testing.B) {
	p := newPool(b, 1, "1G")
	dir := p.mount(b)
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
	versus(b, p.images[0], func(fsys fs.FS) {
		n, size := 0, int64(0)
		err := fs.WalkDir(fsys, ".", func(_ string, d fs.DirEntry, err error) error {
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
	}, func(dir string) {
		cmd := peers.Command(b, "find", dir, "-printf", "%p %m %U %G %s %T@\n")
		cmd.Stdout = io.Discard
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	})
}

// readBench reads one file in pieces of 1 MiB.
func readBench(b *testing.B, image string, size int64) {
	buf := make([]byte, 1<<20)
	read := func(f io.ReadCloser, err error) {
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
		if err != nil || n != size {
			b.Fatal(n, err)
		}
	}
	versus(b, image, func(fsys fs.FS) { f, err := fsys.Open("big"); read(f, err) },
		func(dir string) { f, err := os.Open(filepath.Join(dir, "big")); read(f, err) })
}

// bigPool makes an image with a file of 512 MiB.
func bigPool(b *testing.B, bytes func(f *filler, n int) []byte, mkfs []string, mount ...string) string {
	p := newPool(b, 1, "1G", mkfs...)
	dir := p.mount(b, mount...)
	f := &filler{b, dir, rand.New(rand.NewPCG(1, 1)), false}
	w, err := os.Create(f.path("big"))
	f.must(err)
	for range 512 {
		_, err := w.Write(bytes(f, 1<<20))
		f.must(err)
	}
	f.must(w.Close())
	peers.Unmount(b, dir)
	return p.images[0]
}

func BenchmarkRead(b *testing.B) {
	for _, csum := range []string{"crc32c", "xxhash", "sha256", "blake2"} {
		b.Run(csum, func(b *testing.B) { readBench(b, bigPool(b, (*filler).noise, []string{"--csum", csum}), 512<<20) })
	}
}

// BenchmarkReadAgain reads the file again and again, when the kernel has it in
// its page cache and checksums have been compared.
func BenchmarkReadAgain(b *testing.B) {
	image := bigPool(b, (*filler).noise, nil)
	dir := peers.Mount(b, image, "btrfs", "ro")
	fsys, err := openFS(testimg.File(b, image))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	read := func(f io.ReadCloser, err error) time.Duration {
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		start := time.Now()
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var a, c []time.Duration
	for range 1 + max(b.N, 7) {
		f, err := fsys.Open("big")
		a = append(a, read(f, err))
		h, err := os.Open(filepath.Join(dir, "big"))
		c = append(c, read(h, err))
	}
	a, c = a[1:], c[1:]
	slices.Sort(a)
	slices.Sort(c)
	us, them := a[len(a)/2].Seconds(), c[len(c)/2].Seconds()
	b.ReportMetric(us*1000, "ours-ms")
	b.ReportMetric(them*1000, "kernel-ms")
	b.ReportMetric(them/us, "speed/kernel")
}

func BenchmarkCompressed(b *testing.B) {
	for _, how := range []string{"zstd", "lzo", "zlib"} {
		b.Run(how, func(b *testing.B) { readBench(b, bigPool(b, (*filler).text, nil, "compress-force="+how), 512<<20) })
	}
}

// text gives bytes that compress to a half or less, as text does.
func (f *filler) text(n int) []byte {
	words := []string{"the ", "quick ", "brown ", "fox ", "jumps ", "over ", "lazy ", "dogs\n", "return ", "error, ", "if ", "func ", "0x"}
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, words[f.rng.IntN(len(words))]...)
		if f.rng.IntN(3) == 0 {
			b = fmt.Appendf(b, "%d", f.rng.Uint32N(1000000))
		}
	}
	return b[:n]
}

// BenchmarkFragments reads a file of 100,000 extents.
func BenchmarkFragments(b *testing.B) {
	const n = 100000
	p := newPool(b, 1, "2G")
	dir := p.mount(b, "noatime")
	f := &filler{b, dir, rand.New(rand.NewPCG(1, 1)), false}
	w, err := os.Create(f.path("source"))
	f.must(err)
	for range n / 256 {
		_, err := w.Write(f.noise(1 << 20))
		f.must(err)
	}
	f.must(w.Sync())
	big, err := os.Create(f.path("big"))
	f.must(err)
	for i := range int64(n) { // blocks of another file, none next to the one before
		f.must(unix.IoctlFileCloneRange(int(big.Fd()), &unix.FileCloneRange{Src_fd: int64(w.Fd()),
			Src_offset: uint64(i*7919%(n/256*256)) << 12, Src_length: 4096, Dest_offset: uint64(i) << 12}))
	}
	f.must(big.Close())
	f.must(w.Close())
	peers.Unmount(b, dir)
	readBench(b, p.images[0], n<<12)
}
