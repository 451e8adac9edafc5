package qcow2

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// damages are what Repair sets right. host is a cluster of data, which has one reference.
var damages = map[string]func(m *memory, h *header, host int64){
	"leaks": func(m *memory, h *header, _ int64) {
		end := (int64(len(m.b)) + h.clusterSize() - 1) >> h.clusterBits
		m.Truncate((end + 2) << h.clusterBits)
		m.setRefcount(h, end, 1)
		m.setRefcount(h, end+1, 1)
	},
	"refcount 0": func(m *memory, h *header, host int64) { m.setRefcount(h, host, 0) },
	"refcount too high": func(m *memory, h *header, host int64) {
		if h.refcountOrder > 0 {
			m.setRefcount(h, host, min(3, maxRefcount(h.refcountOrder)))
		}
	},
	"copied flags": func(m *memory, h *header, _ int64) {
		l1 := int64(h.l1TableOffset)
		for i := range int64(h.l1Size) {
			if l2 := int64(tableEntry(m.b, l1+8*i) & offsetMask); l2 != 0 {
				for at := l2; at < l2+h.clusterSize(); at += h.l2EntrySize() {
					if tableEntry(m.b, at)&offsetMask != 0 && tableEntry(m.b, at)&flagCompressed == 0 {
						m.b[at] ^= 0x80
					}
				}
				m.b[l1+8*i] ^= 0x80
			}
		}
	},
	"dirty": func(m *memory, h *header, _ int64) {
		if h.version > 2 {
			m.b[0x4f] |= incompatDirty
		}
	},
	"corrupt bit": func(m *memory, h *header, _ int64) {
		if h.version > 2 {
			m.b[0x4f] |= incompatCorrupt
		}
	},
}

// setRefcount changes that of cluster i, where there is a block for it.
func (m *memory) setRefcount(h *header, i int64, n uint64) {
	at := int64(h.refcountTableOffset) + i/h.refcountsPerBlock()*8
	if off := int64(tableEntry(m.b, at)); off != 0 {
		setRefcount(m.b[off:off+h.clusterSize()], i%h.refcountsPerBlock(), h.refcountOrder, n)
	}
}

// TestRepairPower repairs images with snapshots and bitmaps, with the power gone at any
// moment: what they hold stays, and they are as damaged as they were, or whole.
func TestRepairPower(t *testing.T) {
	ctx := context.Background()
	all := maps.Clone(layouts)
	all["refcount1"] = Layout{ClusterSize: 4096, RefcountBits: 1}
	for name, l := range all {
		for _, compress := range []bool{false, true} {
			for damage, do := range damages {
				t.Run(fmt.Sprint(name, " ", compress, " ", damage), func(t *testing.T) {
					m := written(t, l, compress)
					if l.RefcountBits != 1 {
						if _, err := CreateSnapshot(ctx, m, "s", time.Unix(1, 0)); err != nil {
							t.Fatal(err)
						}
					}
					if l.Version != 2 {
						if err := ChangeBitmap(ctx, m, "a", []BitmapAction{{Do: "add"}}); err != nil {
							t.Fatal(err)
						}
					}
					var h header
					h.decode(m.b)
					held := func(b []byte) string {
						t.Helper()
						b = bytes.Clone(b)
						if h.version > 2 {
							b[0x4f] &^= incompatDirty | incompatCorrupt // state wants no problems
						}
						return state(t, b, baseDisk)
					}
					was := held(m.b)
					do(m, &h, int64(tableEntry(m.b, int64(tableEntry(m.b, int64(h.l1TableOffset))&offsetMask))&offsetMask)>>h.clusterBits)
					first, _ := mustCheck(t, m.b)
					p := newPowerLog(m.b)
					if _, err := Repair(ctx, p, true, nil, nil); err != nil {
						t.Fatal(err)
					}
					seen := map[bool]int{}
					p.crashes(rand.New(rand.NewPCG(1, uint64(len(p.writes)))), testimg.CrashRuns(30), func(what string, b []byte) {
						if got := held(b); got != was {
							t.Fatalf("%s: it holds something else:\n%s\nbefore:\n%s", what, got, was)
						}
						res, faults := mustCheck(t, b)
						as := res.Corruptions == first.Corruptions && res.Leaks == first.Leaks && res.Dirty == first.Dirty && res.Corrupt == first.Corrupt
						whole := res.Clean() && !res.Dirty && !res.Corrupt
						if !as && !whole {
							t.Fatalf("%s: %+v %v; it was %+v", what, res, faults, first)
						}
						seen[whole]++
						if whole && seen[true]%1000 == 1 {
							judge(t, what, b)
						}
					})
					if damaged := !first.Clean() || first.Dirty || first.Corrupt; damaged && (seen[false] == 0 || seen[true] == 0) {
						t.Errorf("%v, want both", seen)
					} else if !damaged && damage != "refcount too high" && h.version > 2 && !(compress && damage == "copied flags") {
						t.Error("nothing is damaged")
					}
					t.Logf("%d crashes survived", seen[false]+seen[true])
					judge(t, "repaired", p.b)
				})
			}
		}
	}
}

// dataOpener gives an image its data file.
func dataOpener(data []byte) block.Opener {
	return func(ref block.Ref) (block.Device, error) {
		if ref.Kind == "data file" {
			return block.Plain(bytes.NewReader(data)), nil
		}
		return baseDisk(ref)
	}
}

// TestDataFileStays changes images with an external data file that they leave as it is,
// with the power gone at any moment: resize, bitmaps, amend and repair.
func TestDataFileStays(t *testing.T) {
	ctx := t.Context()
	for _, name := range slices.Sorted(maps.Keys(dataLayouts)) {
		l := dataLayouts[name]
		t.Run(name, func(t *testing.T) {
			cs := l.withDefaults().ClusterSize
			l.Size = 12 * cs
			b, data := writtenWithData(t, l, testimg.At(0, 2*cs, 5), testimg.At(3*cs, cs, 0), testimg.At(4*cs, 3*cs, 7), testimg.At(10*cs, 2*cs, 8))
			opener := dataOpener(data)
			disk := func() []byte {
				im, err := Open(bytes.NewReader(b), &Options{Opener: opener})
				if err != nil {
					t.Fatal(err)
				}
				d := make([]byte, im.Size())
				if err := block.ReadFull(im, d, 0); err != nil {
					t.Fatal(err)
				}
				return d
			}
			want := disk()
			do := func(what string, op func(f Storage) error) {
				t.Helper()
				b = survives(t, what, b, opener, op)
			}
			resize := func(size int64) {
				t.Helper()
				do("resize", func(f Storage) error { return Resize(ctx, f, size, &ResizeOptions{Shrink: true}) })
				if n := int64(len(want)); size < n {
					want = want[:size]
				} else {
					want = append(want[:n:n], make([]byte, size-n)...)
				}
				if !bytes.Equal(disk(), want) {
					t.Errorf("of %d bytes it is another disk", size)
				}
			}
			bitmap := func(name string, a BitmapAction) {
				t.Helper()
				do(a.Do, func(f Storage) error { return ChangeBitmap(ctx, f, name, []BitmapAction{a}) })
			}
			bitmap("a", BitmapAction{Do: "add"})
			resize(20 * cs)
			resize(5 * cs)
			bitmap("b", BitmapAction{Do: "add"})
			bitmap("b", BitmapAction{Do: "merge", From: "a"})
			resize(max(30*cs, 600<<12))
			bitmap("a", BitmapAction{Do: "clear"})
			bitmap("a", BitmapAction{Do: "remove"})
			wide, on := 64, true
			do("amend", func(f Storage) error { return Amend(ctx, f, &Amendment{RefcountBits: &wide, LazyRefcounts: &on}) })
			if !bytes.Equal(disk(), want) {
				t.Error("another disk")
			}
			raw := false
			l.DataFileRaw = true
			b, data = writtenWithData(t, l, testimg.At(0, 2*cs, 5), testimg.At(3*cs, cs, 0), testimg.At(4*cs, 3*cs, 7), testimg.At(10*cs, 2*cs, 8))
			opener = dataOpener(data)
			do("amend data_file_raw", func(f Storage) error { return Amend(ctx, f, &Amendment{DataFileRaw: &raw}) })
		})
	}
}
