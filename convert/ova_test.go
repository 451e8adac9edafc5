package convert_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/ova"
)

// pattern is a disk with data, zeros and data again.
func pattern(n int, b byte) block.Device {
	p := make([]byte, n)
	for i := range min(n, 100<<10) {
		p[i] = b + byte(i*i>>8)
	}
	p[n-1] = b
	return block.Plain(bytes.NewReader(p))
}

func TestOVA(t *testing.T) {
	dir := t.TempDir()
	disks := []block.Device{pattern(3<<20, 1), pattern(1<<20, 2), pattern(600<<10+512, 3)}
	out := &convert.Output{Path: filepath.Join(dir, "three.ova"), Format: "ova", OVA: ova.Layout{Name: "three", Memory: 2 << 30}, Verify: true}
	last := convert.Progress{}
	res, err := convert.ToOVA(context.Background(), disks, out, &convert.Options{Progress: func(p convert.Progress) {
		if p.Done < last.Done || p.Total != 4<<20+600<<10+512 {
			t.Errorf("progress %+v after %+v", p, last)
		}
		last = p
	}})
	if err != nil || res.Size != 4<<20+600<<10+512 || last.Done != last.Total {
		t.Fatalf("%+v, %v, progress %+v", res, err, last)
	}
	images, err := format.OpenFileDisks(out.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, im := range images {
		if d, err := convert.Compare(context.Background(), disks[i], im, true, nil); err != nil || d != nil {
			t.Errorf("disk %d: %v, %v", i, d, err)
		}
		im.Close()
	}
	if info, problems, err := format.DescribeFile(out.Path, nil); err != nil || len(problems) > 0 || info.Machines[0].Memory != 2<<30 {
		t.Errorf("%v, %v", problems, err)
	}
	if err := os.Remove(out.Path); err != nil {
		t.Fatal(err)
	}
	// One disk goes the way of every format.
	if _, err := convert.ToFile(context.Background(), disks[0], out, nil); err != nil {
		t.Fatal(err)
	}
	peers.Need(t, "tar", "qemu-img")
	peers.Run(t, "tar", "-xf", out.Path, "-C", dir)
	want := filepath.Join(dir, "want.raw")
	b := make([]byte, disks[0].Size())
	if err := block.ReadFull(disks[0], b, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(want, b, 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "qemu-img", "compare", "-f", "vmdk", "-F", "raw", filepath.Join(dir, "three-disk1.vmdk"), want)
}

// A failure leaves nothing, whichever disk it comes from.
func TestOVAFails(t *testing.T) {
	for i := range 2 {
		dir := t.TempDir()
		disks := []block.Device{pattern(1<<20, 1), pattern(1<<20, 2)}
		disks[i] = broken{disks[i]}
		out := &convert.Output{Path: filepath.Join(dir, "x.ova"), Format: "ova"}
		if _, err := convert.ToOVA(context.Background(), disks, out, nil); !errors.Is(err, errBroken) {
			t.Errorf("disk %d: %v", i, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("disk %d: %v is left, %v", i, left, err)
		}
	}
}

var errBroken = errors.New("broken")

type broken struct{ block.Device }

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > 512<<10 {
		return 0, errBroken
	}
	return b.Device.ReadAt(p, off)
}

// TestOVAMutations damages a package that was written, and checks it with the
// disks in it.
func TestOVAMutations(t *testing.T) {
	out := &convert.Output{Path: filepath.Join(t.TempDir(), "x.ova"), Format: "ova"}
	if _, err := convert.ToOVA(context.Background(), []block.Device{pattern(200<<10, 1), pattern(64<<10, 2)}, out, nil); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(out.Path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(r block.Reader) error {
		_, err := format.Check(context.Background(), r, nil, nil)
		return err
	}
	if err := check(bytes.NewReader(image)); err != nil {
		t.Fatal(err)
	}
	testimg.Mutate(t, testimg.Mutations{Image: image, Run: check})
}
