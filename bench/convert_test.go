//go:build linux

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestConvert prints the table of conversions; see the package's documentation.
func TestConvert(t *testing.T) {
	b := newBench(t)
	peers.Need(t, "qemu-img", "qemu-io")
	tab := newTable(t, "conversions", "| Job | wall | range of wall | CPU | size | guestkit: wall, CPU, peak memory | qemu-img | goal |")
	for _, j := range jobs {
		if j.reflink && b.shared == "" && os.Geteuid() == 0 {
			b.share(t, j.source) // here, so that the mount outlives the job
		}
		t.Run(j.name, func(t *testing.T) {
			in, out := "", filepath.Join(b.dir, "out")
			if j.reflink {
				peers.NeedRoot(t)
				in = b.share(t, j.source)
				out = filepath.Join(b.shared, "out")
			} else {
				in = b.source(t, j.source)
			}
			tab.add(b.compare(t, j, in, out))
		})
	}
}

// compare runs one job and returns its row.
func (b *bench) compare(t *testing.T, j job, in, out string) string {
	a, q := b.lines(j, in, out)
	b.warm(t, in)
	once := func(line []string) cost {
		c := b.run(t, nil, line)
		c.size = written(t, out)
		return c
	}
	// Once unmeasured, to see that it is right, and so that both find memory that was in use.
	b.run(t, nil, a)
	peers.Run(t, "qemu-img", "compare", "-q", "-f", formatOf(j.source), "-F", j.format, in, out)
	os.Remove(out)
	once(q)
	p := b.alternate(func() cost { return once(a) }, func() cost { return once(q) })
	walls, cpus, sizes := p.ratios(wall), p.ratios(cpu), p.ratios(size)
	return fmt.Sprintf("| %s | %.2f | %.2f to %.2f | %.2f | %.3f | %s | %s | %s |", j.name, middle(walls), walls[0], walls[len(walls)-1],
		middle(cpus), middle(sizes), show(p.ours), show(p.theirs),
		judge(t, goal{"wall", middle(walls), j.wall}, goal{"CPU", middle(cpus), j.cpu}, goal{"size", middle(sizes), j.size}))
}

// warm reads a source into the page cache.
func (b *bench) warm(t *testing.T, in string) {
	if fi, err := os.Stat(in); err != nil || fi.Size() > 16<<30 {
		return
	}
	peers.Run(t, "cp", "--reflink=never", in, "/dev/null")
}

// written removes an output and tells what room it took on the disk: a raw image has
// holes.
func written(t *testing.T, out string) int64 {
	t.Helper()
	fi, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	return fi.Sys().(*syscall.Stat_t).Blocks * 512
}
