package sessions

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// session writes the start of one at a sector: its primary descriptor, which says
// how long it is, and its root directory.
func session(disc []byte, at, blocks, root int) {
	le := binary.LittleEndian
	b := disc[(at+descriptors)*Sector:]
	copy(b, "\x01CD001\x01")
	le.PutUint32(b[0x50:], uint32(blocks))
	le.PutUint16(b[0x80:], Sector)
	le.PutUint32(b[0x9E:], uint32(root))
	self := disc[(at+20)*Sector:]
	self[0], self[25] = 34, 2
	le.PutUint32(self[2:], uint32(root))
}

// TestFind: what is appended to an ISO is a session where its addresses count from
// the start of the disc, and an ISO of its own where they do not.
func TestFind(t *testing.T) {
	for name, c := range map[string]struct {
		blocks, second, root int
		size                 int
		want                 []int64
	}{
		"none":                 {100, 0, 0, 300, []int64{0}},
		"adjacent":             {100, 100, 120, 300, []int64{0, 100}},
		"behind a gap":         {100, 11_500, 11_520, 11_600, []int64{0, 11_500}},
		"too far":              {100, 12_200, 12_220, 12_400, []int64{0}},
		"inside the first":     {300, 100, 120, 400, []int64{0}},
		"an ISO of its own":    {100, 100, 20, 300, []int64{0}},
		"no root directory":    {100, 100, 121, 300, []int64{0}},
		"longer than the file": {5000, 100, 120, 300, []int64{0}},
	} {
		disc := make([]byte, c.size*Sector)
		if c.second > 0 {
			session(disc, c.second, 50, c.root)
		}
		session(disc, 0, c.blocks, 20)
		if got, err := Find(bytes.NewReader(disc)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
	long := make([]byte, 120*50*Sector)
	for i := range 120 {
		session(long, i*50, 50, i*50+20)
	}
	if got, err := Find(bytes.NewReader(long)); err != nil || len(got) != most {
		t.Errorf("%d sessions of 120, %v", len(got), err)
	}
}

var filler = bytes.Repeat([]byte{0xA5}, window*Sector)

// filled is a disc of sessions with other data between them.
type filled struct {
	starts []int64
	size   int64
}

func (f *filled) Size() int64 { return f.size * Sector }

func (f *filled) ReadAt(p []byte, off int64) (int, error) {
	for b := p; len(b) > 0; {
		b = b[copy(b, filler):]
	}
	for _, at := range f.starts {
		if off >= (at+22)*Sector || off+int64(len(p)) <= at*Sector {
			continue
		}
		b := make([]byte, 22*Sector)
		session(b, 0, 30, int(at)+20)
		for i := range p {
			if n := off + int64(i) - at*Sector; n >= 0 && n < int64(len(b)) {
				p[i] = b[n]
			}
		}
	}
	return len(p), nil
}

// TestBudget: what is searched for sessions is bounded in all, where that runs out is
// said, and where they are known nothing is read.
func TestBudget(t *testing.T) {
	d := &filled{size: 60 * 11_990}
	for i := range int64(60) {
		d.starts = append(d.starts, i*11_990)
	}
	trace := &testimg.Trace{Reader: d}
	got, err := Find(trace)
	if n := len(got); !errors.Is(err, block.ErrLimit) || n != 38 || !slices.Equal(got, d.starts[:n]) {
		t.Errorf("%d sessions, %v", n, err)
	}
	if n := trace.Bytes(); n > (longest+1000)*Sector {
		t.Errorf("%d bytes are read", n)
	}
	before := trace.Bytes()
	again, err := Find(Known(block.Plain(trace), got))
	if err != nil || !slices.Equal(again, got) || trace.Bytes() != before {
		t.Errorf("%d known sessions, %v, %d bytes", len(again), err, trace.Bytes()-before)
	}
	d.size = longest // a CD is searched whole
	if got, err := Find(d); err != nil || len(got) != 38 {
		t.Errorf("a CD: %d sessions, %v", len(got), err)
	}
}

// FuzzFind: whatever a disc says, sessions rise and lie on it. A disc is one of three
// sessions, changed at some places: their offsets and what is written there.
func FuzzFind(f *testing.F) {
	le := binary.LittleEndian
	disc := make([]byte, 300*Sector)
	session(disc, 0, 100, 20)
	session(disc, 110, 50, 130)
	session(disc, 170, 50, 190)
	anchor := disc[256*Sector:] // of UDF, with a partition
	copy(anchor, []byte{2, 0, 0, 0, 3})
	le.PutUint16(anchor[12:], 256)
	le.PutUint32(anchor[16:], 4*Sector)
	le.PutUint32(anchor[20:], 257)
	disc[257*Sector] = 5
	le.PutUint32(disc[257*Sector+0xC0:], 100)
	f.Add(le.AppendUint32(le.AppendUint32(nil, 16*Sector+0x50), 7))
	f.Add(le.AppendUint32(le.AppendUint32(nil, 126*Sector+0x9E), 140))
	f.Add(le.AppendUint32(le.AppendUint32(nil, 257*Sector+0xC0), 1<<31))
	f.Fuzz(func(t *testing.T, changes []byte) {
		image := bytes.Clone(disc)
		for ; len(changes) >= 8; changes = changes[8:] {
			at := int(le.Uint32(changes)) % (len(image) - 4)
			copy(image[at:], changes[4:8])
		}
		got, err := Find(bytes.NewReader(image))
		if err != nil || got[0] != 0 || len(got) > most || !slices.IsSorted(got) || got[len(got)-1]*Sector > int64(len(image)) {
			t.Errorf("%v, %v", got, err)
		}
	})
}
