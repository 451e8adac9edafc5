package journal_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/journal"
)

var le = binary.LittleEndian

// readAll reads all that a journal holds, forwards and backwards.
func readAll(r block.Reader, o *journal.Options) (entries int, errs []error) {
	f, err := journal.Open(r, o)
	if err != nil {
		return 0, []error{err}
	}
	for e, err := range journal.Merge([]*journal.File{f, f}, false) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		entries++
		_, more := journal.AppendJSON(nil, e)
		errs = append(errs, more...)
		l, _ := journal.NewLine(e)
		l.Text(false)
	}
	for _, err := range f.Entries(true) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return entries, append(errs, f.Problems()...)
}

func has(errs []error, class error) bool {
	return slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, class) })
}

// TestHostile damages real journals; each keeps as many entries as it can.
func TestHostile(t *testing.T) {
	array := func(b []byte) uint64 { return le.Uint64(b[0xb0:]) }                              // the first one
	next := func(b []byte) uint64 { return le.Uint64(b[array(b)+0x10:]) }                      // the second one
	entry := func(b []byte, i uint64) uint64 { return le.Uint64(b[array(b)+0x18+8*i:]) }       // of the first ones
	data := func(b []byte, i, k uint64) uint64 { return le.Uint64(b[entry(b, i)+0x40+16*k:]) } // of them
	for _, c := range []struct {
		name    string
		damage  func(b []byte) []byte
		want    error
		entries int
	}{
		{"nothing", func(b []byte) []byte { return b }, nil, 60},
		{"empty", func(b []byte) []byte { return nil }, block.ErrFormat, 0},
		{"zeros", func(b []byte) []byte { return make([]byte, 4096) }, block.ErrFormat, 0},
		{"signature alone", func(b []byte) []byte { return b[:8] }, block.ErrTruncated, 0},
		{"header cut", func(b []byte) []byte { return b[:200] }, block.ErrTruncated, 0},
		{"all behind the header cut", func(b []byte) []byte { return b[:272] }, block.ErrTruncated, 0},
		{"new feature", func(b []byte) []byte { b[0x0c] |= 0x20; return b }, block.ErrUnsupported, 0},
		{"header of 16 bytes", func(b []byte) []byte { le.PutUint64(b[0x58:], 16); return b }, block.ErrCorrupt, 0},
		{"header of 2^63 bytes", func(b []byte) []byte { b[0x5f] = 0x80; return b }, block.ErrCorrupt, 0},
		{"arena of 2^64-1", func(b []byte) []byte { le.PutUint64(b[0x60:], ^uint64(0)); return b }, block.ErrCorrupt, 0},
		{"state 9", func(b []byte) []byte { b[0x10] = 9; return b }, block.ErrCorrupt, 60},
		{"online", func(b []byte) []byte { b[0x10] = 1; return b }, block.ErrDirty, 60},
		{"2^64-1 entries", func(b []byte) []byte { le.PutUint64(b[0x98:], ^uint64(0)); return b }, block.ErrCorrupt, 60},
		{"no array", func(b []byte) []byte { le.PutUint64(b[0xb0:], 0); return b }, block.ErrCorrupt, 60},
		{"array at 2^64-8", func(b []byte) []byte { le.PutUint64(b[0xb0:], ^uint64(7)); return b }, block.ErrCorrupt, 60},
		{"array out of line", func(b []byte) []byte { b[0xb0]++; return b }, block.ErrCorrupt, 60},
		{"array in a circle", func(b []byte) []byte { le.PutUint64(b[array(b)+0x10:], array(b)); return b }, block.ErrLoop, 60},
		{"arrays back", func(b []byte) []byte { le.PutUint64(b[next(b)+0x10:], array(b)); return b }, block.ErrLoop, 60},
		{"array of 2^64-1 bytes", func(b []byte) []byte { le.PutUint64(b[array(b)+8:], ^uint64(0)); return b }, block.ErrCorrupt, -1},
		{"an item of zero", func(b []byte) []byte { le.PutUint64(b[array(b)+0x18+8:], 0); return b }, block.ErrCorrupt, 59},
		{"an item out of order", func(b []byte) []byte { le.PutUint64(b[array(b)+0x18+16:], entry(b, 0)); return b }, block.ErrCorrupt, 59},
		{"an item twice", func(b []byte) []byte { le.PutUint64(b[array(b)+0x18+8:], entry(b, 0)); return b }, block.ErrCorrupt, 59},
		{"an entry that is none", func(b []byte) []byte { b[entry(b, 1)] = 1; return b }, block.ErrCorrupt, 59},
		{"an entry of 2^63 bytes", func(b []byte) []byte { b[entry(b, 1)+15] = 0x80; return b }, block.ErrCorrupt, 59},
		{"a field nowhere", func(b []byte) []byte { le.PutUint64(b[entry(b, 1)+0x40:], 0); return b }, block.ErrCorrupt, 60},
		{"a field with other bytes", func(b []byte) []byte { b[data(b, 1, 0)+0x44] ^= 1; return b }, block.ErrCorrupt, 60},
		{"a field without a name", func(b []byte) []byte { b[data(b, 1, 0)+0x40] = '='; return b }, block.ErrCorrupt, 60},
		{"a field compressed two ways", func(b []byte) []byte { b[data(b, 1, 0)+1] = 5; return b }, block.ErrUnsupported, 60},
		{"a field that is no zstd", func(b []byte) []byte { b[data(b, 1, 0)+1] = 4; return b }, block.ErrCorrupt, 60},
		{"a field that is no lz4", func(b []byte) []byte { b[data(b, 1, 0)+1] = 2; return b }, block.ErrLimit, 60},
		{"a field that is no xz", func(b []byte) []byte { b[data(b, 1, 0)+1] = 1; return b }, block.ErrCorrupt, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _ := fixture(t, "keyed")
			n, errs := readAll(bytes.NewReader(c.damage(b)), nil)
			if c.want == nil && len(errs) > 0 || c.want != nil && !has(errs, c.want) {
				t.Errorf("errors %v, want %v", errs, c.want)
			}
			if n != c.entries && c.entries >= 0 {
				t.Errorf("%d entries, want %d: %v", n, c.entries, errs)
			}
		})
	}
}

// TestTruncated cuts a journal at all kinds of places: what is left is read, and
// what is not is told.
func TestTruncated(t *testing.T) {
	b, _ := fixture(t, "compact")
	end := len(bytes.TrimRight(b, "\x00"))
	last := 0
	for n := end - 60_000; n <= end; n += 997 {
		got, errs := readAll(bytes.NewReader(b[:n]), nil)
		if !has(errs, block.ErrTruncated) {
			t.Fatalf("%d bytes: %v", n, errs)
		}
		if got < last {
			t.Fatalf("%d bytes: %d entries, %d with less", n, got, last)
		}
		last = got
	}
	if last < 40 {
		t.Errorf("%d entries", last)
	}
}

func TestLimits(t *testing.T) {
	for _, name := range []string{"plain", "zstd", "lz4", "xz"} {
		b, _ := fixture(t, name)
		n, errs := readAll(bytes.NewReader(b), &journal.Options{MaxFieldBytes: 1024})
		if n != 60 || !has(errs, block.ErrLimit) || has(errs, block.ErrCorrupt) {
			t.Errorf("%s: %d entries, %v", name, n, errs)
		}
		n, errs = readAll(bytes.NewReader(b), &journal.Options{MaxEntryBytes: 1024})
		if n != 60 || !has(errs, block.ErrLimit) {
			t.Errorf("%s: %d entries, %v", name, n, errs)
		}
	}
}

// TestFaultsAreKept: what is wrong with a field is found out once, however often it
// is asked for.
func TestFaultsAreKept(t *testing.T) {
	b, _ := fixture(t, "zstd")
	f, err := journal.Open(bytes.NewReader(b), &journal.Options{MaxFieldBytes: 1024})
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]error{} // by what they say, with their place
	again := 0
	for range 2 {
		for e, err := range f.Entries(false) {
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range e.Fields() {
				if err == nil {
					continue
				}
				if old := faults[err.Error()]; old != nil && old != err {
					t.Fatalf("found out again: %v", err)
				} else if old != nil {
					again++
				}
				faults[err.Error()] = err
			}
		}
	}
	if len(faults) == 0 || again < len(faults) {
		t.Errorf("%d faults, %d seen again", len(faults), again)
	}
}

func TestMutations(t *testing.T) {
	for _, name := range []string{"keyed", "compact"} {
		image, _ := fixture(t, name)
		testimg.Mutate(t, testimg.Mutations{Image: image, Where: objects(image), Seed: 1, N: 150, Run: func(r block.Reader) error {
			readAll(r, nil)
			return nil
		}})
	}
}

// objects are the header and the beginnings of all objects but the hash tables.
func objects(b []byte) []testimg.Range {
	out := []testimg.Range{{Off: 8, N: 0xd0 - 8}}
	for off := le.Uint64(b[0x58:]); off+16 <= uint64(len(b)); {
		size := le.Uint64(b[off+8:])
		if size < 16 {
			break
		}
		if b[off] != 4 && b[off] != 5 {
			out = append(out, testimg.Range{Off: int64(off), N: int64(min(size, 0x60))})
		}
		off += (size + 7) &^ 7
	}
	return out
}

// A holed journal is one without the hash tables, which are mostly zeros: the
// header, and what follows them. It makes fuzzing quick.
type holed struct {
	b    []byte
	hole int64 // how many zeros belong behind the header
}

const holeAt = 272

func (h holed) Size() int64 { return int64(len(h.b)) + h.hole }

func (h holed) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		at := off + int64(i)
		switch {
		case at >= h.Size():
			return i, io.EOF
		case at < holeAt:
			p[i] = h.b[at]
		case at < holeAt+h.hole:
			p[i] = 0
		default:
			p[i] = h.b[at-h.hole]
		}
	}
	return len(p), nil
}

// FuzzJournal reads a journal whose hash tables were taken out: the bytes are a
// header and the objects behind the tables.
func FuzzJournal(f *testing.F) {
	const hole = 3_733_000
	for _, k := range kinds {
		b, _ := fixture(f, k.name)
		seed := slices.Concat(b[:holeAt], b[holeAt+hole:holeAt+hole+12_000]) // short ones are mutated sooner
		if n, errs := readAll(holed{seed, hole}, nil); n < 4 {
			f.Fatal(n, errs)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < holeAt {
			return
		}
		readAll(holed{b, hole}, &journal.Options{MaxFieldBytes: 1 << 20, MaxEntryBytes: 2 << 20})
	})
}

// TestFieldsOfTheHead: a field that is called as what journalctl prints beside the
// fields does not take its place.
func TestFieldsOfTheHead(t *testing.T) {
	b, _ := fixture(t, "plain")
	b = bytes.ReplaceAll(b, []byte("SYSLOG_IDENTIFIER="), []byte("__CURSOR=forged-by"))
	f, err := journal.Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range f.Entries(false) {
		if err != nil {
			t.Fatal(err)
		}
		line, _ := journal.AppendJSON([]byte("before"), e)
		text, ok := bytes.CutPrefix(line, []byte("before"))
		if !ok || bytes.Count(text, []byte(`"__CURSOR":`)) != 1 {
			t.Fatalf("%s", line)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if list, ok := got["__CURSOR"].([]any); ok && len(list) == 2 && list[0] == e.Cursor() {
			n++
		} else if got["__CURSOR"] != e.Cursor() {
			t.Errorf("the cursor is %v, and should be %s", got["__CURSOR"], e.Cursor())
		}
	}
	if n == 0 {
		t.Error("no entry has such a field")
	}
}

// TestSpans: a span of time that no clock goes back by is none.
func TestSpans(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for text, want := range map[string]time.Duration{"-1h 30min": -90 * time.Minute, "2 weeks ago": -14 * 24 * time.Hour, "+90s": 90 * time.Second,
		"-": 0, " ago": 0, "+": 0, "-20000w": 0, "-15000w 1000w": 0, "-2147483647 weeks": 0} {
		got, ok := journal.ParseTime(text, now, time.UTC)
		if ok != (want != 0) || ok && got.Sub(now) != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}
