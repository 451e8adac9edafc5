package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vhd"
)

// TestExitCodes holds check and compare to what their help promises.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "a.qcow2")
	if r := gk(t, "create", "-q", image, "1M"); r.code != 0 {
		t.Fatal(r.err)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, change func(b []byte) []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, change(append([]byte(nil), b...)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw := write("b.raw", func([]byte) []byte { return make([]byte, 1<<20) })
	other := write("c.raw", func([]byte) []byte { return append(make([]byte, 1<<19), 1) })
	corrupt := write("corrupt.qcow2", func(b []byte) []byte { b[0x4f] |= 2; return b })
	unknown := write("unknown.qcow2", func(b []byte) []byte { b[0x4e] |= 1; return b })
	for _, x := range []struct {
		args []string
		code int
	}{
		{[]string{"check", image}, 0},
		{[]string{"check", corrupt}, checkCorrupt},
		{[]string{"check", unknown}, checkUnfinished},
		{[]string{"check", dir + "/missing"}, checkUnfinished},
		{[]string{"check", "-f", "raw", raw}, checkUnsupported},
		{[]string{"check", "--repair=some", image}, exitUsage},
		{[]string{"check", "--untrusted", image}, 0},
		{[]string{"check", "--untrusted", unknown}, checkCorrupt},
		{[]string{"check", "--untrusted", "--max-virtual-size", "512k", image}, checkCorrupt},
		{[]string{"check", "--untrusted", "--max-virtual-size", "1M", image}, 0},
		{[]string{"check", "--untrusted", "--max-l1-table", "4", image}, checkCorrupt},
		{[]string{"check", "--max-virtual-size", "1M", image}, exitUsage},
		{[]string{"compare", image, raw}, 0},
		{[]string{"compare", image, other}, compareDiffer},
		{[]string{"compare", image, dir + "/missing"}, compareFailed},
		{[]string{"compare", image, unknown}, compareFailed},
	} {
		if r := gk(t, x.args...); r.code != x.code {
			t.Errorf("%q: code %d, want %d: %s%s", x.args, r.code, x.code, r.out, r.err)
		}
		if r := gk(t, append(x.args, "--json")...); r.code != x.code || r.code == 0 && !strings.HasPrefix(r.out, "{") {
			t.Errorf("%q --json: code %d, want %d: %s%s", x.args, r.code, x.code, r.out, r.err)
		}
	}
}

// TestCheckManyFaults has tables of entries that all lead nowhere: a document
// does not grow with them, and none is lost in its sums.
func TestCheckManyFaults(t *testing.T) {
	image := filepath.Join(t.TempDir(), "a.qcow2")
	if r := gk(t, "create", "-q", image, "8G"); r.code != 0 {
		t.Fatal(r.err)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, make([]byte, -len(b)&(64<<10-1))...)
	l1 := binary.BigEndian.Uint64(b[0x28:])
	for i := range uint64(9) {
		binary.BigEndian.PutUint64(b[l1+8*i:], 1<<63|uint64(len(b)))
		b = append(b, bytes.Repeat([]byte{0x80, 0, 1, 0, 0, 0, 0, 0}, 8<<10)...)
	}
	if err := os.WriteFile(image, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r := gk(t, "check", "--json", image)
	var doc checkDoc
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || r.code != checkCorrupt {
		t.Fatalf("code %d, %v, %s", r.code, err, r.err)
	}
	sum := int64(0)
	for _, f := range doc.Faults {
		sum += f.Clusters
	}
	if n := len(doc.Faults); n > maxFaults+2 || n <= maxFaults || doc.Corruptions < 9*8<<10 || sum != doc.Corruptions+doc.Leaks {
		t.Errorf("%d faults for %d clusters, %d corruptions, %d leaks", n, sum, doc.Corruptions, doc.Leaks)
	}
}

// TestCheckNotes: what a check says besides names flags, in JSON too.
func TestCheckNotes(t *testing.T) {
	f := testimg.NewPower(nil)
	w, err := vhd.NewWriter(f, &vhd.Layout{Size: 5 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, len(f.B) - 512} { // of a program that nobody knows, with a smaller geometry
		b := f.B[at:][:512]
		copy(b[0x1c:], "none")
		copy(b[0x38:], []byte{0, 100, 4, 17})
		sum := uint32(0)
		clear(b[0x40:0x44])
		for _, c := range b {
			sum += uint32(c)
		}
		binary.BigEndian.PutUint32(b[0x40:], ^sum)
	}
	image := filepath.Join(t.TempDir(), "a.vhd")
	if err := os.WriteFile(image, f.B, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", image}, {"check", "--json", image}} {
		if r := gk(t, args...); r.code != 0 || !strings.Contains(r.out, "--vhd-size chooses") || strings.Contains(r.out, "SizeRule") {
			t.Errorf("%v: code %d, %s", args, r.code, r.out)
		}
	}
}
