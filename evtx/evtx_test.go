package evtx_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/evtx"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// read reads all that a log holds.
func read(r block.Reader, reverse bool) (events []string, errs []error) {
	f, err := evtx.Open(r, nil)
	if err != nil {
		return nil, []error{err}
	}
	for r, err := range f.Records(reverse) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		events = append(events, string(evtx.AppendXML(nil, r.Event)))
		if b := evtx.AppendJSON(nil, r.Event); !json.Valid(b) {
			errs = append(errs, fmt.Errorf("no JSON: %s", b))
		}
	}
	return events, append(errs, f.Problems()...)
}

func has(errs []error, class error) bool {
	return slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, class) })
}

func TestRecords(t *testing.T) {
	f, err := evtx.Open(bytes.NewReader(sample()), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r, err := range f.Records(false) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(evtx.AppendJSON(nil, r.Event)))
		if r.ID != uint64(len(got)) || r.Event.Text("System", "Computer") != "HOST <&> ü" || r.Event.Text("System", "Provider", "@Name") != "Test-Provider" || r.Time.Year() != 2021 {
			t.Errorf("record %d: %s, %s", r.ID, r.Time, r.Event)
		}
	}
	want := []string{
		`"EventID":4624,"Level":0,"Keywords":"0x8020000000000000","TimeCreated":{"#attributes":{"SystemTime":"2021-07-22T15:`,
		`"EventData":{"SubjectUserSid":"S-1-5-32-544","TargetUserName":"Ada <\"&'> Grüße","LogonType":3,"Address":"0xbeef","Elevated":true,"LogonGuid":"{04030201-0605-0807-090a-0b0c0d0e0f10}"}`,
		`"SubjectUserSid":"","TargetUserName":"","LogonType":2147483648,"Address":"0x0","Elevated":false,"LogonGuid":""}`,
		`{"a":-1,"b":255,"c":-2,"d":65534,"e":-3,"f":4294967293,"g":-9223372036854775808,"h":9223372036854775808,"i":"DEAD0001","j":"0x10000000000","k":"2021-07-22T`,
		`"EventData":{"Data":{"#text":["10.00.","","Multiprocessor Free"]}}`,
		`"UserData":{"Wire":{"#attributes":{"code":"x<y"},"Header":"one","Header_1":"a&b","Empty":null}}`,
		`"EventData":{"list":"one","list_1":"two"}`,
	}
	all := strings.Join(got, "\n")
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("there is no %s in\n%s", w, all)
		}
	}
	if p := f.Problems(); len(p) > 0 {
		t.Error(p)
	}
	if i := f.Info(); i.Chunks != 2 || i.NextRecord != 7 || i.Dirty {
		t.Errorf("%+v", i)
	}
	forwards, _ := read(bytes.NewReader(sample()), false)
	backwards, _ := read(bytes.NewReader(sample()), true)
	slices.Reverse(backwards)
	if !slices.Equal(forwards, backwards) {
		t.Error("backwards there is something else")
	}
}

// TestRing reads a log whose oldest chunk is not the first.
func TestRing(t *testing.T) {
	b := sample()
	want, _ := read(bytes.NewReader(b), false)
	got, errs := read(bytes.NewReader(slices.Concat(b[:4096], b[4096+65536:], b[4096:4096+65536])), false)
	if !slices.Equal(got, want) || len(errs) > 0 {
		t.Errorf("%d events, %v", len(got), errs)
	}
}

// tree is XML in a form that can be compared: without spaces between elements, and
// with times and numbers as Windows writes them.
func tree(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			fmt.Fprintf(&out, "<%s", tok.Name.Local)
			for _, a := range tok.Attr {
				fmt.Fprintf(&out, " %s=%q", a.Name.Local, plain(a.Value))
			}
			out.WriteString(">")
		case xml.EndElement:
			fmt.Fprintf(&out, "</%s>\n", tok.Name.Local)
		case xml.CharData:
			if s := strings.TrimSpace(string(tok)); s != "" {
				out.WriteString(plain(s))
			}
		}
	}
}

var (
	hex  = regexp.MustCompile(`^0x0*([0-9a-f]+)$`)
	date = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7})(00)?Z$`)
)

func plain(s string) string {
	if len(s) == 38 && s[0] == '{' { // a GUID
		return strings.ToLower(s)
	}
	return date.ReplaceAllString(hex.ReplaceAllString(s, "0x$1"), "${1}Z")
}

// TestPeer compares what is read with what libevtx reads.
func TestPeer(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.evtx")
	image := sampleOf(false)
	if err := os.WriteFile(name, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out := peers.Run(t, "evtxexport", "-f", "xml", name)
	var want []string
	for _, x := range strings.Split(out, "<Event xmlns")[1:] {
		want = append(want, tree(t, "<Event xmlns"+x))
	}
	got, errs := read(bytes.NewReader(image), false)
	if len(errs) > 0 {
		t.Error(errs)
	}
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		if g := tree(t, got[i]); g != want[i] {
			t.Errorf("event %d:\n%s\nwant\n%s", i+1, g, want[i])
		}
	}
}

// TestHostile damages a log; each keeps as many events as it can.
func TestHostile(t *testing.T) {
	const chunk = 4096
	record := func(b []byte, n int) int { // where it lies
		at := chunk + 512
		for range n {
			at += int(le.Uint32(b[at+4:]))
		}
		return at
	}
	seal := func(b []byte) []byte {
		sealChunk(b[chunk : chunk+65536])
		return b
	}
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		want   error
		events int
	}{
		{"nothing", func(b []byte) []byte { return b }, nil, 6},
		{"empty", func(b []byte) []byte { return nil }, block.ErrFormat, 0},
		{"zeros", func(b []byte) []byte { return make([]byte, 8192) }, block.ErrFormat, 0},
		{"signature alone", func(b []byte) []byte { return b[:8] }, block.ErrTruncated, 0},
		{"version 4", func(b []byte) []byte { b[0x26] = 4; return b }, block.ErrUnsupported, 0},
		{"header of no bytes", func(b []byte) []byte { b[0x28], b[0x29] = 0, 0; return b }, block.ErrCorrupt, 0},
		{"checksum of the header", func(b []byte) []byte { b[0x18]++; return b }, block.ErrCorrupt, 6},
		{"not closed", func(b []byte) []byte { b[0x78] |= 1; sealFile(b); return b }, block.ErrDirty, 6},
		{"no chunks", func(b []byte) []byte { return b[:4096] }, block.ErrTruncated, 0},
		{"half a chunk", func(b []byte) []byte { return b[:4096+65536+700] }, block.ErrTruncated, 3},
		{"a chunk that is none", func(b []byte) []byte { b[chunk] = 'x'; return b }, block.ErrCorrupt, 3},
		{"checksum of a chunk", func(b []byte) []byte { b[chunk+0x80]++; return b }, block.ErrCorrupt, 6},
		{"checksum of records", func(b []byte) []byte { b[record(b, 1)+0x10]++; return b }, block.ErrCorrupt, 6},
		{"records end at 2^32-1", func(b []byte) []byte { le.PutUint32(b[chunk+0x30:], ^uint32(0)); return seal(b) }, block.ErrCorrupt, 6},
		{"a record that is none", func(b []byte) []byte { b[record(b, 1)] = 'x'; return seal(b) }, block.ErrCorrupt, 5},
		{"a record of 2^32-1 bytes", func(b []byte) []byte { le.PutUint32(b[record(b, 1)+4:], ^uint32(0)); return seal(b) }, block.ErrCorrupt, 5},
		{"a record of no bytes", func(b []byte) []byte { le.PutUint32(b[record(b, 1)+4:], 0); return seal(b) }, block.ErrCorrupt, 5},
		{"a template outside", func(b []byte) []byte { le.PutUint32(b[record(b, 1)+0x18+4+6:], 1<<20); return seal(b) }, block.ErrCorrupt, 5},
		{"a template in itself", func(b []byte) []byte {
			// The definition of the first record becomes an instance of itself.
			at := record(b, 0) + 0x18 + 4 + 10 + 24
			copy(b[at+4:], b[record(b, 1)+0x18+4:][:10])
			le.PutUint32(b[at+14:], 0)
			return seal(b)
		}, block.ErrLimit, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, errs := read(bytes.NewReader(c.damage(sample())), false)
			if c.want == nil && len(errs) > 0 || c.want != nil && !has(errs, c.want) {
				t.Errorf("errors %v, want %v", errs, c.want)
			}
			if len(got) != c.events {
				t.Errorf("%d events, want %d: %v", len(got), c.events, errs)
			}
		})
	}
}

// TestDirty reads the records that the header of a chunk does not know of yet.
func TestDirty(t *testing.T) {
	b := sample()
	b[0x78] |= 1
	sealFile(b)
	le.PutUint32(b[4096+0x30:], 512+le.Uint32(b[4096+512+4:]))
	got, errs := read(bytes.NewReader(b), false)
	if len(got) != 6 || !has(errs, block.ErrDirty) {
		t.Errorf("%d events, %v", len(got), errs)
	}
}

// TestFanOut reads an event whose templates hold values that hold templates.
func TestFanOut(t *testing.T) {
	w := newWriter(1)
	var nest func(depth int)
	define := func() {
		w.element(true, "R", nil, func() {
			for range 20 {
				w.element(true, "A", nil, func() { w.sub(0, 0x21) })
			}
		})
	}
	nest = func(depth int) {
		w.put(0x0f, 1, 1, 0)
		if depth == 0 {
			w.template("FANX", define, str("x"))
		} else {
			w.template("FANX", define, val{0x21, nil, func() { nest(depth - 1) }})
		}
		w.put(0)
	}
	for range 20 {
		w.record(1, func() { nest(12) })
	}
	start := time.Now()
	got, errs := read(bytes.NewReader(file(21, w.chunk(1))), false)
	if len(got) != 0 || !has(errs, block.ErrLimit) {
		t.Errorf("%d events, %v", len(got), errs)
	}
	t.Logf("took %s", time.Since(start))
}

func TestMutations(t *testing.T) {
	image := sample()
	testimg.Mutate(t, testimg.Mutations{Image: image, Where: []testimg.Range{{Off: 8, N: 120}, {Off: 4096, N: 4096}, {Off: 4096 + 65536, N: 4096}}, Seed: 1,
		Run: func(r block.Reader) error {
			read(r, false)
			return nil
		},
		Seal: func(p *testimg.Patch, _ []int64) {
			b := slices.Clone(p.Image)
			sealFile(b)
			sealChunk(b[4096 : 4096+65536])
			p.Write(0x7c, b[0x7c:0x80])
			p.Write(4096+0x34, b[4096+0x34:4096+0x38])
			p.Write(4096+0x7c, b[4096+0x7c:4096+0x80])
		}})
}

// FuzzEvtx reads a log of one chunk: the bytes are its header and records, and how
// the file was left.
func FuzzEvtx(f *testing.F) {
	b := sample()
	for k := range 2 {
		c := b[4096+k*65536:][:65536]
		f.Add(bytes.TrimRight(c[512:], "\x00"), byte(k))
	}
	f.Fuzz(func(t *testing.T, records []byte, flags byte) {
		c := make([]byte, 65536)
		copy(c, "ElfChnk\x00")
		le.PutUint32(c[0x30:], uint32(512+len(records)))
		copy(c[512:], records)
		b := file(1, c)
		b[0x78] = flags
		_, errs := read(bytes.NewReader(b), flags&8 != 0)
		for _, err := range errs {
			if strings.HasPrefix(err.Error(), "no JSON") {
				t.Fatal(err)
			}
		}
	})
}

func TestFind(t *testing.T) {
	fsys := fstest.MapFS{}
	const dir = "Windows/System32/winevt/Logs/"
	for _, name := range []string{"System.evtx", "security.EVTX", "Microsoft-Windows-GroupPolicy%4Operational.evtx", "x.txt", "System.evtx.bak"} {
		fsys[dir+name] = &fstest.MapFile{}
	}
	for pattern, want := range map[string]string{
		"system": "System.evtx", "Security": "security.EVTX", "System.evtx": "System.evtx", "*": "Microsoft-Windows-GroupPolicy%4Operational.evtx System.evtx security.EVTX",
		"microsoft-windows-GroupPolicy/Operational": "Microsoft-Windows-GroupPolicy%4Operational.evtx", "Setup": "", "[": "",
	} {
		names, err := evtx.Find(fsys, "Windows", pattern)
		if got := strings.ReplaceAll(strings.Join(names, " "), dir, ""); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", pattern, got, err)
		}
	}
}

// TestMerge puts two logs in order by time.
func TestMerge(t *testing.T) {
	var files []*evtx.File
	for range 2 {
		f, err := evtx.Open(bytes.NewReader(sample()), nil)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for _, reverse := range []bool{false, true} {
		var ids []uint64
		for r, err := range evtx.Merge(files, reverse) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
		}
		if reverse {
			slices.Reverse(ids)
		}
		if fmt.Sprint(ids) != "[1 1 2 2 3 3 4 4 5 5 6 6]" {
			t.Error(ids)
		}
	}
}
