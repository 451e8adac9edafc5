package evtx_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/evtx"
)

// array is a value of an array of n numbers of a byte.
func array(n int) val { return val{0x84, make([]byte, n), nil} }

// TestArraysInEachOther reads an element that is there for each item of an array,
// and holds elements that are: each costs as much as it is long.
func TestArraysInEachOther(t *testing.T) {
	w := newWriter(1)
	var nest func(depth int)
	nest = func(depth int) {
		w.element(true, "A", nil, func() {
			w.sub(0, 0x84)
			if depth > 0 {
				nest(depth - 1)
			}
		})
	}
	w.record(1, func() { w.template("NEST", func() { w.element(true, "R", nil, func() { nest(3) }) }, array(30)) })
	got, errs := read(bytes.NewReader(file(2, w.chunk(1))), false)
	if len(got) != 0 || !has(errs, block.ErrLimit) {
		t.Errorf("%d events, %v", len(got), errs)
	}
}

// TestLongArray reads an event with an array as long as a record has room for.
func TestLongArray(t *testing.T) {
	w := newWriter(1)
	w.event(7, 5, func() { w.eventData("LONG", []string{"list"}, array(4000)) })
	got, errs := read(bytes.NewReader(file(2, w.chunk(1))), false)
	if len(errs) > 0 || len(got) != 1 || strings.Count(got[0], "<Data ") != 4000 {
		t.Errorf("%d events, %v", len(got), errs)
	}
}

// TestReferences reads an event of many references to characters, by templates in
// each other.
func TestReferences(t *testing.T) {
	w := newWriter(1)
	leaf := func() {
		w.element(true, "L", nil, func() {
			for range 200 {
				w.put(0x08)
				w.u16('x')
			}
		})
	}
	w.record(1, func() {
		w.template("MANY", func() {
			w.element(true, "R", nil, func() {
				for range 60 {
					w.template("SOME", func() {
						w.element(true, "S", nil, func() {
							for range 60 {
								w.template("LEAF", leaf)
							}
						})
					})
				}
			})
		})
	})
	got, errs := read(bytes.NewReader(file(2, w.chunk(1))), false)
	if len(got) != 0 || !has(errs, block.ErrLimit) {
		t.Errorf("%d events, %v", len(got), errs)
	}
}

// TestHostileNames: what is no name in XML is refused, not printed as markup.
func TestHostileNames(t *testing.T) {
	for _, name := range []string{"a><b", "a b", "a\n", "a=\"", "a'", "a&b", "/a", "1a", "a\x1b", "-a"} {
		for _, attribute := range []bool{false, true} {
			w := newWriter(1)
			w.event(7, 5, func() {
				w.put(0x0f, 1, 1, 0)
				w.element(false, "UserData", nil, func() {
					if attribute {
						w.element(false, "A", []attr{{name, func() { w.text("x") }}}, nil)
					} else {
						w.element(false, name, nil, nil)
					}
				})
				w.put(0)
			})
			got, errs := read(bytes.NewReader(file(2, w.chunk(1))), false)
			if len(got) != 0 || !has(errs, block.ErrCorrupt) {
				t.Errorf("%q: %q, %v", name, got, errs)
			}
		}
	}
	for _, name := range []string{"a", "_a", "a-1.b", "x:Größe"} {
		w := newWriter(1)
		w.record(1, func() { w.element(true, name, nil, nil) })
		if got, errs := read(bytes.NewReader(file(2, w.chunk(1))), false); len(got) != 1 || len(errs) > 0 {
			t.Errorf("%q: %q, %v", name, got, errs)
		}
	}
}

// TestDataNamedData: values without a name are in the JSON beside one whose name is
// that of their elements.
func TestDataNamedData(t *testing.T) {
	w := newWriter(1)
	w.event(7, 5, func() { w.eventData("DATA", []string{"Data", "", ""}, str("one"), str("two"), str("three")) })
	f, err := evtx.Open(bytes.NewReader(file(2, w.chunk(1))), nil)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range f.Records(false) {
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]map[string]map[string]any
		b := evtx.AppendJSON(nil, r.Event)
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if got["Event"]["EventData"]["Data"] != "one" || !strings.Contains(string(b), `["two","three"]`) {
			t.Errorf("%s", b)
		}
	}
}
