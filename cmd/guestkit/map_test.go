package main

import (
	"bytes"
	"encoding/json"
	"io"
	"runtime"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/qcow2"
)

// A comb is a disk of n extents, every other one a hole.
type comb struct {
	format.Image
	n int64
}

func (c comb) Size() int64        { return c.n * 512 }
func (c comb) Info() *format.Info { return &format.Info{Name: "comb", Format: "raw"} }
func (c comb) Extent(off int64) (block.Extent, error) {
	hole := off/512%2 == 1
	return block.Extent{Off: off, Len: 512 - off%512, Zero: hole, Unset: hole}, nil
}

// TestMapStreams: the document of map takes no memory for its extents.
func TestMapStreams(t *testing.T) {
	var before, after runtime.MemStats
	const n = 300_000
	for _, qemu := range []bool{false, true} {
		a := newApp(streams{nil, io.Discard, io.Discard})
		a.json = true
		runtime.GC()
		runtime.ReadMemStats(&before)
		most, writes := uint64(0), 0
		a.raw.Reset(writerFunc(func(p []byte) (int, error) {
			if writes++; writes%200 == 0 { // what is in use, without garbage
				runtime.GC()
				runtime.ReadMemStats(&after)
				most = max(most, after.HeapAlloc)
			}
			return len(p), nil
		}))
		if err := a.mapImage(comb{n: n}, []qcow2.Range{{Off: 0, Len: n * 512}}, qemu); err != nil {
			t.Fatal(err)
		}
		if writes < 200 || most > before.HeapAlloc+16<<20 {
			t.Errorf("%d extents took %d bytes of memory", n, most-before.HeapAlloc)
		}
	}
	// What is printed is what the whole document would be.
	for _, n := range []int64{0, 1, 2, 7} {
		var got, want bytes.Buffer
		a := newApp(streams{nil, &got, io.Discard})
		a.json = true
		doc := mapDoc{Schema: schema("map"), Path: "comb", Size: n * 512, Extents: []extentDoc{}}
		for i := range n {
			doc.Extents = append(doc.Extents, extentDoc{Start: i * 512, Length: 512, Present: i%2 == 0, Data: i%2 == 0, Zero: i%2 == 1})
		}
		if err := a.mapImage(comb{n: n}, []qcow2.Range{{Off: 0, Len: n * 512}}, false); err != nil {
			t.Fatal(err)
		}
		a.raw.Flush()
		b := newApp(streams{nil, &want, io.Discard})
		b.document(doc)
		b.raw.Flush()
		var a1, b1 bytes.Buffer
		if json.Compact(&a1, got.Bytes()) != nil || json.Compact(&b1, want.Bytes()) != nil || a1.String() != b1.String() {
			t.Errorf("%d extents: %s, want %s", n, got.String(), want.String())
		}
		if lines := bytes.Count(got.Bytes(), []byte("\n")); n > 0 && lines != 7+int(n) {
			t.Errorf("%d extents take %d lines", n, lines)
		}
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
