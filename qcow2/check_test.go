package qcow2

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
)

// memory is a Storage that records every write.
type memory struct {
	b      []byte
	writes []write
}

type write struct {
	p   []byte // nil for a Truncate to off
	off int64
}

func (m *memory) Size() int64 { return int64(len(m.b)) }
func (m *memory) Sync() error { return nil }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(p, off)
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.writes = append(m.writes, write{bytes.Clone(p), off})
	if end := off + int64(len(p)); end > int64(len(m.b)) {
		m.b = append(m.b, make([]byte, end-int64(len(m.b)))...)
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) Truncate(n int64) error {
	m.writes = append(m.writes, write{nil, n})
	if n > int64(len(m.b)) {
		m.b = append(m.b, make([]byte, n-int64(len(m.b)))...)
	}
	m.b = m.b[:n]
	return nil
}

// written makes an image with data in every third cluster and its size not at
// the border of a cluster.
func written(t testing.TB, l Layout, compress bool) *memory {
	t.Helper()
	if l.Size == 0 {
		l.Size = 40*max(l.ClusterSize, 4096) + 512
	}
	m := &memory{}
	w, err := NewWriter(m, nil, &l)
	if err != nil {
		t.Fatal(err)
	}
	cs := w.l.ClusterSize
	for off := int64(0); off < l.Size; off += 3 * cs {
		b := bytes.Repeat([]byte{byte(off/cs) + 1, 2, 3}, int(cs))[:cs]
		if compress {
			enc, _, err := w.Encode(nil, b)
			if err == nil {
				err = w.WriteEncoded(off, enc)
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := w.WriteAt(b[:min(cs, l.Size-off)], off); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	m.writes = nil
	return m
}

func content(t testing.TB, b []byte) []byte {
	t.Helper()
	im, err := Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, im.Size())
	if err := block.ReadFull(im, out, 0); err != nil {
		t.Fatal(err)
	}
	return out
}

func mustCheck(t testing.TB, b []byte) (*block.CheckResult, []string) {
	t.Helper()
	var faults []string
	res, err := Check(context.Background(), bytes.NewReader(b), nil, func(f block.Fault) { faults = append(faults, f.Err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	return res, faults
}

// qemuCheck is what qemu-img check says of an image.
func qemuCheck(t testing.TB, b []byte) (corruptions, leaks int64) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.qcow2")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := peers.Command(t, "qemu-img", "check", "-f", "qcow2", "--output=json", name).Output()
	var doc struct {
		Corruptions int64 `json:"corruptions"`
		Leaks       int64 `json:"leaks"`
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatalf("qemu-img check: %v: %s", err, out)
	}
	return doc.Corruptions, doc.Leaks
}

var checkLayouts = []struct {
	name     string
	l        Layout
	compress bool
}{
	{"4k", Layout{ClusterSize: 4096}, false}, {"v2", Layout{Version: 2, ClusterSize: 4096}, false}, {"512", Layout{ClusterSize: 512, Size: 60000}, false},
	{"refcount 1", Layout{RefcountBits: 1, ClusterSize: 4096}, false}, {"refcount 64", Layout{RefcountBits: 64, ClusterSize: 4096}, false},
	{"extended", Layout{ExtendedL2: true, ClusterSize: 16384}, false}, {"zlib", Layout{ClusterSize: 4096}, true}, {"zstd 4k", Layout{Compression: "zstd", ClusterSize: 4096}, true},
}

func TestCheckClean(t *testing.T) {
	for _, x := range checkLayouts {
		t.Run(x.name, func(t *testing.T) {
			m := written(t, x.l, x.compress)
			if res, faults := mustCheck(t, m.b); !res.Clean() || len(faults) > 0 || res.ImageEnd != m.Size() || res.Allocated == 0 {
				t.Errorf("%+v %v", res, faults)
			}
		})
	}
}

// TestCheckDamage damages refcounts and flags, compares what is found with what
// was done and with qemu, and repairs it.
func TestCheckDamage(t *testing.T) {
	for _, x := range []struct {
		name               string
		all                bool
		damage             func(m *memory, h *header)
		corruptions, leaks int64
	}{
		{"leak", false, func(m *memory, h *header) {
			m.b = append(m.b, make([]byte, 2<<h.clusterBits)...)
			b := m.refblock(h)
			setRefcount(b, int64(len(m.b))>>h.clusterBits-2, 4, 1)
			setRefcount(b, int64(len(m.b))>>h.clusterBits-1, 4, 1)
		}, 0, 2},
		{"refcount 0", true, func(m *memory, h *header) { setRefcount(m.refblock(h), 2, 4, 0) }, 1, 0},
		{"refcount 2", false, func(m *memory, h *header) { setRefcount(m.refblock(h), 2, 4, 2) }, 0, 1},
		{"copied flag", true, func(m *memory, h *header) { m.b[tableEntry(m.b, int64(h.l1TableOffset))&offsetMask] &^= 0x80 }, 1, 0},
		{"copied flag in L1", true, func(m *memory, h *header) { m.b[h.l1TableOffset] &^= 0x80 }, 1, 0},
		{"dirty", true, func(m *memory, h *header) { m.b[0x4f] |= 1 }, 0, 0},
		{"corrupt bit", true, func(m *memory, h *header) { m.b[0x4f] |= 2 }, 0, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			m := written(t, Layout{ClusterSize: 4096}, false)
			want := content(t, m.b)
			var h header
			h.decode(m.b)
			x.damage(m, &h)
			res, faults := mustCheck(t, m.b)
			if res.Corrupt != (len(res.Notes) > 0) {
				t.Errorf("corrupt bit %v, notes %q", res.Corrupt, res.Notes)
			}
			if res.Corruptions != x.corruptions || res.Leaks != x.leaks {
				t.Errorf("%d corruptions and %d leaks, want %d and %d: %v", res.Corruptions, res.Leaks, x.corruptions, x.leaks, faults)
			}
			if !strings.Contains(x.name, "flag") && !strings.HasPrefix(x.name, "refcount") { // qemu counts a flag besides
				if c, l := qemuCheck(t, m.b); c != x.corruptions || l != x.leaks {
					t.Errorf("qemu finds %d corruptions and %d leaks", c, l)
				}
			}
			if x.all && x.corruptions > 0 {
				if _, err := Repair(context.Background(), m, false, nil, nil); !errors.Is(err, block.ErrCorrupt) {
					t.Errorf("repair of leaks only: %v", err)
				}
			}
			before := bytes.Clone(m.b)
			m.writes = nil
			if _, err := Repair(context.Background(), m, x.all, nil, nil); err != nil {
				t.Fatal(err)
			}
			judgeChange(t, before, m, want, want)
		})
	}
}

// refblock is the first refcount block.
func (m *memory) refblock(h *header) []byte {
	off := tableEntry(m.b, int64(h.refcountTableOffset))
	return m.b[off : off+uint64(h.clusterSize())]
}

// judgeChange replays every prefix of the writes over the image as it was: the
// disk must be the old one or the new one, and at the end the image is clean.
// A write may also be cut in the middle, but for the header's, which is one
// sector.
func judgeChange(t *testing.T, before []byte, m *memory, old, want []byte) {
	t.Helper()
	if got := content(t, m.b); !bytes.Equal(got, want) {
		t.Error("the disk is not what it should be")
	}
	if res, faults := mustCheck(t, m.b); !res.Clean() || res.Dirty {
		t.Errorf("not clean: %+v %v", res, faults)
	}
	if c, l := qemuCheck(t, m.b); c != 0 || l != 0 {
		t.Errorf("qemu finds %d corruptions and %d leaks", c, l)
	}
	first, _ := mustCheck(t, before)
	step := 1 // every write
	if len(before) > 256<<10 {
		step = max(1, len(m.writes)/16)
	}
	for n := (len(m.writes) - 1) % step; n < len(m.writes); n += step {
		for _, half := range []bool{false, true} {
			x := &memory{b: bytes.Clone(before)}
			for i, w := range m.writes[:n+1] {
				p := w.p
				if i == n && half {
					if w.off == 0 || p == nil {
						continue
					}
					p = p[:len(p)/2]
				}
				if w.p == nil {
					x.Truncate(w.off)
				} else {
					x.WriteAt(p, w.off)
				}
			}
			got := content(t, x.b)
			res, faults := mustCheck(t, x.b)
			isOld := bytes.Equal(got, old) && res.Corruptions == first.Corruptions && res.Leaks == first.Leaks
			isNew := bytes.Equal(got, want) && res.Clean()
			if !isOld && !isNew {
				t.Fatalf("after write %d of %d the image is neither old nor new: %+v %v", n+1, len(m.writes), res, faults)
			}
		}
	}
}

func TestResize(t *testing.T) {
	for _, x := range checkLayouts {
		for _, to := range []float64{0, 0.3, 0.77, 1.5, 30} {
			t.Run(fmt.Sprint(x.name, to), func(t *testing.T) {
				m := written(t, x.l, x.compress)
				old := content(t, m.b)
				size := int64(to*float64(len(old)))&^511 + 512*int64(min(1, to*10))
				want := append(bytes.Clone(old), make([]byte, max(0, size-int64(len(old))))...)[:size]
				if size < int64(len(old)) {
					if err := Resize(context.Background(), m, size, nil); !errors.Is(err, block.ErrRefused) {
						t.Fatalf("shrinking without a word: %v", err)
					}
				}
				if len(m.writes) > 0 {
					t.Fatal("a refused resize has written")
				}
				before := bytes.Clone(m.b)
				if err := Resize(context.Background(), m, size, &ResizeOptions{Shrink: true}); err != nil {
					t.Fatal(err)
				}
				if to == 30 { // too much to replay each prefix
					if got := content(t, m.b); !bytes.Equal(got, want) {
						t.Error("the disk is not what it should be")
					}
					return
				}
				judgeChange(t, before, m, old, want)
				// What was cut off does not come back.
				if size < int64(len(old)) {
					if err := Resize(context.Background(), m, int64(len(old)), nil); err != nil {
						t.Fatal(err)
					}
					if got := content(t, m.b); !bytes.Equal(got, append(want, make([]byte, len(old)-len(want))...)) {
						t.Error("after growing again, old bytes show")
					}
				}
			})
		}
	}
}

// TestCheckPeers agrees with qemu on images of its own, whole and damaged.
func TestCheckPeers(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	dir := t.TempDir()
	name := dir + "/q.qcow2"
	peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", name, "8M")
	peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 3 100k 700k", "-c", "write -z 2M 64k", name)
	peers.Run(t, "qemu-img", "snapshot", "-c", "one", name)
	peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 4 200k 1M", name)
	peers.Run(t, "qemu-img", "snapshot", "-c", "two", name)
	peers.Run(t, "qemu-img", "bitmap", "--add", "-g", "4k", name, "dirty")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if res, faults := mustCheck(t, b); !res.Clean() {
		t.Fatalf("%+v %v", res, faults)
	}
	var h header
	h.decode(b)
	rng := rand.New(rand.NewPCG(4, 4))
	table := int64(h.refcountTableOffset)
	host := int64(tableEntry(b, table))
	for range 12 { // one refcount is wrong
		x := &memory{b: bytes.Clone(b)}
		i := 1 + rng.Int64N(int64(len(b))>>12-1)
		setRefcount(x.b[host:], i, 4, uint64(rng.IntN(6)))
		res, faults := mustCheck(t, x.b)
		c, l := qemuCheck(t, x.b)
		if (res.Corruptions > 0) != (c > 0) && l == 0 || (res.Leaks > 0) != (l > 0) {
			t.Errorf("refcount of cluster %d: %+v %v; qemu finds %d corruptions and %d leaks", i, res, faults, c, l)
		}
		if _, err := Repair(context.Background(), x, true, nil, nil); err != nil {
			t.Fatal(err)
		}
		if c, l := qemuCheck(t, x.b); c+l > 0 {
			t.Errorf("after the repair qemu finds %d corruptions and %d leaks", c, l)
		}
	}
}

// FuzzCheck checks, repairs and resizes damaged images: no panic, and what was
// repaired is clean and has the same disk.
func FuzzCheck(f *testing.F) {
	for _, x := range checkLayouts {
		f.Add(written(f, Layout{ClusterSize: 512, Size: 40000, Version: x.l.Version, ExtendedL2: false, RefcountBits: x.l.RefcountBits, Compression: x.l.Compression}, x.compress).b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		if _, err := Check(context.Background(), bytes.NewReader(b), nil, nil); err != nil {
			return
		}
		m := &memory{b: bytes.Clone(b)}
		if _, err := Repair(context.Background(), m, true, nil, nil); err == nil {
			if res, faults := mustCheck(t, m.b); !res.Clean() {
				t.Fatalf("repaired and not clean: %+v %v", res, faults)
			}
		} else if len(m.writes) > 0 && bytes.Equal(m.b[:min(len(m.b), len(b))], b) == false {
			t.Fatalf("failed and changed the image: %v", err)
		}
		m = &memory{b: bytes.Clone(b)}
		if err := Resize(context.Background(), m, 12345*512, &ResizeOptions{Shrink: true}); err == nil {
			if res, faults := mustCheck(t, m.b); res.Corruptions > 0 {
				t.Fatalf("resized and corrupt: %+v %v", res, faults)
			}
		}
	})
}

var _ io.ReaderAt = (*memory)(nil)
