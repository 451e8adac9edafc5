//go:build linux

package bench

import (
	"bytes"
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

// A bench is where the jobs run.
type bench struct {
	raw, dir, guestkit string
	rounds             int
	shared             string            // a mount whose files can share blocks, "" before there is one
	mounts             map[string]string // of the disks of commands
}

// newBench makes a folder, and a guestkit in it, unless nothing is to be measured.
func newBench(t *testing.T) *bench {
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
	beside := os.TempDir()
	if raw != "make" {
		var err error
		if raw, err = filepath.Abs(raw); err != nil {
			t.Fatal(err)
		}
		beside = filepath.Dir(raw)
	}
	dir, err := os.MkdirTemp(cmp.Or(os.Getenv("GUESTKIT_BENCH_DIR"), beside), "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &bench{raw: raw, dir: dir, guestkit: dir + "/guestkit", rounds: rounds, mounts: map[string]string{}}
	build := exec.Command("go", "build", "-o", b.guestkit, "github.com/guestkit/guestkit/cmd/guestkit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if raw == "make" {
		b.raw = b.system(t)
	}
	return b
}

// run runs one program once.
func (b *bench) run(t *testing.T, env, line []string) cost {
	t.Helper()
	peers.Run(t, "sync", "-f", b.dir) // what earlier runs have written is not to be paid for now
	cmd := exec.Command(os.Args[0], line...)
	cmd.Env = slices.Concat(os.Environ(), env, []string{"GUESTKIT_BENCH_RUN=1"})
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
	return c
}

// A pair is what both programs took, round by round.
type pair struct{ ours, theirs []cost }

// alternate runs both in turn, and in every second round the other one first.
func (b *bench) alternate(ours, theirs func() cost) pair {
	var p pair
	for i := range b.rounds {
		if i%2 == 1 {
			p.theirs = append(p.theirs, theirs())
			p.ours = append(p.ours, ours())
			continue
		}
		p.ours = append(p.ours, ours())
		p.theirs = append(p.theirs, theirs())
	}
	return p
}

// ratios are of one to the other in each round, the least first.
func (p pair) ratios(of func(cost) float64) []float64 {
	all := make([]float64, len(p.ours))
	for i := range all {
		all[i] = of(p.ours[i]) / of(p.theirs[i])
	}
	slices.Sort(all)
	return all
}

func wall(c cost) float64 { return c.Wall.Seconds() }
func cpu(c cost) float64  { return c.CPU.Seconds() }
func size(c cost) float64 { return float64(c.size) }

// middle is the median of what is sorted.
func middle(sorted []float64) float64 { return sorted[len(sorted)/2] }

// show tells the medians of the times, and the largest memory.
func show(all []cost) string {
	mid := func(of func(cost) float64) float64 {
		var x []float64
		for _, c := range all {
			x = append(x, of(c))
		}
		slices.Sort(x)
		return middle(x)
	}
	rss := slices.MaxFunc(all, func(a, b cost) int { return cmp.Compare(a.RSS, b.RSS) }).RSS
	return fmt.Sprintf("%s, %s, %d MiB", seconds(mid(wall)), seconds(mid(cpu)), rss>>10)
}

// seconds shows a time with three digits that say something.
func seconds(s float64) string {
	if s < 0.1 {
		return fmt.Sprintf("%.1f ms", s*1000)
	}
	return fmt.Sprintf("%.2f s", s)
}

// A goal is what a figure should be at most; 0 is none.
type goal struct {
	what     string
	is, most float64
}

// judge tells the goals, says which are missed, and fails the test where that is by
// more than a tenth.
func judge(t *testing.T, goals ...goal) string {
	var all []string
	for _, g := range goals {
		if g.most == 0 {
			continue
		}
		s := fmt.Sprintf("%s %.2f", g.what, g.most)
		if g.is > g.most {
			s += ", missed"
		}
		if g.is > g.most*1.1 {
			t.Errorf("%s is %.2f, the goal %.2f", g.what, g.is, g.most)
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

// A table is what a test prints, row by row, and writes at its end.
type table struct {
	marker string
	rows   bytes.Buffer
}

// newTable begins a table, which ends with the test.
func newTable(t *testing.T, marker, head string) *table {
	tab := &table{marker: marker}
	columns := strings.Count(head, "|") - 1
	tab.add(head)
	tab.add("|---|" + "---:|" + strings.Repeat("---|", columns-2))
	t.Cleanup(func() {
		if path := os.Getenv("GUESTKIT_BENCH_WRITE"); path != "" {
			if err := tab.write(path); err != nil {
				t.Error(err)
			}
		}
	})
	return tab
}

func (tab *table) add(row string) {
	fmt.Println(row)
	tab.rows.WriteString(row + "\n")
}

// write puts the table between its markers in a document.
func (tab *table) write(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- bench: "+tab.marker+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: no line %q with %q after it", path, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+tab.rows.String()+"\n"+end+after), 0o644)
}
