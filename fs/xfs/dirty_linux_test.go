//go:build linux

package xfs_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"golang.org/x/sys/unix"
)

// copyImage copies a sparse image.
func copyImage(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.img")
	peers.Run(t, "cp", "--sparse=always", from, to)
	return to
}

// churn changes a mounted tree at random.
type churn struct {
	t   *testing.T
	rng *rand.Rand
	dir string
	seq int
}

func (c *churn) name() string {
	c.seq++
	return filepath.Join(c.dir, fmt.Sprintf("d%d", c.rng.IntN(6)), fmt.Sprintf("file-%d-%s", c.seq, strings.Repeat("n", c.rng.IntN(60))))
}

// any picks a path that exists.
func (c *churn) any() string {
	d := filepath.Join(c.dir, fmt.Sprintf("d%d", c.rng.IntN(6)))
	es, err := os.ReadDir(d)
	if err != nil || len(es) == 0 {
		return d
	}
	return filepath.Join(d, es[c.rng.IntN(len(es))].Name())
}

// step makes one change; those that the picked path does not allow fail, which
// is fine.
func (c *churn) step() {
	p := c.any()
	switch c.rng.IntN(14) {
	case 0, 1, 2, 3:
		os.WriteFile(c.name(), make([]byte, c.rng.IntN(20000)), 0o644)
	case 4:
		os.Rename(p, c.name())
	case 5:
		os.Remove(p)
	case 6:
		if f, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0); err == nil {
			f.Write([]byte(strings.Repeat("x", c.rng.IntN(30000))))
			f.Sync()
			f.Close()
		}
	case 7:
		os.Truncate(p, int64(c.rng.IntN(40000)))
	case 8:
		unix.Lsetxattr(p, fmt.Sprintf("user.a%d", c.rng.IntN(30)), []byte(strings.Repeat("v", c.rng.IntN(300))), 0)
	case 9:
		os.Symlink(strings.Repeat("target/", c.rng.IntN(100)), c.name())
	case 10:
		d := c.name()
		os.Mkdir(d, 0o755)
		for i := range c.rng.IntN(40) {
			os.WriteFile(filepath.Join(d, fmt.Sprint(i)), nil, 0o600)
		}
	case 11:
		os.RemoveAll(p)
	case 12: // scattered writes: a btree of extents
		if f, err := os.OpenFile(p, os.O_WRONLY, 0); err == nil {
			for range 40 {
				f.WriteAt([]byte{1}, int64(c.rng.IntN(4000))*8192)
			}
			f.Sync()
			f.Close()
		}
	case 13:
		for i := range 60 {
			os.WriteFile(filepath.Join(c.dir, "big", fmt.Sprintf("entry-%d-%d", c.seq, i)), nil, 0o600)
		}
		c.seq++
	}
}

// TestDirtyLogs shuts filesystems down amid changes and compares what is read
// with what the kernel sees after it recovered a copy.
func TestDirtyLogs(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "xfs_io")
	rounds := 8
	if s := os.Getenv("GUESTKIT_ROUNDS"); s != "" {
		fmt.Sscan(s, &rounds)
	}
	for i, args := range []string{"", "-m crc=1,rmapbt=1 -i nrext64=1", "-b size=1024 -m finobt=0,reflink=0", "-l size=64m,su=64k -s size=4096"} {
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			img := newImage(t, 320<<20, strings.Fields(args)...)
			c := &churn{t: t, rng: rand.New(rand.NewPCG(uint64(i), 1))}
			for round := range (rounds + 3) / 4 {
				dirtyRound(t, c, img, round)
			}
		})
	}
}

func dirtyRound(t *testing.T, c *churn, img string, round int) {
	c.dir = peers.Mount(t, img, "xfs")
	if round == 0 {
		for i := range 6 {
			os.Mkdir(filepath.Join(c.dir, fmt.Sprintf("d%d", i)), 0o755)
		}
		os.Mkdir(filepath.Join(c.dir, "big"), 0o755)
	}
	for range 50 + c.rng.IntN(250) {
		c.step()
	}
	if c.rng.IntN(3) == 0 { // some metadata in its place, some in the log only
		exec.Command("sync", "-f", c.dir).Run()
		for range c.rng.IntN(200) {
			c.step()
		}
	}
	how := "shutdown -f"
	if c.rng.IntN(3) == 0 {
		how = "shutdown"
	}
	peers.Run(t, "xfs_io", "-r", "-x", "-c", how, c.dir)
	peers.Run(t, "umount", c.dir) // not Unmount, which asks the dead filesystem first

	after := copyImage(t, img)
	fsys := openImage(t, img, nil)
	info := fsys.Info()
	if !info.Dirty || !info.Replayed {
		t.Errorf("round %d: dirty %v, replayed %v", round, info.Dirty, info.Replayed)
	}
	for _, p := range fsys.Problems() {
		t.Errorf("round %d: problem: %v", round, p)
	}
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	dir := peers.Mount(t, after, "xfs", "noatime")
	want, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	peers.Unmount(t, dir)
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
	t.Logf("round %d: %d paths", round, len(want))
}
