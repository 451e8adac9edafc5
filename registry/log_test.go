package registry_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/registry"
)

// state makes the hive of one moment: a counter, and ever more keys, so that
// the hive grows.
func state(n int) []byte {
	root := &regftest.Key{Name: "R"}
	root.Set("State", regftest.DWORD("n", uint32(n)))
	for i := range n {
		root.Set("Keys\\"+string(rune('A'+i)), regftest.Binary("data", bytes.Repeat([]byte{byte(i)}, 3000)))
	}
	return regftest.Build(root, &regftest.Options{Sequence: 10})
}

// logs makes Options of logs.
func logs(b ...[]byte) *registry.Options {
	o := &registry.Options{}
	for _, l := range b {
		o.Logs = append(o.Logs, bytes.NewReader(l))
	}
	return o
}

// counter reads the state that a hive is in, and checks all of it.
func counter(t *testing.T, h *registry.Hive) int {
	t.Helper()
	k, err := h.Find("State")
	if err != nil {
		t.Fatal(err)
	}
	v, err := k.Value("n")
	if err != nil {
		t.Fatal(err)
	}
	n, err := v.Uint()
	if err != nil {
		t.Fatal(err)
	}
	diff(t, dump(t, h), dump(t, open(t, state(int(n)), nil)))
	return int(n)
}

// reseal changes bytes of a log entry and makes its hashes right again.
func reseal(log []byte, off int, change func(e []byte)) []byte {
	b := bytes.Clone(log)
	change(b[off:])
	regftest.SealEntry(b[off:])
	return b
}

func TestLogs(t *testing.T) {
	// The hive says 1, its last write to 2 was begun.
	hive := regftest.Dirty(state(1), 11, 10)
	one := regftest.Log(10, state(1), state(2), state(3))             // 10: to 2, 11: to 3
	two := regftest.Log(12, state(3), state(5), state(9))             // 12: to 5, 13: to 9
	later := regftest.Log(14, state(9), state(10))                    // a gap after one
	stale := regftest.Log(7, state(0), state(1))                      // 7: of an earlier round
	wrapped := regftest.Log(0xffffffff, state(1), state(2), state(3)) // goes on with 0
	second := 512 + int(binary.LittleEndian.Uint32(one[512+4:]))
	broken := bytes.Clone(hive)
	broken[0x1fc] ^= 1
	scribbled := bytes.Clone(broken)
	copy(scribbled[0x20:], make([]byte, 0x10)) // the root and the size of the bins
	flip := func(b []byte, off int) []byte { b = bytes.Clone(b); b[off] ^= 1; return b }
	cases := []struct {
		name     string
		hive     []byte
		logs     [][]byte
		want     int
		problems []error
	}{
		{"clean, with a log of later entries", state(1), [][]byte{one, two}, 1, nil},
		{"both", hive, [][]byte{one, two}, 9, nil},
		{"both, swapped", hive, [][]byte{two, one}, 9, nil},
		{"an empty second log", hive, [][]byte{one, {}}, 3, nil},
		{"a second log of zeros", hive, [][]byte{one, make([]byte, 4096)}, 3, nil},
		{"a gap between them", hive, [][]byte{one, later}, 3, []error{block.ErrCorrupt}},
		{"the signature of the first entry gone", hive, [][]byte{flip(one, 512)}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"the signature of the second entry gone", hive, [][]byte{flip(one, second), two}, 2, []error{block.ErrCorrupt}},
		{"the signature of the second of three gone", hive, [][]byte{flip(regftest.Log(10, state(1), state(2), state(3), state(4)), second)}, 2, []error{block.ErrCorrupt}},
		{"an earlier round in the second", hive, [][]byte{one, stale}, 3, nil},
		{"an earlier round behind the entries", hive, [][]byte{append(bytes.Clone(one), stale[512:]...)}, 3, nil},
		{"sequence numbers that wrap", regftest.Dirty(state(1), 0, 0xffffffff), [][]byte{wrapped}, 3, nil},
		{"sequence numbers that wrap, both", regftest.Dirty(state(1), 0, 0xffffffff), [][]byte{regftest.Log(1, state(3), state(4)), wrapped}, 4, nil},
		{"no logs", hive, nil, 1, []error{block.ErrDirty}},
		{"only an earlier round", hive, [][]byte{stale}, 1, []error{block.ErrDirty}},
		{"the second entry torn", hive, [][]byte{flip(one, second+3000), two}, 2, []error{block.ErrCorrupt}},
		{"the head of the second entry torn", hive, [][]byte{flip(one, second+20), two}, 2, []error{block.ErrCorrupt}},
		{"the second entry cut off", hive, [][]byte{one[:len(one)-512], two}, 2, []error{block.ErrTruncated}},
		{"the first entry torn", hive, [][]byte{flip(one, 512+100), two}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"an entry of size 0 (R10)", hive, [][]byte{reseal(one, 512, func(e []byte) { clear(e[4:8]) })}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"a page past the bins", hive, [][]byte{reseal(one, 512, func(e []byte) { e[43] = 0x10 })}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"a page past the entry", hive, [][]byte{reseal(one, 512, func(e []byte) { e[46] = 1 })}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"more pages than fit", hive, [][]byte{reseal(one, 512, func(e []byte) { e[23] = 0x7f })}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"bins of an odd size", hive, [][]byte{reseal(one, 512, func(e []byte) { e[16] = 1 })}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"the base block of the log damaged", hive, [][]byte{flip(one, 100)}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"the log itself not finished", hive, [][]byte{regftest.Dirty(one, 11, 10)}, 1, []error{block.ErrDirty}},
		{"the base block of the hive damaged", broken, [][]byte{one}, 3, []error{block.ErrCorrupt}},
		{"the base block of the hive gone", scribbled, [][]byte{one}, 3, []error{block.ErrCorrupt}},
		{"it damaged, and two logs", broken, [][]byte{regftest.Log(9, state(1), state(7)), one}, 3, []error{block.ErrCorrupt}},
		{"it damaged, and no log", broken, nil, 1, []error{block.ErrCorrupt, block.ErrDirty}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, c.hive, logs(c.logs...))
			if n := counter(t, h); n != c.want {
				t.Errorf("state %d, not %d", n, c.want)
			}
			checkProblems(t, h, c.problems)
		})
	}
}

// checkProblems compares the classes of the problems, in their order.
func checkProblems(t *testing.T, h *registry.Hive, want []error) {
	t.Helper()
	got := h.Problems()
	for i, err := range got {
		if i >= len(want) || !errors.Is(err, want[i]) {
			t.Errorf("problem %v", err)
		}
	}
	if len(got) < len(want) {
		t.Errorf("%d problems, not %d: %v", len(got), len(want), got)
	}
}

func TestOldLogs(t *testing.T) {
	day := time.Date(2012, 3, 4, 0, 0, 0, 0, time.UTC)
	at := func(n int, day time.Time) []byte {
		root := &regftest.Key{Name: "R", Time: time.Unix(1e9, 0)}
		root.Set("State", regftest.DWORD("n", uint32(n)))
		for i := range n {
			root.Set("Keys\\"+string(rune('A'+i)), regftest.Binary("data", bytes.Repeat([]byte{byte(i)}, 3000)))
		}
		for _, k := range append(root.Keys, root.Key("Keys").Keys...) {
			k.Time = root.Time
		}
		return regftest.Build(root, &regftest.Options{Minor: 3, Sequence: 10, Time: day})
	}
	state := func(t *testing.T, h *registry.Hive) int {
		k, err := h.Find("State")
		if err != nil {
			t.Fatal(err)
		}
		v, _ := k.Value("n")
		n, _ := v.Uint()
		diff(t, dump(t, h), dump(t, open(t, at(int(n), day), nil)))
		return int(n)
	}
	hive := regftest.Dirty(at(1, day), 11, 10)
	log := regftest.OldLog(at(1, day), at(4, day))
	shrunk := regftest.OldLog(at(6, day), at(4, day))
	newer := regftest.OldLog(at(1, day), at(5, day.Add(time.Hour)))
	older := regftest.OldLog(at(1, day), at(5, day.Add(-time.Hour)))
	nt := bytes.Clone(log)
	nt[28] = 2
	regftest.Seal(nt)
	broken := bytes.Clone(hive)
	copy(broken[0x1fc:], "????")
	wild := bytes.Clone(log)
	wild[0x2c] = 0
	regftest.Seal(wild)
	unmarked := bytes.Clone(log)
	unmarked[512] = 'X'
	for _, c := range []struct {
		name     string
		hive     []byte
		logs     [][]byte
		want     int
		problems []error
	}{
		{"one", hive, [][]byte{log}, 4, nil},
		{"of Windows 2000", hive, [][]byte{nt}, 4, nil},
		{"a hive that shrinks", regftest.Dirty(at(6, day), 11, 10), [][]byte{shrunk}, 4, nil},
		{"the later of two", hive, [][]byte{log, newer}, 5, nil},
		{"one of an earlier write", hive, [][]byte{older, log}, 4, nil},
		{"only one of an earlier write", hive, [][]byte{older}, 1, []error{block.ErrDirty}},
		{"the base block of the hive damaged", broken, [][]byte{log}, 4, []error{block.ErrCorrupt}},
		{"cut off", hive, [][]byte{log[:len(log)-512]}, 1, []error{block.ErrTruncated, block.ErrDirty}},
		{"cut off in the dirty vector", hive, [][]byte{log[:515]}, 1, []error{block.ErrTruncated, block.ErrDirty}},
		{"sectors of 0 bytes", hive, [][]byte{wild}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
		{"no dirty vector", hive, [][]byte{unmarked}, 1, []error{block.ErrCorrupt, block.ErrDirty}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, c.hive, logs(c.logs...))
			if n := state(t, h); n != c.want {
				t.Errorf("state %d, not %d", n, c.want)
			}
			checkProblems(t, h, c.problems)
		})
	}
}
