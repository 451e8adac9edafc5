package nbd_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/nbd"
)

// BenchmarkAgainstQemu serves one qcow2 by this server and by qemu-nbd and reads
// from both in turn: in order by nbdcopy, and 4 KiB anywhere with 16 requests under
// way. Ratios are of speeds: above 1, this server is faster.
func BenchmarkAgainstQemu(b *testing.B) {
	peers.Need(b, "qemu-nbd")
	peers.Need(b, "nbdcopy")
	const size = 512 << 20
	dir := b.TempDir()
	raw, path := filepath.Join(dir, "raw"), filepath.Join(dir, "disk.qcow2")
	f, err := os.Create(raw)
	if err != nil {
		b.Fatal(err)
	}
	noise := rand.NewChaCha8([32]byte{1})
	if _, err := io.CopyN(f, noise, size); err != nil {
		b.Fatal(err)
	}
	f.Close()
	peers.Run(b, "qemu-img", "convert", "-O", "qcow2", raw, path)
	os.Remove(raw)
	img, err := format.OpenFile(path, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer img.Close()
	ours, theirs := serve(b, nbd.Export{Device: img}), filepath.Join(dir, "q")
	cmd := exec.Command("qemu-nbd", "-r", "-t", "-e", "16", "-f", "qcow2", "-k", theirs, path)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for i := 0; ; i++ {
		if c, err := net.Dial("unix", theirs); err == nil {
			c.Close()
			break
		} else if i == 500 {
			b.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, job := range []struct {
		name string
		run  func(socket string) (bytes int64)
	}{
		{"sequential", func(socket string) int64 {
			peers.Run(b, "nbdcopy", "--no-extents", "nbd+unix:///?socket="+socket, "null:")
			return size
		}},
		{"random", func(socket string) int64 { return randomReads(b, socket, size, 30_000, 16) }},
	} {
		b.Run(job.name, func(b *testing.B) {
			var speeds [2][]float64
			for range max(b.N, 5) {
				for i, socket := range []string{ours, theirs} {
					start := time.Now()
					n := job.run(socket)
					speeds[i] = append(speeds[i], float64(n)/time.Since(start).Seconds())
				}
			}
			for i := range speeds {
				slices.Sort(speeds[i])
			}
			a, c := speeds[0][len(speeds[0])/2], speeds[1][len(speeds[1])/2]
			b.ReportMetric(a/1e6, "MB/s")
			b.ReportMetric(c/1e6, "qemu-MB/s")
			b.ReportMetric(a/c, "ours/qemu")
		})
	}
}

// randomReads reads n times 4 KiB, with depth requests under way.
func randomReads(b *testing.B, socket string, size int64, n, depth int) int64 {
	c, err := net.Dial("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	be := binary.BigEndian
	r := bufio.NewReaderSize(c, 128<<10)
	hello := make([]byte, 18)
	if _, err := io.ReadFull(r, hello); err != nil {
		b.Fatal(err)
	}
	c.Write(be.AppendUint32(nil, 3))                                    // fixed newstyle, no zeroes
	c.Write(be.AppendUint32(append([]byte("IHAVEOPT"), 0, 0, 0, 1), 0)) // the export ""
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	request := func() {
		q := be.AppendUint32(nil, 0x25609513)
		q = be.AppendUint64(be.AppendUint32(q, 0), 7)
		q = be.AppendUint64(q, uint64(rng.Int64N(size/4096))*4096)
		if _, err := c.Write(be.AppendUint32(q, 4096)); err != nil {
			b.Fatal(err)
		}
	}
	for range depth {
		request()
	}
	reply := make([]byte, 16+4096)
	for i := range n {
		if _, err := io.ReadFull(r, reply); err != nil {
			b.Fatal(err)
		}
		if be.Uint32(reply) != 0x67446698 || be.Uint32(reply[4:]) != 0 {
			b.Fatalf("% x", reply[:16])
		}
		if i < n-depth {
			request()
		}
	}
	return int64(n) * 4096
}
