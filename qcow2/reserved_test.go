package qcow2_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/qcow2"
)

// TestReservedBits sets bits in entries that mean nothing: the disk is what it was,
// to QEMU too, and the problems and the check say so, and nothing else.
func TestReservedBits(t *testing.T) {
	peers.Need(t, "qemu-img")
	base := fixture(t, "base.qcow2")
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := write("base.qcow2", base)
	for name, at := range map[string]int64{"L1 table": l1At, "L2 table": l2At} {
		b := bytes.Clone(base)
		b[at] |= 0x10
		b[at+7] |= 0x04
		peers.Run(t, "qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", whole, write("bits.qcow2", b))
		im, err := qcow2.Open(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		old, err := qcow2.Open(bytes.NewReader(base), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, want := make([]byte, im.Size()), make([]byte, old.Size())
		if err := block.ReadFull(im, got, 0); err != nil {
			t.Fatal(name, err)
		}
		if err := block.ReadFull(old, want, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the disk is another one (%v)", name, err)
		}
		if p := im.Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), name+" entry") || !strings.Contains(p[0].Error(), "reserved bits") {
			t.Errorf("%s: problems %v", name, p)
		}
		var faults []string
		res, err := qcow2.Check(context.Background(), bytes.NewReader(b), nil, func(f block.Fault) { faults = append(faults, f.Err.Error()) })
		if err != nil || res.Corruptions != 1 || res.Leaks != 0 {
			t.Errorf("%s: %+v, %v: %q", name, res, err, faults)
		}
	}
}
