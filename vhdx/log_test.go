package vhdx_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhdx"
)

// tablePage is the first 4 KiB of the BAT of image with some entries changed.
func tablePage(image []byte, entries map[int]uint64) []byte {
	p := bytes.Clone(image[tableAt : tableAt+4096])
	for i, e := range entries {
		le.PutUint64(p[8*i:], e)
	}
	return p
}

// logged is an image whose log allocates block 1, and then frees block 0 and
// zeroes a part of block 3. It returns the image before the log as well.
func logged() (image, before, disk []byte) {
	before, disk = build("d..d", 4*blockSize, nil, nil)
	extended := append(before, bytes.Repeat([]byte{0xAB}, blockSize)...)
	end := int64(len(before))
	p1 := tablePage(before, map[int]uint64{1: uint64(end) | 6})
	p2 := tablePage(before, map[int]uint64{1: uint64(end) | 6, 0: 2})
	third := int64(blocksAt + blockSize) // where block 3 lies
	e1 := logEntry(5, 0, end, end+blockSize, logWrite{off: tableAt, data: p1})
	e2 := logEntry(6, 0, end, end+blockSize, logWrite{off: tableAt, data: p2}, logWrite{off: third + 8192, n: 4096})
	image = withLog(extended, 0, e1, e2)
	clear(disk[:blockSize])
	copy(disk[blockSize:], extended[end:])
	clear(disk[3*blockSize+8192 : 3*blockSize+12288])
	return image, before, disk
}

func TestLogReplay(t *testing.T) {
	image, _, disk := logged()
	kept := bytes.Clone(image)
	im := open(t, image, nil)
	testimg.TestDevice(t, im, bytes.NewReader(disk), blockSize)
	if im.Info().LogReplayed != 2 {
		t.Errorf("%d entries replayed, want 2", im.Info().LogReplayed)
	}
	if ps := im.Problems(); len(ps) != 1 || !errors.Is(ps[0], block.ErrDirty) {
		t.Errorf("problems: %v", ps)
	}
	if !bytes.Equal(image, kept) {
		t.Error("the file was changed")
	}
}

// TestLogReplayPeer lets qemu-img replay the same log into a copy.
func TestLogReplayPeer(t *testing.T) {
	peers.Need(t, "qemu-img")
	image, _, _ := logged()
	dir := t.TempDir()
	img, raw := filepath.Join(dir, "a.vhdx"), filepath.Join(dir, "a.raw")
	if err := os.WriteFile(img, image, 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Command(t, "qemu-img", "check", "-r", "all", "-f", "vhdx", img).Run() // it says that it repaired, by its exit code
	peers.Run(t, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", img, raw)
	testimg.TestDevice(t, open(t, image, nil), testimg.File(t, raw), blockSize)
}

func TestLogWrapsAround(t *testing.T) {
	before, disk := build("d.d", 3*blockSize, nil, nil)
	end := int64(len(before))
	for _, start := range []int{mib - 4096, mib - 8192, mib - 12288} {
		tail := uint32(start)
		e1 := logEntry(90, tail, end, end, logWrite{off: tableAt, data: tablePage(before, map[int]uint64{0: 2})})
		e2 := logEntry(91, tail, end, end, logWrite{off: tableAt, data: tablePage(before, map[int]uint64{2: 0})})
		want := bytes.Clone(disk)
		clear(want[2*blockSize:])
		testimg.TestDevice(t, open(t, withLog(before, start, e1, e2), nil), bytes.NewReader(want), blockSize)
	}
}

func TestLogTakesTheNewestSequence(t *testing.T) {
	before, disk := build("d.d", 3*blockSize, nil, nil)
	end := int64(len(before))
	zero := func(i int) logWrite { return logWrite{off: tableAt, data: tablePage(before, map[int]uint64{i: 2})} }
	old := logEntry(3, 0, end, end, zero(0))
	gap := logEntry(5, 8192, end, end, zero(2)) // 4 is missing: a sequence of its own, and newer
	want := bytes.Clone(disk)
	clear(want[2*blockSize:])
	testimg.TestDevice(t, open(t, withLog(before, 0, old, gap), nil), bytes.NewReader(want), blockSize)
	// An entry that was cut, behind one that is whole: the whole one counts.
	cut := logEntry(6, 8192, end, end, zero(0))
	cut[5000]++
	testimg.TestDevice(t, open(t, withLog(before, 0, old, gap, cut), nil), bytes.NewReader(want), blockSize)
}

// TestLogCut says where a log was cut: its last entry torn, or one before others.
func TestLogCut(t *testing.T) {
	before, _ := build("d.d", 3*blockSize, nil, nil)
	end := int64(len(before))
	entry := func(seq uint64) []byte {
		return logEntry(seq, 0, end, end, logWrite{off: tableAt, data: tablePage(before, map[int]uint64{0: 2})})
	}
	torn := func(seq uint64, at int) []byte { e := entry(seq); e[at] ^= 1; return e }
	for name, c := range map[string]struct {
		entries  [][]byte
		replayed int
		says     string // of the place at which entry 2 is
		class    error
	}{
		"whole":                        {[][]byte{entry(1), entry(2)}, 2, "", nil},
		"an entry of before behind it": {[][]byte{entry(5), entry(3)}, 1, "", nil},
		"the last torn":                {[][]byte{entry(1), torn(2, 5000)}, 1, "entry 2 is not whole: it is not replayed", block.ErrDirty},
		"one between torn":             {[][]byte{entry(1), torn(2, 5000), entry(3), entry(4)}, 1, "entry 2 is not whole, and entries to 4 follow", block.ErrCorrupt},
		"its signature gone":           {[][]byte{entry(1), torn(2, 0), entry(3)}, 1, "entry 2 is not whole, and entries to 3 follow", block.ErrCorrupt},
	} {
		im := open(t, withLog(before, 0, c.entries...), nil)
		if n := im.Info().LogReplayed; n != c.replayed {
			t.Errorf("%s: %d entries replayed, want %d", name, n, c.replayed)
		}
		ps := im.Problems()
		if c.says == "" {
			if len(ps) != 1 || !errors.Is(ps[0], block.ErrDirty) {
				t.Errorf("%s: %v", name, ps)
			}
			continue
		}
		var e *block.Error
		if len(ps) != 2 || !errors.As(ps[0], &e) || !errors.Is(e, c.class) || e.Off != logAt+8192 || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%s: %v", name, ps)
		}
	}
}

func TestLogExtendsTheFile(t *testing.T) {
	before, disk := build("d..", 3*blockSize, nil, nil)
	end := int64(len(before))
	e := logEntry(1, 0, end, end+blockSize, logWrite{off: tableAt, data: tablePage(before, map[int]uint64{2: uint64(end) | 6})},
		logWrite{off: end + 4096, data: bytes.Repeat([]byte{0xCD}, 4096)})
	want := bytes.Clone(disk)
	copy(want[2*blockSize+4096:], bytes.Repeat([]byte{0xCD}, 4096))
	testimg.TestDevice(t, open(t, withLog(before, 0, e), nil), bytes.NewReader(want), blockSize)
}

func TestHostileLogs(t *testing.T) {
	before, _ := build("d.d", 3*blockSize, nil, nil)
	end := int64(len(before))
	page := tablePage(before, nil)
	resum := func(e []byte, change func([]byte)) []byte { change(e); sum(e); return e }
	plain := func() []byte { return logEntry(1, 0, end, end, logWrite{off: tableAt, data: page}) }
	for name, c := range map[string]struct {
		entries [][]byte
		want    error
	}{
		"none valid":             {nil, block.ErrCorrupt},
		"bad CRC":                {[][]byte{func() []byte { e := plain(); e[100]++; return e }()}, block.ErrCorrupt},
		"tail elsewhere":         {[][]byte{logEntry(1, 8192, end, end, logWrite{off: tableAt, data: page})}, block.ErrCorrupt},
		"sequence number 0":      {[][]byte{logEntry(0, 0, end, end, logWrite{off: tableAt, data: page})}, block.ErrCorrupt},
		"longer than the log":    {[][]byte{resum(plain(), func(e []byte) { le.PutUint32(e[8:], 2*mib) })}, block.ErrCorrupt},
		"too many descriptors":   {[][]byte{resum(plain(), func(e []byte) { le.PutUint32(e[24:], 1<<31) })}, block.ErrCorrupt},
		"data sector missing":    {[][]byte{resum(plain()[:4096], func(e []byte) { le.PutUint32(e[8:], 4096) })}, block.ErrCorrupt},
		"data of another entry":  {[][]byte{resum(plain(), func(e []byte) { e[4096+4092]++ })}, block.ErrCorrupt},
		"descriptor of another":  {[][]byte{resum(plain(), func(e []byte) { e[64+24]++ })}, block.ErrCorrupt},
		"unknown descriptor":     {[][]byte{resum(plain(), func(e []byte) { e[64] = 'x' })}, block.ErrCorrupt},
		"unaligned":              {[][]byte{logEntry(1, 0, end, end, logWrite{off: tableAt + 512, data: page})}, block.ErrCorrupt},
		"past every size":        {[][]byte{logEntry(1, 0, end, end, logWrite{off: 1 << 62, data: page})}, block.ErrCorrupt},
		"file shorter than then": {[][]byte{logEntry(1, 0, end+1, end+1, logWrite{off: tableAt, data: page})}, block.ErrTruncated},
		// An interval, not a buffer; it takes the metadata with it.
		"X12 zeros of 1 TiB": {[][]byte{logEntry(1, 0, end, end, logWrite{off: mib, n: 1 << 40})}, block.ErrCorrupt},
	} {
		image := withLog(before, 0, c.entries...)
		if _, err := vhdx.Open(bytes.NewReader(image), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestLogOfOverlappingEntries has an entry at every sector that claims the
// whole log: checking them all would take the square of its size.
func TestLogOfOverlappingEntries(t *testing.T) {
	before, _ := build("d", blockSize, nil, nil)
	image := withLog(before, 0)
	for at := logAt; at < logAt+mib; at += 4096 {
		e := logEntry(1, uint32(at-logAt), 0, 0)
		le.PutUint32(e[8:], mib)
		copy(image[at:], e[:64])
	}
	if _, err := vhdx.Open(bytes.NewReader(image), nil); !errors.Is(err, block.ErrLimit) {
		t.Errorf("%v, want ErrLimit", err)
	}
}

func TestLogMutations(t *testing.T) {
	image, _, _ := logged()
	mutate(t, image, testimg.Range{Off: logAt, N: 160}, testimg.Range{Off: logAt + 8192, N: 200}, testimg.Range{Off: logAt + 4096, N: 16})
}
