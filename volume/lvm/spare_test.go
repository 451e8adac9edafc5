package lvm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/lvm"
)

// TestSpare writes garbage over what no volume lies on: all volumes stay what the
// kernel read. Volumes that are direct are those of stripes that no other reads,
// and what is written over one of them changes no other.
func TestSpare(t *testing.T) {
	direct, total := 0, int64(0)
	testimg.Cases(t, archive, func(name string, files map[string][]byte) {
		prefix := "m"
		switch name {
		case "basic", "mirrors", "snaps", "pvmove", "merging", "thin":
		default:
			return
		}
		if files["m0"] == nil {
			return
		}
		g := group(t, files, prefix)
		before := map[string]string{}
		for _, v := range g.Volumes {
			if v.Err == nil && v.Device.Size() <= 32<<20 { // thin ones are large
				before[v.Name] = sum(t, v)
			}
			if v.Direct {
				direct++
				if v.Type != "striped" && v.Type != "linear" || slices.ContainsFunc(g.Hidden, func(h *lvm.Volume) bool { return strings.HasPrefix(h.Name, v.Name+"_") }) {
					t.Errorf("%s: %s, of type %s, is direct", name, v.Name, v.Type)
				}
			}
		}
		for _, v := range g.Hidden {
			if v.Direct && v.Type != "striped" && v.Type != "linear" {
				t.Errorf("%s: %s, of type %s, is direct", name, v.Name, v.Type)
			}
		}
		for _, pv := range g.PhysicalVolumes {
			spare, err := g.Spare(pv)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for k := 0; ; k++ {
				b, ok := files[fmt.Sprintf("%s%d", prefix, k)]
				if !ok {
					break
				}
				if int64(len(b)) != pv.Device.Size() || !sameStart(pv.Device, b) {
					continue
				}
				for _, s := range spare {
					for at := s.Off; at < s.Off+s.Len; at += 512 {
						b[at] ^= 0xA5
					}
					total += s.Len
				}
			}
		}
		after := group(t, files, prefix)
		for _, v := range after.Volumes {
			if want, ok := before[v.Name]; ok && v.Err == nil && sum(t, v) != want {
				t.Errorf("%s: %s has changed with what is spare", name, v.Name)
			}
		}
	})
	if total == 0 {
		t.Error("nothing is spare")
	}
	if direct == 0 {
		t.Error("no volume is direct")
	}
}

// sameStart reports whether a device begins as b, which holds a label of its own.
func sameStart(d block.Device, b []byte) bool {
	p := make([]byte, 4096)
	return block.ReadFull(d, p, 0) == nil && string(p) == string(b[:4096])
}

// TestTwice: a volume whose extents a hidden one has too is not direct.
func TestTwice(t *testing.T) {
	for at, direct := range map[int]bool{5: true, 4: false} {
		body := lv("lin", linear(0, 3, "pv0", 2)) + strings.Replace(lv("hidden", linear(0, 1, "pv0", at)), ", \"VISIBLE\"", "", 1)
		groups, problems, err := assemble(device(0, text(3, body), 512), device(1, text(3, body), 512))
		if err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
		if v := find(t, groups[0], "lin"); v.Err != nil || v.Direct != direct {
			t.Errorf("beside extent %d: direct %v, %v", at, v.Direct, v.Err)
		}
	}
}
