package volume

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/luks"
)

// TestLUKS opens the fixtures of package luks: with the second key, without a
// key, with none that fits, and within bounds that are too low.
func TestLUKS(t *testing.T) {
	plain := testimg.Unpack(t, "luks/testdata/plain.img.gz")
	for name, slot := range map[string]string{"luks1": "key slot 1", "luks2": "key slot 0"} {
		disk := testimg.Unpack(t, "luks/testdata/"+name+".img.gz")
		keys := [][]byte{[]byte("falsch"), []byte("geheim")}
		var needs []block.KeyNeed
		o := &Options{Unlock: func(_ context.Context, n block.KeyNeed) ([]byte, error) {
			needs = append(needs, n)
			if n.Attempt >= len(keys) {
				return nil, block.ErrEncrypted
			}
			return keys[n.Attempt], nil
		}}
		tree, err := Scan(t.Context(), []block.Device{device(disk)}, o)
		if err != nil {
			t.Fatal(err)
		}
		v, ok := tree.Lookup("luks:disk")
		if !ok {
			t.Fatalf("%s: %s, %v", name, names(tree.Volumes), tree.Volumes[0].Err)
		}
		got := make([]byte, len(plain))
		if err := block.ReadFull(v.Device, got, 0); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %v", name, err)
		}
		if v.Found.Type != "vfat" || v.Kind != Decrypted || v.Status() != Leaf || tree.Volumes[0].Status() != Container {
			t.Errorf("%s: %+v", name, v)
		}
		facts := tree.Volumes[0].Facts
		if last := facts[len(facts)-1]; last.Name != "opened by" || last.Value != slot {
			t.Errorf("%s: %v", name, facts)
		}
		if len(needs) != 2 || needs[0].UUID == "" || needs[0].Hint == "" || name == "luks2" && needs[0].Label != "geheimnis" {
			t.Errorf("%+v", needs)
		}

		keys = keys[:1]
		tree, _ = Scan(t.Context(), []block.Device{device(disk)}, o)
		if v := tree.Volumes[0]; v.Status() != Encrypted || len(tree.Volumes) != 1 {
			t.Errorf("%s, no key that fits: %v", name, v.Err)
		}
		o.KeyCost = luks.Limits{Work: 10}
		tree, _ = Scan(t.Context(), []block.Device{device(disk)}, o)
		if v := tree.Volumes[0]; !errors.Is(v.Err, block.ErrLimit) {
			t.Errorf("%s, too dear: %v", name, v.Err)
		}
	}
}
