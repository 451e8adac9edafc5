package vdi_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vdi"
)

// sound checks an image and reads its disk.
var sound = testimg.Sound(vdi.Check, vdi.Open)

// TestSparsifyPower gives blocks back, with the power gone at any moment.
func TestSparsifyPower(t *testing.T) {
	const bs = 64 << 10
	for name, c := range map[string]struct {
		plan  string
		cut   int64 // bytes off the disk's end
		parts []block.Range
		want  int64 // blocks of the file that are left
		freed int64
	}{
		"all":         {"dd.ddz", 0, []block.Range{{Off: 0, Len: 6 * bs}}, 0, 4 * bs},
		"first":       {"dddddd", 0, []block.Range{{Off: 0, Len: 2*bs + 5}}, 4, 2 * bs},
		"last":        {"dzdd.d", 512, []block.Range{{Off: 3 * bs, Len: 3*bs - 512}}, 2, 2*bs - 512},
		"not whole":   {"dddddd", 0, []block.Range{{Off: 1, Len: bs}, {Off: 3*bs + 1, Len: 2*bs - 2}}, 6, 0},
		"in two":      {"dddddd", 0, []block.Range{{Off: bs, Len: 512}, {Off: bs + 512, Len: bs - 512}, {Off: 4 * bs, Len: bs}}, 4, 2 * bs},
		"none stored": {"..z...", 0, []block.Range{{Off: 0, Len: 6 * bs}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			image, _ := build(c.plan, int64(len(c.plan))*bs-c.cut, nil)
			want, err := sound(image)
			if err != nil {
				t.Fatal(err)
			}
			p := testimg.NewPower(image)
			freed, err := vdi.Sparsify(t.Context(), p, c.parts, nil)
			if err != nil || freed != c.freed {
				t.Fatalf("%d bytes were given back, %v; want %d", freed, err, c.freed)
			}
			if n := 1024 + c.want*bs; p.Size() != n {
				t.Errorf("the file has %d bytes, want %d", p.Size(), n)
			}
			got, err := sound(p.B)
			if err != nil {
				t.Fatal(err)
			}
			for i := range int64(len(c.plan)) {
				for _, x := range c.parts {
					if x.Off <= i*bs && x.Off+x.Len >= min((i+1)*bs, int64(len(want))) || name == "in two" && i == 1 {
						clear(want[i*bs : min((i+1)*bs, int64(len(want)))])
					}
				}
			}
			if !bytes.Equal(got, want) {
				t.Error("another disk")
			}
			p.Survives(t, name, 100, bs, sound)
			m := testimg.NewPower(p.B)
			if freed, err := vdi.Sparsify(t.Context(), m, c.parts, nil); err != nil || freed != 0 || !bytes.Equal(m.B, p.B) {
				t.Errorf("once more: %d bytes, %v", freed, err)
			}
			var faults []block.Fault
			if res, err := vdi.Check(t.Context(), p, nil, func(f block.Fault) { faults = append(faults, f) }); err != nil || !res.Clean() {
				t.Errorf("check: %+v %v %v", res, err, faults)
			}
		})
	}
}

// TestSparsifyAfterCrash goes on where an earlier run was interrupted.
func TestSparsifyAfterCrash(t *testing.T) {
	const bs = 64 << 10
	image, _ := build("dddddd", 6*bs, nil)
	parts := []block.Range{{Off: 0, Len: bs}, {Off: 2 * bs, Len: 2 * bs}}
	p := testimg.NewPower(image)
	if _, err := vdi.Sparsify(t.Context(), p, parts, nil); err != nil {
		t.Fatal(err)
	}
	want, err := sound(p.B)
	if err != nil {
		t.Fatal(err)
	}
	p.Crashes(t, 20, func(what string, file func() []byte) {
		again := testimg.NewPower(file())
		if _, err := vdi.Sparsify(t.Context(), again, parts, nil); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got, err := sound(again.B); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: another disk, %v", what, err)
		}
		if n := int64(len(again.B)); n > p.Size()+2*bs {
			t.Errorf("%s: %d bytes, want %d", what, n, p.Size())
		}
	})
}

func TestSparsifyRefuses(t *testing.T) {
	const bs = 64 << 10
	for name, change := range map[string]func([]byte){
		"static":       put32(0x4c, 2),
		"differencing": func(b []byte) { put32(0x4c, 4)(b); b[0x1a8], b[0x1b8] = 1, 1 },
		"corrupt":      put32(0x184, 9),
	} {
		image, _ := build("dd.d", 4*bs, change)
		p := testimg.NewPower(image)
		want := block.ErrUnsupported
		if name == "corrupt" {
			want = block.ErrCorrupt
		}
		if _, err := vdi.Sparsify(t.Context(), p, []block.Range{{Len: 4 * bs}}, nil); !errors.Is(err, want) || !bytes.Equal(p.B, image) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSparsifyPeer has qemu-img judge what is left of its own image.
func TestSparsifyPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	dir := t.TempDir()
	img, raw := filepath.Join(dir, "a.vdi"), filepath.Join(dir, "a.raw")
	peers.Run(t, "qemu-img", "create", "-q", "-f", "vdi", img, "20M")
	peers.Run(t, "qemu-io", "-f", "vdi", "-c", "write -P 9 8M 3M", "-c", "write -P 1 0 2M", "-c", "write -P 3 15M 1M", "-c", "write -P 4 4M 2M", img)
	image, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	p := testimg.NewPower(image)
	freed, err := vdi.Sparsify(t.Context(), p, []block.Range{{Off: 1 << 20, Len: 1 << 20}, {Off: 7 << 20, Len: 2 << 20}, {Off: 15 << 20, Len: 5 << 20}}, nil)
	if err != nil || freed != 3<<20 || p.Size() != int64(len(image))-3<<20 {
		t.Fatalf("%d bytes, the file has %d, it had %d; %v", freed, p.Size(), len(image), err)
	}
	judge := func(what string, b []byte) []byte {
		if err := os.WriteFile(img, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := peers.Command(t, "qemu-img", "check", "-f", "vdi", img).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", what, err, out)
		}
		peers.Run(t, "qemu-img", "convert", "-f", "vdi", "-O", "raw", img, raw)
		disk, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		return disk
	}
	before, after := judge("before", image), judge("after", p.B)
	want := bytes.Clone(before)
	clear(want[1<<20 : 2<<20])
	clear(want[8<<20 : 9<<20])
	clear(want[15<<20 : 16<<20])
	if !bytes.Equal(after, want) {
		t.Error("another disk")
	}
	i := 0
	p.Crashes(t, 0, func(what string, file func() []byte) {
		if i++; i%5 != 0 {
			return
		}
		if got := judge(what, file()); !bytes.Equal(got, before) && !bytes.Equal(got, after) {
			t.Errorf("%s: qemu-img reads another disk", what)
		}
	})
}
