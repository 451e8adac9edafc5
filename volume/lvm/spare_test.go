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
