//go:build linux

package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
)

// A cost is what one run took.
type cost struct {
	Wall, CPU time.Duration
	RSS       int64 // the peak of resident memory in KiB
	size      int64 // of the output
}

// TestMain runs a program and tells its cost, when the test binary has called
// itself for that: Linux counts the peak memory of a program from that of the
// process that has started it, and this one has only just begun.
func TestMain(m *testing.M) {
	if os.Getenv("GUESTKIT_BENCH_RUN") == "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stderr = os.Stderr
	begin := time.Now()
	err := cmd.Run()
	c := cost{Wall: time.Since(begin)}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	c.CPU, c.RSS = cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), u.Maxrss
	json.NewEncoder(os.Stdout).Encode(c)
}

// TestConvert prints the table; see the package's documentation.
func TestConvert(t *testing.T) {
	raw := os.Getenv("GUESTKIT_BENCH")
	if raw == "" {
		t.Skip("GUESTKIT_BENCH names no image")
	}
	rounds := 5
	if s := os.Getenv("GUESTKIT_BENCH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil || rounds < 1 {
			t.Fatalf("GUESTKIT_BENCH_ROUNDS is %q", s)
		}
	}
	peers.Need(t, "qemu-img", "qemu-io")
	raw, err := filepath.Abs(raw)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(cmp.Or(os.Getenv("GUESTKIT_BENCH_DIR"), filepath.Dir(raw)), "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &bench{raw: raw, dir: dir, guestkit: dir + "/guestkit"}
	build := exec.Command("go", "build", "-o", b.guestkit, "github.com/guestkit/guestkit/cmd/guestkit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	fmt.Println("| Job | wall | range of wall | CPU | size | guestkit: wall, CPU, peak memory | qemu-img | goal |\n|---|---:|---|---:|---:|---|---|---|")
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
			fmt.Println(b.compare(t, j, in, out, rounds))
		})
	}
}

// compare runs one job and returns its row.
func (b *bench) compare(t *testing.T, j job, in, out string, rounds int) string {
	var ours, theirs []cost
	a, q := b.lines(j, in, out)
	b.warm(t, in)
	for i := range rounds {
		first, second := func() { ours = append(ours, run(t, a, out)) }, func() { theirs = append(theirs, run(t, q, out)) }
		if i == 0 { // once unmeasured, to see that it is right, and so that both find memory that was in use
			run(t, a, "")
			peers.Run(t, "qemu-img", "compare", "-q", "-f", formatOf(j.source), "-F", j.format, in, out)
			os.Remove(out)
			run(t, q, out)
		}
		if i%2 == 1 {
			first, second = second, first
		}
		first()
		second()
	}
	ratio := func(of func(cost) float64) []float64 {
		all := make([]float64, rounds)
		for i := range all {
			all[i] = of(ours[i]) / of(theirs[i])
		}
		slices.Sort(all)
		return all
	}
	wall := ratio(func(c cost) float64 { return c.Wall.Seconds() })
	cpu := ratio(func(c cost) float64 { return c.CPU.Seconds() })
	size := ratio(func(c cost) float64 { return float64(c.size) })
	mid := rounds / 2
	return fmt.Sprintf("| %s | %.2f | %.2f to %.2f | %.2f | %.3f | %s | %s | %s |", j.name, wall[mid], wall[0], wall[rounds-1], cpu[mid], size[mid],
		show(ours), show(theirs), j.goals(wall[mid], size[mid]))
}

// show tells the medians of the times, and the largest memory.
func show(all []cost) string {
	mid := func(of func(cost) time.Duration) float64 {
		var x []float64
		for _, c := range all {
			x = append(x, of(c).Seconds())
		}
		slices.Sort(x)
		return x[len(x)/2]
	}
	rss := slices.MaxFunc(all, func(a, b cost) int { return cmp.Compare(a.RSS, b.RSS) }).RSS
	return fmt.Sprintf("%.2f s, %.2f s, %d MiB", mid(func(c cost) time.Duration { return c.Wall }), mid(func(c cost) time.Duration { return c.CPU }), rss>>10)
}

// warm reads a source into the page cache.
func (b *bench) warm(t *testing.T, in string) {
	if fi, err := os.Stat(in); err != nil || fi.Size() > 16<<30 {
		return
	}
	peers.Run(t, "cp", "--reflink=never", in, "/dev/null")
}

// run runs one program once, and removes its output if that is named.
func run(t *testing.T, line []string, out string) cost {
	t.Helper()
	syscall.Sync() // what earlier runs have written is not to be paid for now
	cmd := exec.Command(os.Args[0], line...)
	cmd.Env = append(os.Environ(), "GUESTKIT_BENCH_RUN=1")
	var text strings.Builder
	cmd.Stderr = &text
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(line, " "), err, text.String())
	}
	var c cost
	if err := json.Unmarshal(got, &c); err != nil {
		t.Fatal(err)
	}
	if out == "" {
		return c
	}
	fi, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	// what takes room on the disk: a raw image has holes
	c.size = fi.Sys().(*syscall.Stat_t).Blocks * 512
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	return c
}
