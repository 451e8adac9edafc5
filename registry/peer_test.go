package registry_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/registry"
)

// dump writes every key and value of a hive, one a line: the path, when the
// key was written; then name, type and bytes of each value. Names are in
// hexadecimal, so that none can look like something else.
func dump(t testing.TB, h *registry.Hive) string {
	var b strings.Builder
	var walk func(k *registry.Key, path string)
	walk = func(k *registry.Key, path string) {
		path += fmt.Sprintf("/%x", k.Name())
		mtime := int64(0)
		if !k.ModTime().IsZero() {
			mtime = k.ModTime().Unix()
		}
		fmt.Fprintf(&b, "%s %d\n", path, mtime)
		for v, err := range k.Values() {
			if err != nil {
				t.Error(err)
				continue
			}
			data, err := v.Bytes()
			if err != nil {
				t.Error(err)
			}
			fmt.Fprintf(&b, "%s %x %d %x\n", path, v.Name(), v.Type(), data)
		}
		for sub, err := range k.Subkeys() {
			if err != nil {
				t.Error(err)
				continue
			}
			walk(sub, path)
		}
	}
	walk(h.Root(), "")
	return b.String()
}

// hivexDump is dump by hivex.
const hivexDump = `
use Win::Hivex;
my $h = Win::Hivex->open($ARGV[0], unsafe => 0);
sub hex8 { my $s = shift; utf8::encode($s) if utf8::is_utf8($s); unpack "H*", $s }
sub walk {
	my ($n, $path) = @_;
	$path .= "/" . hex8($h->node_name($n));
	my $t = $h->node_timestamp($n);
	print "$path ", ($t ? int(($t - 116444736000000000) / 10000000) : 0), "\n";
	for my $v ($h->node_values($n)) {
		my ($type, $data) = $h->value_value($v);
		print "$path ", hex8($h->value_key($v)), " $type ", unpack("H*", $data), "\n";
	}
	walk($_, $path) for $h->node_children($n);
}
walk($h->root, "");
`

// agree compares what we and hivex read in a hive.
func agree(t *testing.T, b []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	h := open(t, b, nil)
	diff(t, dump(t, h), peers.Run(t, "perl", "-e", hivexDump, file))
	for _, err := range h.Problems() {
		t.Errorf("problem: %v", err)
	}
}

// diff shows the first lines in which two dumps differ.
func diff(t *testing.T, ours, theirs string) {
	t.Helper()
	a, b := strings.Split(ours, "\n"), strings.Split(theirs, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("line %d:\nours   %.300s\ntheirs %.300s", i, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Fatalf("%d lines, theirs %d", len(a), len(b))
	}
	t.Logf("%d keys and values agree", len(a)-1)
}

// rich is a tree with everything that a hive can hold.
func rich() *regftest.Key {
	root := &regftest.Key{Name: "CsiTool-CreateHive-{00000000-0000-0000-0000-000000000000}"}
	root.Set(`Types`,
		regftest.SZ("", "the default value"), regftest.SZ("sz", "text"), regftest.SZ("empty", ""), regftest.ExpandSZ("expand", `%SystemRoot%\x`),
		regftest.Binary("none left", nil), regftest.Binary("one", []byte{1}), regftest.Binary("four", []byte{1, 2, 3, 4}),
		regftest.Binary("five", []byte{1, 2, 3, 4, 5}), regftest.DWORD("dword", 0xfedcba98), regftest.QWORD("qword", 0xfedcba9876543210),
		regftest.Value{Name: "dword be", Type: 5, Data: []byte{1, 2, 3, 4}}, regftest.MultiSZ("multi", "one", "two", "three"),
		regftest.MultiSZ("multi none"), regftest.Value{Name: "none", Type: 0, Data: []byte("xyz")},
		regftest.Value{Name: "link", Type: 6, Data: regftest.UTF16(`\REGISTRY\MACHINE\X`)}, regftest.Value{Name: "resources", Type: 8, Data: make([]byte, 40)},
		regftest.Value{Name: "odd type", Type: 0xffff0012, Data: []byte("odd")}, regftest.Value{Name: "odd text", Type: 1, Data: []byte{'a', 0, 'b'}},
		regftest.Value{Name: "unended", Type: 1, Data: regftest.UTF16("no NUL")}, regftest.SZ(`back\slash`, "x"), regftest.SZ("wide", "Grüße, 世界 🙂"))
	root.Set(`Names\Ünïcödé Latin`, regftest.SZ("ñ", "1"))
	root.Set(`Names\世界 🙂`, regftest.SZ("值", "2"))
	root.Set(`Names\a/b`, regftest.SZ("x/y", "3"))
	root.Key("Names").Keys = append(root.Key("Names").Keys, &regftest.Key{Name: "wide", UTF16: true, Values: []regftest.Value{{Name: "w", UTF16: true, Type: 3}}})
	root.Key("Class").Class = "the class"
	root.Key("Old").Time = time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, n := range []int{16343, 16344, 16345, 2*16344 - 1, 2 * 16344, 100_000, 1 << 20} {
		root.Set("Big", regftest.Binary(fmt.Sprint(n), bytes.Repeat([]byte("0123456789abcdef!"), n/17+1)[:n]))
	}
	for i := range 1200 {
		root.Set(fmt.Sprintf(`Many\{%08x}`, uint32(i)*2654435761), regftest.DWORD("i", uint32(i)))
	}
	at := root
	for i := range 100 {
		at = at.Key(fmt.Sprintf("deep %d", i))
	}
	at.Values = append(at.Values, regftest.SZ("bottom", "here"))
	return root
}

var variants = []struct {
	name string
	o    regftest.Options
}{
	{"1.3 lf", regftest.Options{Minor: 3}},
	{"1.3 li", regftest.Options{Minor: 3, Index: "li"}},
	{"1.4 lf", regftest.Options{Minor: 4}},
	{"1.5 lh", regftest.Options{Minor: 5}},
	{"1.5 ri of lh", regftest.Options{Minor: 5, LeafSize: 100}},
	{"1.5 ri of li", regftest.Options{Minor: 5, Index: "li", LeafSize: 7}},
	{"1.6", regftest.Options{Minor: 6}},
}

func TestHivex(t *testing.T) {
	peers.Need(t, "perl", "hivexregedit")
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) { agree(t, regftest.Build(rich(), &v.o)) })
	}
}

// TestReal compares the hives in the folder that GUESTKIT_HIVES names: those of
// real systems, which are nobody's to give away.
func TestReal(t *testing.T) {
	dir := os.Getenv("GUESTKIT_HIVES")
	if dir == "" {
		t.Skip("GUESTKIT_HIVES names no folder of hives")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, b)
			found(t, open(t, b, nil).Root())
		})
	}
}

// TestWindows compares hives that look like those of Windows releases, and
// what hivexregedit makes of them.
func TestWindows(t *testing.T) {
	peers.Need(t, "perl", "hivexregedit")
	for name, w := range regftest.Releases() {
		t.Run(name, func(t *testing.T) {
			agree(t, w.Hive(w.Software(), `emRoot\System32\Config\SOFTWARE`))
			agree(t, w.Hive(w.System(), "SYSTEM"))
		})
	}
}

// TestHivexregedit reads a hive that hivex has written to. It makes only keys
// whose parent is there, and puts all data into one cell, however long.
func TestHivexregedit(t *testing.T) {
	w := regftest.Releases()["11-23H2"]
	dir := t.TempDir()
	hive, reg := filepath.Join(dir, "SOFTWARE"), filepath.Join(dir, "in.reg")
	if err := os.WriteFile(hive, w.Hive(w.Software(), ""), 0o600); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Added]\n\n")
	want := map[string]uint64{}
	for i := range 300 {
		key := fmt.Sprintf(`Added\{%08x}`, uint32(i)*2654435761)
		want[key] = uint64(i)
		fmt.Fprintf(&text, "[HKEY_LOCAL_MACHINE\\SOFTWARE\\%s]\n\"n\"=dword:%08x\n\"s\"=str(1):\"text %d\"\n\n", key, i, i)
	}
	text.WriteString("[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion]\n\"UBR\"=dword:00000001\n\"Long\"=hex(3):" + strings.Repeat("ab,", 30000) + "cd\n\n")
	if err := os.WriteFile(reg, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "hivexregedit", "--merge", "--prefix", `HKEY_LOCAL_MACHINE\SOFTWARE`, hive, reg)
	b, err := os.ReadFile(hive)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, b)
	h := open(t, b, nil)
	for path, n := range want {
		k, err := h.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := k.Value("n")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Uint(); got != n || err != nil {
			t.Errorf("%s: %d, %v", path, got, err)
		}
	}
	k, _ := h.Find(`Microsoft\Windows NT\CurrentVersion`)
	for name, size := range map[string]int64{"UBR": 4, "Long": 30001} {
		if v, err := k.Value(name); err != nil || v.Size() != size {
			t.Errorf("%s: %v", name, err)
		}
	}
}
