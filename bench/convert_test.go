//go:build linux

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
)

const rounds = 3

// cost is what one run took.
type cost struct {
	wall, cpu time.Duration
	rss       int64 // KiB
	size      int64 // of the output
}

// job is a conversion by both programs; {in} and {out} stand for files.
type job struct {
	name     string
	in       string
	guestkit string
	qemu     string
}

// TestConvert prints a table of ratios in Markdown: guestkit to qemu-img,
// medians of three runs of each.
func TestConvert(t *testing.T) {
	raw := os.Getenv("GUESTKIT_BENCH")
	if raw == "" {
		t.Skip("GUESTKIT_BENCH names no image")
	}
	peers.Need(t, "qemu-img")
	dir, err := os.MkdirTemp(filepath.Dir(raw), "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	gk := dir + "/guestkit"
	if out, err := exec.Command("go", "build", "-o", gk, "github.com/guestkit/guestkit/cmd/guestkit").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	peers.Run(t, "qemu-img", "convert", "-O", "qcow2", raw, dir+"/plain.qcow2")
	peers.Run(t, "qemu-img", "convert", "-c", "-O", "qcow2", raw, dir+"/zlib.qcow2")
	peers.Run(t, "qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", raw, dir+"/zstd.qcow2")
	peers.Run(t, "qemu-img", "create", "-f", "qcow2", dir+"/sparse.qcow2", "16T")
	peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 1 3T 50M", "-c", "write -P 2 11T 50M", dir+"/sparse.qcow2")
	fmt.Println("| job | wall | CPU | peak memory | output size | guestkit wall, CPU, memory |\n|---|---:|---:|---:|---:|---|")
	for _, j := range []job{
		{"raw to qcow2", raw, "convert {in} {out}.qcow2", "convert -O qcow2 {in} {out}.qcow2"},
		{"qcow2 to raw", dir + "/plain.qcow2", "convert {in} {out}.raw", "convert -O raw {in} {out}.raw"},
		{"qcow2 to qcow2, zlib", dir + "/plain.qcow2", "convert -c {in} {out}.qcow2", "convert -c -O qcow2 {in} {out}.qcow2"},
		{"qcow2 to qcow2, zstd", dir + "/plain.qcow2", "convert -c=zstd {in} {out}.qcow2", "convert -c -O qcow2 -o compression_type=zstd {in} {out}.qcow2"},
		{"zlib qcow2 to raw", dir + "/zlib.qcow2", "convert {in} {out}.raw", "convert -O raw {in} {out}.raw"},
		{"zstd qcow2 to raw", dir + "/zstd.qcow2", "convert {in} {out}.raw", "convert -O raw {in} {out}.raw"},
		{"16 TiB with 100 MiB of data", dir + "/sparse.qcow2", "convert {in} {out}.qcow2", "convert -O qcow2 {in} {out}.qcow2"},
	} {
		var ours, theirs []cost
		for range rounds {
			ours = append(ours, run(t, gk, j.guestkit+" --no-sync", j.in, dir))
			theirs = append(theirs, run(t, "qemu-img", j.qemu, j.in, dir))
		}
		a, b := median(ours), median(theirs)
		fmt.Printf("| %s | %.2f | %.2f | %.2f | %.3f | %.2f s, %.2f s, %d MiB |\n", j.name, a.wall.Seconds()/b.wall.Seconds(), a.cpu.Seconds()/b.cpu.Seconds(),
			float64(a.rss)/float64(b.rss), float64(a.size)/float64(b.size), a.wall.Seconds(), a.cpu.Seconds(), a.rss>>10)
	}
}

// run runs one program once. qemu-img does not wait for the disk, so guestkit
// is told not to either.
func run(t *testing.T, tool, line, in, dir string) cost {
	t.Helper()
	out := dir + "/out"
	args := strings.Fields(strings.NewReplacer("{in}", in, "{out}", out).Replace(line))
	cmd := exec.Command(tool, args...)
	start := time.Now()
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, text)
	}
	c := cost{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.rss = u.Maxrss
	}
	for _, name := range []string{out + ".raw", out + ".qcow2"} {
		if fi, err := os.Stat(name); err == nil {
			c.size = fi.Size()
			if st, ok := fi.Sys().(*syscall.Stat_t); ok && strings.HasSuffix(name, ".raw") {
				c.size = st.Blocks * 512
			}
			os.Remove(name)
		}
	}
	return c
}

// median is the middle by wall time, with the smallest CPU time.
func median(all []cost) cost {
	slices.SortFunc(all, func(a, b cost) int { return int(a.wall - b.wall) })
	c := all[len(all)/2]
	for _, x := range all {
		c.cpu = min(c.cpu, x.cpu)
	}
	return c
}
