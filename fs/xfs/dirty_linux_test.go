//go:build linux

package xfs_test

import (
	"errors"
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

// TestDirtyOperations shuts a filesystem down after one sort of change at a time.
func TestDirtyOperations(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "xfs_io")
	img := newImage(t, 320<<20)
	dir := peers.Mount(t, img, "xfs")
	p := func(format string, args ...any) string { return filepath.Join(dir, fmt.Sprintf(format, args...)) }
	for _, d := range []string{"a", "b", "full"} {
		os.Mkdir(p("%s", d), 0o755)
	}
	for i := range 300 {
		os.WriteFile(p("full/file-%d", i), []byte(strings.Repeat("0123456789", i*3)), 0o644)
		os.WriteFile(p("b/moved-%d", i/3), []byte("was here before"), 0o644)
	}
	for _, name := range []string{"a/new-0", "a/new-1", "long"} {
		os.WriteFile(p("%s", name), make([]byte, 900_000), 0o644)
	}
	os.Mkdir(p("b/sub"), 0o755)
	peers.Unmount(t, dir)
	file := func(name string, change func(f *os.File)) {
		if f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644); err == nil {
			change(f)
			f.Sync()
			f.Close()
		}
	}
	for _, op := range []struct {
		name string
		run  func()
	}{
		{"create", func() {
			for i := range 200 {
				os.WriteFile(p("a/new-%d", i), nil, 0o600)
			}
		}},
		{"rename", func() {
			os.Remove(p("b/sub"))
			for i := range 100 {
				os.Rename(p("full/file-%d", i), p("b/moved-%d", i))
			}
			os.Rename(p("a/new-0"), p("a/new-1")) // over another
			os.Mkdir(p("a/sub"), 0o755)
			os.Rename(p("a/sub"), p("b/sub")) // with another parent
		}},
		{"unlink", func() {
			for i := 100; i < 290; i++ {
				os.Remove(p("full/file-%d", i))
			}
			os.Remove(p("b/sub"))
		}},
		{"extend", func() {
			for i := range 60 {
				file(p("b/moved-%d", i), func(f *os.File) { f.WriteAt([]byte("the end"), int64(i)*10007) })
			}
			file(p("long"), func(f *os.File) {
				for i := range 400 {
					f.WriteAt([]byte{byte(i)}, int64(i)*8192)
				}
			})
		}},
		{"truncate", func() {
			for i := range 60 {
				os.Truncate(p("b/moved-%d", i), int64(i)*77)
			}
			os.Truncate(p("long"), 100*8192+1) // a btree loses leaves
		}},
		{"xattrs", func() {
			for i := range 40 {
				unix.Lsetxattr(p("b/moved-%d", i), "user.a", []byte(strings.Repeat("v", i*i*2)), 0)
				unix.Lsetxattr(p("long"), fmt.Sprint("user.", i), []byte(strings.Repeat("w", 150)), 0)
			}
			for i := 0; i < 40; i += 3 {
				unix.Lremovexattr(p("long"), fmt.Sprint("user.", i))
			}
		}},
		{"links, modes and owners", func() {
			for i := range 30 {
				os.Link(p("long"), p("a/link-%d", i))
				os.Symlink(strings.Repeat("x", i*30), p("a/symlink-%d", i))
				os.Chmod(p("b/moved-%d", i), os.FileMode(0o400+i))
				os.Lchown(p("b/moved-%d", i), i*1000, i)
			}
		}},
		{"clone and punch", func() {
			exec.Command("cp", "--reflink=always", p("long"), p("clone")).Run()
			file(p("clone"), func(f *os.File) {
				f.WriteAt([]byte("changed"), 50*8192)
				unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 10*8192, 9*8192)
				unix.Fallocate(int(f.Fd()), 0, 200*8192, 1<<20)
			})
		}},
	} {
		t.Run(op.name, func(t *testing.T) {
			dir = peers.Mount(t, img, "xfs")
			op.run()
			shutdown(t, dir, "shutdown -f")
			compareRecovered(t, img, op.name)
			// The kernel recovers the image itself for what comes next.
			dir = peers.Mount(t, img, "xfs")
			peers.Unmount(t, dir)
		})
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

// TestLiveCopies copies filesystems in use, after an fsync, with every buffer of
// the log: records are short in large buffers, which no shutdown leaves behind.
func TestLiveCopies(t *testing.T) {
	peers.NeedRoot(t)
	for args, sizes := range map[string][]string{
		"":           {"16k", "32k", "64k", "128k", "256k"},
		"-l su=64k":  {"64k", "128k", "256k"}, // no buffer is smaller than the stripe unit
		"-l su=256k": {"256k"},
	} {
		for _, size := range sizes {
			t.Run(strings.ReplaceAll("logbsize "+size+" "+args, " ", "_"), func(t *testing.T) {
				img := newImage(t, 300<<20, strings.Fields(args)...)
				dir := peers.Mount(t, img, "xfs", "logbsize="+size)
				for i := range 20 {
					d := filepath.Join(dir, fmt.Sprint("dir", i))
					if err := os.Mkdir(d, 0o755); err != nil {
						t.Fatal(err)
					}
					f, err := os.Create(filepath.Join(d, "file"))
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintln(f, "content", i)
					if err := errors.Join(f.Sync(), f.Close()); err != nil {
						t.Fatal(err)
					}
				}
				live := copyImage(t, img)
				peers.Unmount(t, dir)
				compareRecovered(t, live, size)
			})
		}
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
	shutdown(t, c.dir, how)
	compareRecovered(t, img, fmt.Sprint("round ", round))
}

// shutdown stops a mounted filesystem as if the machine had failed. Without -f
// what is in memory of the log is lost as well.
func shutdown(t *testing.T, dir, how string) {
	t.Helper()
	peers.Run(t, "xfs_io", "-r", "-x", "-c", how, dir)
	peers.Run(t, "umount", dir) // not Unmount, which asks the dead filesystem first
}

// compareRecovered compares what is read of an image that was shut down with
// what the kernel sees after it recovered a copy.
func compareRecovered(t *testing.T, img, what string) {
	t.Helper()
	after := copyImage(t, img)
	fsys := openImage(t, img, nil)
	info := fsys.Info()
	if !info.Dirty || !info.Replayed {
		t.Errorf("%s: dirty %v, replayed %v", what, info.Dirty, info.Replayed)
	}
	for _, p := range fsys.Problems() {
		t.Errorf("%s: problem: %v", what, p)
	}
	got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	dir := peers.Mount(t, after, "xfs", "noatime")
	want, err := testimg.HostTree(dir, testimg.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	peers.Unmount(t, dir)
	testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
	t.Logf("%s: %d paths", what, len(want))
}
