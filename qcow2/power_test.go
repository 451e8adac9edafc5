package qcow2

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A powerLog is a Storage that records what is written to it, and where it was
// told to wait for the disk.
type powerLog struct {
	memory
	base  []byte
	syncs []int // how many writes came before each Sync
}

func newPowerLog(b []byte) *powerLog {
	return &powerLog{memory: memory{b: bytes.Clone(b)}, base: bytes.Clone(b)}
}

func (p *powerLog) Sync() error {
	p.syncs = append(p.syncs, len(p.writes))
	return nil
}

// crashes makes the files that a loss of power may leave behind: after each write
// everything up to there, and n times at random: what was synced is there, and of
// the rest any sectors of any writes.
func (p *powerLog) crashes(rng *rand.Rand, n int, do func(what string, b []byte)) {
	for k := range len(p.writes) + 1 {
		do(fmt.Sprintf("after %d writes", k), p.replay(k, k, nil))
	}
	for i := range n {
		k := rng.IntN(len(p.writes) + 1)
		synced := 0
		waited := rng.IntN(2) == 0 // for the sync behind the last write
		for _, s := range p.syncs {
			if s < k || s == k && waited {
				synced = s
			}
		}
		odds := rng.Float64()
		do(fmt.Sprintf("random %d, after %d writes, %d synced", i, k, synced), p.replay(synced, k, func() bool { return rng.Float64() < odds }))
	}
}

func (p *powerLog) replay(synced, end int, keep func() bool) []byte {
	m := memory{b: bytes.Clone(p.base)}
	for i, w := range p.writes[:end] {
		if w.p == nil {
			if i < synced || keep == nil || keep() {
				m.Truncate(w.off)
			}
			continue
		}
		for at := 0; at < len(w.p); {
			n := min(sectorSize-int(w.off+int64(at))%sectorSize, len(w.p)-at)
			if i < synced || keep == nil || keep() {
				m.WriteAt(w.p[at:at+n], w.off+int64(at))
			}
			at += n
		}
	}
	return m.b
}

// state is all that an image holds: the disk, that of each snapshot, the bitmaps.
func state(t testing.TB, b []byte, opener block.Opener) string {
	t.Helper()
	m := &memory{b: b}
	out := ""
	sum := func(snapshot string) {
		im, err := Open(m, &Options{Opener: opener, Snapshot: snapshot})
		if err != nil {
			t.Fatal(err)
		}
		defer im.Close()
		disk := make([]byte, im.Size())
		if err := block.ReadFull(im, disk, 0); err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%q: %d bytes %x\n", snapshot, len(disk), sha256.Sum256(disk))
	}
	sum("")
	info, problems, err := Describe(m, nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	for _, s := range info.Snapshots {
		out += fmt.Sprintf("snapshot %s %s %s %d\n", s.ID, s.Name, s.Date, s.VMStateSize)
		sum(s.ID)
	}
	for _, x := range info.Bitmaps {
		out += fmt.Sprintf("bitmap %s %d %v %v", x.Name, x.Granularity, x.InUse, x.Auto)
		if !x.InUse {
			d, err := OpenBitmap(m, x.Name, nil)
			if err != nil {
				t.Fatal(err)
			}
			for r, err := range d.Ranges() {
				if err != nil {
					t.Fatal(err)
				}
				out += fmt.Sprintf(" %d+%d", r.Off, r.Len)
			}
		}
		out += "\n"
	}
	out += fmt.Sprintf("%d %d %q %q %v", info.Version, info.RefcountBits, info.Backing, info.BackingFormat, info.LazyRefcounts)
	return out
}

// survives runs an operation and shows that the image is as before or as after
// wherever the power goes. It returns the image as it is after.
func survives(t *testing.T, name string, before []byte, opener block.Opener, op func(Storage) error) []byte {
	t.Helper()
	p := newPowerLog(before)
	if err := op(p); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	was, is := state(t, before, opener), state(t, p.b, opener)
	if res, faults := mustCheck(t, p.b); !res.Clean() {
		t.Fatalf("%s: %+v %v", name, res, faults)
	}
	i := 0
	seen := map[bool]int{}
	p.crashes(rand.New(rand.NewPCG(1, uint64(len(name)))), testimg.CrashRuns(30), func(what string, b []byte) {
		got := state(t, b, opener)
		if got != was && got != is {
			t.Fatalf("%s, %s: neither as before nor as after:\n%s\nbefore:\n%s\nafter:\n%s", name, what, got, was, is)
		}
		seen[got == is]++
		if res, faults := mustCheck(t, b); !res.Clean() {
			t.Fatalf("%s, %s: %+v %v", name, what, res, faults)
		}
		if i++; i%1000 == 0 {
			judge(t, name+" "+what, b)
		}
	})
	if was != is && (seen[false] == 0 || seen[true] == 0) {
		t.Errorf("%s: %v, want both", name, seen)
	}
	t.Logf("%s: %d crashes survived", name, i)
	// And with a disk that is full.
	testimg.FillsUp(before, func(f *testimg.Full) error { return op(f) }, func(left int, b []byte, err error) {
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%s, with room for %d writes: %v", name, left, err)
		}
		if got := state(t, b, opener); err != nil && got != was && got != is {
			t.Fatalf("%s, with room for %d writes: neither as before nor as after", name, left)
		}
		if res, faults := mustCheck(t, b); res.Corruptions > 0 {
			t.Fatalf("%s, with room for %d writes: %+v %v", name, left, res, faults)
		}
	})
	judge(t, name, p.b)
	return p.b
}

// judge has qemu-img check an image, where it is installed.
func judge(t *testing.T, what string, b []byte) {
	t.Helper()
	if !haveQemu {
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "crash.qcow2")
	for _, base := range []string{"base.raw", "new.raw", "x.data"} {
		if err := os.WriteFile(filepath.Join(dir, base), make([]byte, 64<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := peers.Command(t, "qemu-img", "check", "-f", "qcow2", path)
	cmd.Dir = dir // where it looks for a data file
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v %s", what, err, out)
	}
	os.Remove(path)
}

var haveQemu = func() bool {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "qemu-img")); err == nil {
			return true
		}
	}
	return false
}()

// layouts are those that in-place changes are tried on. Clusters of the usual size take
// long, and are tried where many losses of power are.
var layouts = func() map[string]Layout {
	all := map[string]Layout{
		"512":        {ClusterSize: 512},
		"4k":         {ClusterSize: 4096},
		"refcount64": {ClusterSize: 4096, RefcountBits: 64},
		"version 2":  {ClusterSize: 4096, Version: 2},
		"extended":   {ClusterSize: 16 << 10, ExtendedL2: true},
		"overlay":    {ClusterSize: 4096, Backing: "base.raw", BackingFormat: "raw"},
	}
	if os.Getenv("GUESTKIT_CRASHES") != "" {
		all["64k"] = Layout{ClusterSize: 64 << 10, Size: 24<<16 + 512}
	}
	return all
}()

// baseDisk is the backing file of overlays.
func baseDisk(block.Ref) (block.Device, error) {
	return block.Plain(bytes.NewReader(bytes.Repeat([]byte("base disk"), 20<<10))), nil
}

// TestSnapshotPower creates, applies and deletes snapshots, with the power gone at
// any moment.
func TestSnapshotPower(t *testing.T) {
	ctx := context.Background()
	date := time.Unix(1700000000, 5).UTC()
	for name, l := range layouts {
		for _, compress := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %v", name, compress), func(t *testing.T) {
				b := written(t, l, compress).b
				create := func(snap string) {
					b = survives(t, "create "+snap, b, baseDisk, func(f Storage) error {
						_, err := CreateSnapshot(ctx, f, snap, date)
						return err
					})
				}
				create("first")
				want := state(t, b, baseDisk)
				create("second")
				b = survives(t, "apply", b, baseDisk, func(f Storage) error { return ApplySnapshot(ctx, f, "first") })
				b = survives(t, "delete second", b, baseDisk, func(f Storage) error { return DeleteSnapshot(ctx, f, "2") })
				if got := state(t, b, baseDisk); got != want {
					t.Errorf("after all:\n%s\nbefore:\n%s", got, want)
				}
				size := len(b)
				for range 4 {
					m := &memory{b: b}
					if _, err := CreateSnapshot(ctx, m, "again", date); err != nil {
						t.Fatal(err)
					}
					if err := DeleteSnapshot(ctx, m, "again"); err != nil {
						t.Fatal(err)
					}
					b = m.b
				}
				if len(b) > 2*size+64<<10 {
					t.Errorf("the file grew from %d to %d bytes", size, len(b))
				}
			})
		}
	}
}
