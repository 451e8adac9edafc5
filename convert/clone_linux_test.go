package convert

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/vmdk"
)

// TestClone shares blocks on a file system that can.
func TestClone(t *testing.T) {
	peers.NeedRoot(t)
	img := filepath.Join(t.TempDir(), "xfs.img")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, 400<<20); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mkfs.xfs", "-q", img)
	dir := peers.Mount(t, img, "xfs")
	b, err := os.ReadFile(sample(t, 9<<20+512))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/a.raw", b, 0o600); err != nil {
		t.Fatal(err)
	}
	src := openImage(t, dir+"/a.raw", "raw")
	for _, x := range []string{"qcow2", "raw"} {
		out := dir + "/b." + x
		res, err := ToFile(context.Background(), src, &Output{Path: out, Format: x, Verify: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Cloned < res.Data/2 {
			t.Errorf("%s: %d of %d bytes share blocks", x, res.Cloned, res.Data)
		}
		if d, err := Compare(context.Background(), src, openImage(t, out, x), true, nil); d != nil || err != nil {
			t.Errorf("%s: %+v %v", x, d, err)
		}
	}
	judgeQcow2(t, dir+"/a.raw", dir+"/b.qcow2")
}

// TestKilled kills a copy at several moments: the output is absent or complete,
// and the next run removes what is left once it is old enough.
func TestKilled(t *testing.T) {
	if name := os.Getenv("CONVERT_KILLED"); name != "" { // the child
		im, err := format.OpenFile(os.Getenv("CONVERT_SOURCE"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer im.Close()
		if _, err := ToFile(context.Background(), im, &Output{Path: name, Format: FormatOf(name), VMDK: vmdk.Layout{Subformat: vmdk.TwoGbMaxExtentSparse}}, &Options{Compress: true}); err != nil {
			t.Fatal(err)
		}
		return
	}
	src := sample(t, 6<<20)
	dir := t.TempDir()
	for i := range 20 {
		out := filepath.Join(dir, "out.qcow2")
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		cmd.Env = append(os.Environ(), "CONVERT_KILLED="+out, "CONVERT_SOURCE="+src)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i*i) * time.Millisecond)
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
		if _, err := os.Stat(out); err == nil {
			if d, err := Compare(context.Background(), openImage(t, src, "raw"), openImage(t, out, "qcow2"), true, nil); d != nil || err != nil {
				t.Errorf("kill %d: a partial output: %+v %v", i, d, err)
			}
			os.Remove(out)
		}
	}
	left, _ := filepath.Glob(dir + "/.guestkit-*.partial")
	for _, name := range left {
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	f, err := CreateFile(dir+"/next", nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	nothing(t, dir)
}

// TestKilledVMDK kills a copy into several files: the descriptor, which has its
// name last, is absent or names complete extents.
func TestKilledVMDK(t *testing.T) {
	src := sample(t, 6<<20)
	seen := 0
	for i := range 12 {
		dir := t.TempDir()
		out := filepath.Join(dir, "out.vmdk")
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		cmd.Env = append(os.Environ(), "CONVERT_KILLED="+out, "CONVERT_SOURCE="+src)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if i < 11 {
			time.Sleep(time.Duration(i*i) * time.Millisecond)
			cmd.Process.Signal(syscall.SIGKILL)
		}
		cmd.Wait()
		if _, err := os.Stat(out); err == nil {
			seen++
			if d, err := Compare(context.Background(), openImage(t, src, "raw"), openImage(t, out, "vmdk"), true, nil); d != nil || err != nil {
				t.Errorf("kill %d: a partial output: %+v %v", i, d, err)
			}
		}
	}
	if seen == 0 {
		t.Error("the copy that was not killed made nothing")
	}
}
