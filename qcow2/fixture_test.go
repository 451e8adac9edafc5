package qcow2_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/qcow2"
)

// fixture returns an image of testdata.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	return testimg.Unpack(t, "testdata/"+name+".gz")
}

// A manifestLine is what MANIFEST says of a fixture.
type manifestLine struct {
	name, image, disk string // the sha256 of both
	size              int64
}

func manifest(t testing.TB) []manifestLine {
	t.Helper()
	b, err := os.ReadFile("testdata/MANIFEST")
	if err != nil {
		t.Fatal(err)
	}
	var out []manifestLine
	for line := range strings.Lines(string(b)) {
		var m manifestLine
		var size string
		if _, err := fmt.Sscan(line, &m.image, &m.disk, &size, &m.name); err != nil {
			t.Fatal(err)
		}
		fmt.Sscan(size, &m.size)
		out = append(out, m)
	}
	return out
}

// An openLog is an Opener that serves fixtures and records what it was asked.
type openLog struct {
	t    testing.TB
	refs []block.Ref
}

func (o *openLog) open(ref block.Ref) (block.Device, error) {
	o.refs = append(o.refs, ref)
	return raw.Open(bytes.NewReader(fixture(o.t, ref.Name)), nil)
}

func openFixture(t testing.TB, name string) *qcow2.Image {
	t.Helper()
	im, err := qcow2.Open(bytes.NewReader(fixture(t, name)), &qcow2.Options{Opener: (&openLog{t: t}).open})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

func readAll(t testing.TB, r block.Reader) []byte {
	t.Helper()
	b := make([]byte, r.Size())
	if err := block.ReadFull(r, b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFixtures reads every fixture, of which qemu-img said what it holds.
func TestFixtures(t *testing.T) {
	for _, m := range manifest(t) {
		t.Run(m.name, func(t *testing.T) {
			if sum := sha256.Sum256(fixture(t, m.name)); hex.EncodeToString(sum[:]) != m.image {
				t.Error("the fixture is not that of MANIFEST")
			}
			if m.disk == "-" {
				return
			}
			im := openFixture(t, m.name)
			if im.Size() != m.size {
				t.Fatalf("Size = %d, want %d", im.Size(), m.size)
			}
			disk := readAll(t, im)
			if sum := sha256.Sum256(disk); hex.EncodeToString(sum[:]) != m.disk {
				t.Fatal("the disk is not that of MANIFEST")
			}
			testimg.TestDevice(t, im, bytes.NewReader(disk), min(im.Info().ClusterSize, 16<<10))
			if p := im.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
		})
	}
}

// TestReferences checks what an image asks its Opener for, and that it asks for
// nothing else.
func TestReferences(t *testing.T) {
	for _, want := range []struct{ image, kind, name string }{
		{"overlay.qcow2", "backing file", "backing.raw"},
		{"datafile.qcow2", "data file", "data.raw"},
		{"zlib.qcow2", "", ""},
	} {
		log := &openLog{t: t}
		src := bytes.NewReader(fixture(t, want.image))
		im, err := qcow2.Open(src, &qcow2.Options{Opener: log.open})
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, im)
		for _, err := range block.Extents(im, 0, im.Size()) {
			if err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case want.kind == "":
			if len(log.refs) != 0 {
				t.Errorf("%s asked for %v", want.image, log.refs)
			}
		case len(log.refs) != 1 || log.refs[0] != (block.Ref{Kind: want.kind, Name: want.name, Format: "raw", From: src}):
			t.Errorf("%s asked for %+v", want.image, log.refs)
		}
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestExtents pins the meaning of each kind of cluster.
func TestExtents(t *testing.T) {
	type ext struct {
		off, len                int64
		zero, unset, compressed bool
		depth                   int
		verbatim                bool
	}
	for name, want := range map[string][]ext{
		"overlay.qcow2": {
			{0, 4 << 10, false, false, false, 1, true},
			{4 << 10, 8 << 10, false, false, false, 0, true},
			{12 << 10, 500 << 10, false, false, false, 1, true},
			{512 << 10, 8 << 10, true, false, false, 0, false},
			{520 << 10, 80 << 10, false, false, false, 1, true},
			{600 << 10, 300 << 10, true, true, false, 0, false}, // past the end of the backing file
			{900 << 10, 4 << 10, false, false, false, 0, true},
			{904 << 10, 120 << 10, true, true, false, 0, false},
		},
		"zlib.qcow2": {
			{0, 96 << 10, false, false, true, 0, false},
			{96 << 10, 416 << 10, true, true, false, 0, false},
			{512 << 10, 16 << 10, false, false, true, 0, false},
			{528 << 10, 496 << 10, true, true, false, 0, false},
			{1 << 20, 48 << 10, false, false, false, 0, true},
		},
	} {
		im := openFixture(t, name)
		var got []ext
		for e, err := range block.Extents(im, 0, im.Size()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ext{e.Off, e.Len, e.Zero, e.Unset, e.Compressed, e.Depth, e.Host != nil})
		}
		for i, w := range want {
			if i >= len(got) || got[i] != w {
				t.Errorf("%s: extent %d is %+v, want %+v", name, i, got[min(i, len(got)-1)], w)
			}
		}
	}
}

// TestScattered reads clusters that follow each other on the disk and not in the
// file: what is merged into one read must be one stretch.
func TestScattered(t *testing.T) {
	b := fixture(t, "base.qcow2")
	want := make([]byte, 64<<20)
	for i, letter := range "ABCDE" {
		cluster := bytes.Repeat([]byte{byte(letter)}, 65536)
		if i > 0 {
			b = append(b, cluster...)
		}
		at := []int{3, 0, 1, 4, 2}[i] // B and C lie together
		copy(want[at<<16:], cluster)
		b = apply(b, []poke{{l2At + at*8, u64(1<<63 | uint64(dataAt+i<<16))}})
	}
	im, err := qcow2.Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if !bytes.Equal(readAll(t, im), want) {
		t.Error("the disk is wrong")
	}
	if e, err := im.Extent(0); err != nil || e.Len != 2<<16 || e.HostOff != dataAt+1<<16 {
		t.Errorf("Extent(0) = %+v, %v", e, err)
	}
}

func TestSnapshots(t *testing.T) {
	b := fixture(t, "snapshots.qcow2")
	for _, s := range []struct {
		name  string
		size  int64
		first byte
	}{{"1", 1 << 20, 1}, {"before", 1 << 20, 1}, {"2", 2 << 20, 2}, {"after", 2 << 20, 2}, {"", 2 << 20, 4}} {
		im, err := qcow2.Open(bytes.NewReader(b), &qcow2.Options{Snapshot: s.name})
		if err != nil {
			t.Fatal(err)
		}
		disk := readAll(t, im)
		if int64(len(disk)) != s.size || disk[0] != s.first || disk[65535] != s.first {
			t.Errorf("snapshot %q: %d bytes that begin with %d, want %d that begin with %d", s.name, len(disk), disk[0], s.size, s.first)
		}
		testimg.TestDevice(t, im, bytes.NewReader(disk), 64<<10)
	}
	if _, err := qcow2.Open(bytes.NewReader(b), &qcow2.Options{Snapshot: "x"}); err == nil || !strings.Contains(err.Error(), "no such snapshot") {
		t.Errorf("an unknown snapshot: %v", err)
	}
}

func TestBitmaps(t *testing.T) {
	info, problems, err := qcow2.Describe(bytes.NewReader(fixture(t, "bitmaps.qcow2")), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	want := []qcow2.Bitmap{{Name: "backup 1", Granularity: 4 << 10, Auto: true, Flags: 2}, {Name: "backup 2", Granularity: 4 << 10}}
	var got []qcow2.Bitmap // without where its table lies
	for _, b := range info.Bitmaps {
		got = append(got, qcow2.Bitmap{Name: b.Name, Granularity: b.Granularity, InUse: b.InUse, Auto: b.Auto, Flags: b.Flags})
	}
	if !slices.Equal(got, want) {
		t.Errorf("bitmaps %+v, want %+v", got, want)
	}
	if !info.LazyRefcounts {
		t.Error("lazy refcounts are not told")
	}
}

func TestClosed(t *testing.T) {
	log := &openLog{t: t}
	im, err := qcow2.Open(bytes.NewReader(fixture(t, "overlay.qcow2")), &qcow2.Options{Opener: log.open})
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := im.ReadAt(make([]byte, 1), 0); err != os.ErrClosed {
		t.Errorf("ReadAt: %v", err)
	}
	if _, err := im.Extent(0); err != os.ErrClosed {
		t.Errorf("Extent: %v", err)
	}
}
