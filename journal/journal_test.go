package journal_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/journal"
)

var update = flag.Bool("update", false, "write the fixtures")

// open opens journals, whose bytes are in memory.
func open(t testing.TB, images ...[]byte) []*journal.File {
	t.Helper()
	var out []*journal.File
	for _, b := range images {
		f, err := journal.Open(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// print prints the entries of files in JSON.
func print(t testing.TB, files []*journal.File, filter *journal.Filter) []string {
	t.Helper()
	var out []string
	for e, err := range journal.Merge(files, false) {
		if err != nil {
			t.Fatal(err)
		}
		if filter != nil {
			if ok, err := filter.Match(e); err != nil {
				t.Fatal(err)
			} else if !ok {
				continue
			}
		}
		b, errs := journal.AppendJSON(nil, e)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		out = append(out, string(b))
	}
	return out
}

// journalctl runs it over some files.
func journalctl(t testing.TB, images [][]byte, args ...string) string {
	t.Helper()
	peers.Need(t, "journalctl")
	dir := t.TempDir()
	for i, b := range images {
		name := filepath.Join(dir, fmt.Sprintf("%d.journal", i))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--file", name)
	}
	return peers.Run(t, "journalctl", append([]string{"--no-pager", "--quiet"}, args...)...)
}

// equalJSON compares lines of JSON by what they mean. Numbers of entries are
// printed by later versions of journalctl than the one at hand.
func equalJSON(t testing.TB, got []string, want string) {
	t.Helper()
	var lines []string
	if want != "" {
		lines = strings.Split(strings.TrimSuffix(want, "\n"), "\n")
	}
	if len(got) != len(lines) {
		t.Fatalf("%d entries, want %d", len(got), len(lines))
	}
	for i := range lines {
		var a, b map[string]any
		if err := json.Unmarshal([]byte(got[i]), &a); err != nil {
			t.Fatalf("%v: %s", err, got[i])
		}
		if err := json.Unmarshal([]byte(lines[i]), &b); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"__SEQNUM", "__SEQNUM_ID"} {
			delete(a, name)
			delete(b, name)
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("entry %d:\n%s\nwant\n%s", i, got[i], lines[i])
		}
	}
}

// TestJournalctl compares with journalctl what is read of each kind of file.
func TestJournalctl(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			b := k.make(t, entries(0, 60))
			files := open(t, b)
			want := journalctl(t, [][]byte{b}, "-o", "json", "--all")
			equalJSON(t, print(t, files, nil), want)
			if p := files[0].Problems(); len(p) > 0 {
				t.Error(p)
			}
			var export []byte
			var short []byte
			for e := range journal.Merge(files, false) {
				export, _ = journal.AppendExport(export, e)
				l, errs := journal.NewLine(e)
				if len(errs) > 0 {
					t.Error(errs)
				}
				short = l.Append(short, "Jan 02 15:04:05", time.UTC, false)
			}
			back := k.make(t, export)
			if got := journalctl(t, [][]byte{back}, "-o", "export"); cut(got) != cut(journalctl(t, [][]byte{b}, "-o", "export")) {
				t.Error("what was exported is not what is imported")
			}
			sameLines(t, string(short), journalctl(t, [][]byte{b}, "-o", "short", "--merge"))
			if *update {
				testimg.Keep(t, k.name+".journal.gz", b)
				testimg.Keep(t, k.name+".json.gz", []byte(want))
			}
		})
	}
}

// sameLines tells the first line that differs.
func sameLines(t testing.TB, got, want string) {
	t.Helper()
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("line %d: %.200q\nwant %.200q", i, a[i], b[i])
			return
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d lines, want %d", len(a), len(b))
	}
}

// cut leaves the cursors out, which name the file.
func cut(export string) string {
	return regexp.MustCompile("(?m)^__(CURSOR|SEQNUM|SEQNUM_ID)=.*\n").ReplaceAllString(export, "")
}

// TestMergePeer compares the order of several files with that of journalctl: of
// machines apart, of overlapping ones, of one file twice.
func TestMergePeer(t *testing.T) {
	k := kinds[2]
	all := [][]byte{k.make(t, entries(0, 60)), k.make(t, entries(20, 70)), kinds[0].make(t, entries(85, 30))}
	for name, images := range map[string][][]byte{"overlap": all, "twice": {all[0], all[0]}, "backwards": {all[2], all[0]}} {
		t.Run(name, func(t *testing.T) {
			equalJSON(t, print(t, open(t, images...), nil), journalctl(t, images, "-o", "json", "--all", "--merge"))
		})
	}
}

// TestFilterPeer compares what filters take with journalctl.
func TestFilterPeer(t *testing.T) {
	b := kinds[2].make(t, entries(0, 130))
	p := func(s string) []int { out, _ := journal.ParsePriorities(s); return out }
	boot, _ := journal.ParseID(fmt.Sprintf("%032x", 2*0x1111))
	for _, c := range []struct {
		args   []string
		filter journal.Filter
	}{
		{[]string{"-u", "ssh"}, journal.Filter{Units: []string{journal.UnitName("ssh")}}},
		{[]string{"-u", "app@*"}, journal.Filter{Units: []string{"app@*"}}},
		{[]string{"-t", "sshd", "-t", "app"}, journal.Filter{Identifiers: []string{"sshd", "app"}}},
		{[]string{"-p", "err"}, journal.Filter{Priorities: p("err")}},
		{[]string{"-p", "2..warning"}, journal.Filter{Priorities: p("2..warning")}},
		{[]string{"-g", "publickey"}, journal.Filter{Message: regexp.MustCompile("(?i)publickey")}},
		{[]string{"-b", boot.String(), "-p", "3"}, journal.Filter{Boot: &boot, Priorities: p("3")}},
		{[]string{"_TRANSPORT=kernel"}, journal.Filter{Kernel: true}},
		{[]string{"-S", "2023-11-14 22:15:00", "-U", "2023-11-14 22:20:01"}, journal.Filter{Since: time.Date(2023, 11, 14, 22, 15, 0, 0, time.UTC), Until: time.Date(2023, 11, 14, 22, 20, 1, 0, time.UTC)}},
	} {
		got := print(t, open(t, b), &c.filter)
		if len(got) == 0 {
			t.Errorf("%q: nothing", c.args)
		}
		equalJSON(t, got, journalctl(t, [][]byte{b}, append(c.args, "-o", "json", "--all")...))
	}
}

// TestOnline reads a journal while its writer has it open.
func TestOnline(t *testing.T) {
	peers.Need(t, remote)
	dst := filepath.Join(t.TempDir(), "x.journal")
	cmd := peers.Command(t, remote, "-o", dst, "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(entries(0, 50)); err != nil {
		t.Fatal(err)
	}
	var b []byte
	for range 200 { // until it has written them
		if b, err = os.ReadFile(dst); err == nil && len(b) > 0xa0 && binary.LittleEndian.Uint64(b[0x98:]) >= 40 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	in.Close()
	cmd.Wait()
	f := open(t, b)
	if p := f[0].Problems(); len(p) == 0 || !errors.Is(p[0], block.ErrDirty) {
		t.Errorf("problems %v", p)
	}
	if got := print(t, f, nil); len(got) < 40 {
		t.Errorf("%d entries", len(got))
	}
}

// fixture is a journal of testdata, with what journalctl says of it.
func fixture(t testing.TB, name string) (image []byte, want string) {
	return testimg.Unpack(t, "testdata/"+name+".journal.gz"), string(testimg.Unpack(t, "testdata/"+name+".json.gz"))
}

func TestFixtures(t *testing.T) {
	for _, k := range kinds {
		image, want := fixture(t, k.name)
		f := open(t, image)
		equalJSON(t, print(t, f, nil), want)
		if p := f[0].Problems(); len(p) > 0 {
			t.Errorf("%s: %v", k.name, p)
		}
		i := f[0].Info()
		keyed := k.env[1] == "SYSTEMD_JOURNAL_KEYED_HASH=1"
		compact := k.env[0] == "SYSTEMD_JOURNAL_COMPACT=1"
		if i.Entries != 60 || i.KeyedHash != keyed || i.Compact != compact || i.State != journal.Offline || i.Head.Year() != 2023 {
			t.Errorf("%s: %+v", k.name, i)
		}
		boots := journal.Boots(f, func(err error) { t.Error(err) })
		if len(boots) != 2 {
			t.Errorf("%d boots", len(boots))
		}
		// Backwards it is the same.
		var last []string
		for e, err := range journal.Merge(f, true) {
			if err != nil {
				t.Fatal(err)
			}
			last = append(last, e.Cursor())
		}
		n := len(last)
		for e := range f[0].Entries(false) {
			n--
			if last[n] != e.Cursor() {
				t.Fatalf("backwards, %d: %s, %s", n, last[n], e.Cursor())
			}
		}
	}
}
