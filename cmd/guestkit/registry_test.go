package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/registry"
)

// hiveFile writes a hive to a file of its own.
func hiveFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// zoo is a hive with a value of every form.
func zoo() *regftest.Key {
	root := &regftest.Key{Name: "R"}
	root.Set(`Zoo`, regftest.SZ("", "the default"), regftest.SZ("sz", `say "C:\x"`), regftest.ExpandSZ("expand", `%SystemRoot%\x`),
		regftest.Binary("none", nil), regftest.Binary("bytes", []byte{1, 2, 0xff}), regftest.Binary("many", bytes.Repeat([]byte{0xab}, 100)),
		regftest.DWORD("dword", 4170), regftest.QWORD("qword", 1<<63), regftest.MultiSZ("multi", "one", "two"), regftest.MultiSZ("multi none"),
		regftest.Value{Name: "big endian", Type: 5, Data: []byte{0, 0, 1, 2}}, regftest.Value{Name: "odd", Type: 0x12, Data: []byte("odd")},
		regftest.Value{Name: "unended", Type: 1, Data: regftest.UTF16("no NUL")}, regftest.Value{Name: "short", Type: 4, Data: []byte{1, 2}},
		regftest.SZ("lines", "a\r\nb"), regftest.SZ(`back\slash "quote"`, "x"), regftest.SZ("wide", "Grüße, 世界"), regftest.SZ("long", strings.Repeat("x", 1200)))
	root.Key(`Zoo\Sub/key\Deeper`).Class = "the class"
	return root
}

func TestRegistryFile(t *testing.T) {
	file := hiveFile(t, "SOFTWARE", regftest.Build(zoo(), nil))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{file, "Zoo", "sz"}, "say \"C:\\x\"\n"},
		{[]string{file, "zoo", "DWORD"}, "4170\n"},
		{[]string{file, "Zoo", "qword"}, "9223372036854775808\n"},
		{[]string{file, "Zoo", "big endian"}, "258\n"},
		{[]string{file, "Zoo", "multi"}, "one\ntwo\n"},
		{[]string{file, "Zoo", "bytes"}, "01 02 ff\n"},
		{[]string{file, "Zoo", "short"}, "01 02\n"},
		{[]string{file, "Zoo", ""}, "the default\n"},
		{[]string{file, "Zoo", "@"}, "the default\n"},
		{[]string{file, `HKLM\SOFTWARE\Zoo`, "dword"}, "4170\n"},
		{[]string{file}, "\\\n\n\\Zoo\n"},
		{[]string{file, `HKLM\SOFTWARE`}, "HKEY_LOCAL_MACHINE\\SOFTWARE\n\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Zoo\n"},
		{[]string{file, `Zoo\Sub/key`}, "\\Zoo\\Sub/key\n\n\\Zoo\\Sub/key\\Deeper\n"},
		{[]string{"-R", file, `Zoo\Sub/key`}, "\\Zoo\\Sub/key\n\n\\Zoo\\Sub/key\\Deeper\n"},
		{[]string{file, "Zoo"}, `\Zoo
    (Default)             REG_SZ                  the default
    sz                    REG_SZ                  say "C:\x"
    expand                REG_EXPAND_SZ           %SystemRoot%\x
    none                  REG_BINARY
    bytes                 REG_BINARY              01 02 ff
    many                  REG_BINARY              ` + strings.Repeat("ab ", 32) + `… (100 bytes)
    dword                 REG_DWORD               0x0000104a (4170)
    qword                 REG_QWORD               0x8000000000000000 (9223372036854775808)
    multi                 REG_MULTI_SZ            one | two
    multi none            REG_MULTI_SZ
    big endian            REG_DWORD_BIG_ENDIAN    0x00000102 (258)
    odd                   REG_0x12                6f 64 64
    unended               REG_SZ                  no NUL
    short                 REG_DWORD               01 02
    lines                 REG_SZ                  a\x0d\x0ab
    back\slash "quote"    REG_SZ                  x
    wide                  REG_SZ                  Grüße, 世界
    long                  REG_SZ                  ` + strings.Repeat("x", 1000) + ` … (1200 characters)

\Zoo\Sub/key
`},
	} {
		r := gk(t, append([]string{"registry"}, c.args...)...)
		if r.code != exitDone || r.out != c.want || r.err != "" {
			t.Errorf("%q prints (code %d)\n%s%s\nnot\n%s", c.args, r.code, r.out, r.err, c.want)
		}
	}
}

func TestRegistryErrors(t *testing.T) {
	clean := regftest.Build(zoo(), nil)
	file := hiveFile(t, "SOFTWARE", clean)
	damaged := bytes.Clone(clean)
	copy(damaged[bytes.Index(damaged, []byte("Deeper"))-76:], "xx")
	for _, c := range []struct {
		args []string
		code int
		want string // in standard error
	}{
		{[]string{file, "Nope"}, exitNothing, `there is no subkey "Nope"`},
		{[]string{file, "Zoo", "nope"}, exitNothing, `there is no value "nope"`},
		{[]string{file, "Zoo", "x", "y"}, exitUsage, "at most"},
		{[]string{"--reg", "--json", file, "Zoo"}, exitUsage, "exclude"},
		{[]string{"--reg", file}, exitUsage, "needs a KEY"},
		{[]string{"--reg", file, "Zoo"}, exitUsage, `as in HKLM\SOFTWARE`},
		{[]string{"--volume", "x", file, "Zoo"}, exitUsage, "is a hive"},
		{[]string{"--log", "nowhere", file, "Zoo"}, exitFailed, "nowhere"},
		{[]string{"--log", file, uefi, `HKLM\SOFTWARE`}, exitUsage, "goes with a hive file"},
		{[]string{uefi, `HKLM\SOFTWARE`}, exitNothing, "no folder of Windows"},
		{[]string{uefi, `SOFTWARE\Microsoft`}, exitUsage, "KEY begins with"},
		{[]string{uefi, `HKCU\Software`}, exitUsage, `HKU\USER`},
		{[]string{hiveFile(t, "DIRTY", regftest.Dirty(clean, 2, 1)), "Zoo", "dword"}, exitDone, "journal not replayed"},
		{[]string{hiveFile(t, "DAMAGED", damaged), `Zoo\Sub/key`}, exitFailed, "it is no key"},
		{[]string{hiveFile(t, "CUT", clean[:5000]), "Zoo"}, exitFailed, "truncated"},
		{[]string{hiveFile(t, "LOG", regftest.Log(1, clean)), "Zoo"}, exitFailed, "transaction log"},
	} {
		r := gk(t, append([]string{"registry"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%q: code %d, not %d: %s", c.args, r.code, c.code, r.err)
		}
	}
}

// TestRegistryHostile prints names and data that would control a terminal, and
// stops at a hive whose values are more than it can hold.
func TestRegistryHostile(t *testing.T) {
	root := &regftest.Key{Name: "R"}
	root.Set("a\x1b[2J\u202e", regftest.SZ("v\x1b]0;x\x07", "d\x1b[31m\x9b"), regftest.SZ("x\r\n[-HKEY_LOCAL_MACHINE\\SYSTEM]\r\n", "y"))
	root.Set("b\r\n[-HKEY_LOCAL_MACHINE\\SAM", regftest.DWORD("d", 1))
	root.Key("c").Keys = append(root.Key("c").Keys, &regftest.Key{Name: `d\e`})
	file := hiveFile(t, "H", regftest.Build(root, nil))
	for _, args := range [][]string{{"-R", file}, {"-R", "--json", file}, {file, "a\x1b[2J\u202e", "v\x1b]0;x\x07"}, {file, "\x1b"}} {
		r := gk(t, append([]string{"registry"}, args...)...)
		if i := strings.IndexFunc(r.out+r.err, func(r rune) bool { return r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r == 0x202e }); i >= 0 {
			t.Errorf("%q prints a control character: %q", args, (r.out + r.err)[i:])
		}
	}
	r := gk(t, "registry", "--reg", file, `HKLM\H`)
	if text := fromUTF16(t, r.out); r.code != exitFailed || strings.Contains(text, "[-") || strings.Contains(text, `d\e`) || !strings.Contains(text, `"v`) {
		t.Errorf("a .reg file of hostile names (code %d): %q", r.code, text)
	}

	// One value that lies about its size hides none of the others.
	root = (&regftest.Key{Name: "R"}).Set("K", regftest.SZ("liar", "some text"), regftest.DWORD("after", 7))
	b := regftest.Build(root, nil)
	binary.LittleEndian.PutUint32(b[bytes.Index(b, []byte("liar"))-16:], 0x7fffffff)
	r = gk(t, "registry", hiveFile(t, "L", b), "K")
	if r.code != exitFailed || !strings.Contains(r.err, "limit exceeded") || !strings.Contains(r.out, "after") {
		t.Errorf("%+v", r)
	}

	// A hundred values that are one.
	root = (&regftest.Key{Name: "R"}).Set("K", regftest.Binary("v", make([]byte, 9000)))
	for i := range 99 {
		root.Set("K", regftest.Binary(fmt.Sprint(i), nil))
	}
	b = regftest.Build(root, nil)
	vk := bytes.Index(b, []byte("vk\x01\x00\x28\x23"))
	first := binary.LittleEndian.AppendUint32(nil, uint32(vk-4-4096))
	list := bytes.LastIndex(b, first)
	for i := range 99 {
		copy(b[list+4+4*i:], first)
	}
	file = hiveFile(t, "S", b)
	for _, flag := range []string{"-q", "--json", "--reg"} {
		if r := gk(t, "registry", flag, file, `HKLM\S\K`); r.code != exitFailed || !strings.Contains(r.err, "more data than the hive has") {
			t.Errorf("%s: code %d, %s", flag, r.code, r.err)
		}
	}
}

// TestRegistryPaths says that a document is bounded where keys are few and far
// down: the path of each is a thousand times what its key takes.
func TestRegistryPaths(t *testing.T) {
	deep := strings.Repeat(strings.Repeat("n", 500)+`\`, 300)
	root := &regftest.Key{Name: "R"}
	last := root.Key(deep + "last")
	for i := range 2000 {
		last.Keys = append(last.Keys, &regftest.Key{Name: fmt.Sprintf("%04d", i)})
	}
	file := hiveFile(t, "S", regftest.Build(root, nil))
	if r := gk(t, "registry", "--json", "-R", file); r.code != exitFailed || r.out != "" || !strings.Contains(r.err, "JSON document") {
		t.Errorf("code %d, %d bytes, %.300s", r.code, len(r.out), r.err)
	}
}

func TestRegistryJSON(t *testing.T) {
	file := hiveFile(t, "SOFTWARE", regftest.Build(zoo(), nil))
	r := gk(t, "registry", "--json", "-R", file, `HKLM\SOFTWARE`)
	var d registryDoc
	if err := json.Unmarshal([]byte(r.out), &d); err != nil || r.code != exitDone {
		t.Fatalf("code %d, %v", r.code, err)
	}
	if d.Schema != "guestkit.registry/v1" || len(d.Hives) != 1 || d.Hives[0] != (hiveDoc{`HKEY_LOCAL_MACHINE\SOFTWARE`, file}) || len(d.Problems) != 0 {
		t.Errorf("%+v", d)
	}
	var paths []string
	for _, k := range d.Keys {
		paths = append(paths, k.Path)
		if k.Mtime != "2024-05-06T07:08:09.000000000Z" {
			t.Errorf("%s: time %s", k.Path, k.Mtime)
		}
	}
	const top = `HKEY_LOCAL_MACHINE\SOFTWARE`
	if want := []string{top, top + `\Zoo`, top + `\Zoo\Sub/key`, top + `\Zoo\Sub/key\Deeper`}; !slices.Equal(paths, want) {
		t.Fatalf("keys %q", paths)
	}
	if d.Keys[3].Class != "the class" || !slices.Equal(d.Keys[1].Subkeys, []string{"Sub/key"}) {
		t.Errorf("%+v", d.Keys)
	}
	// Nothing is lost: what the form leaves out is in data.
	for i, v := range d.Keys[1].Values {
		want := zoo().Keys[0].Values[i]
		var got []byte
		switch {
		case v.Data != nil:
			got = *v.Data
		case v.Text != nil:
			got = regftest.UTF16(*v.Text + "\x00")
		case v.Strings != nil:
			got = regftest.MultiSZ("", v.Strings...).Data
		case v.Type == "REG_QWORD":
			got = binary.LittleEndian.AppendUint64(nil, *v.Number)
		case v.Type == "REG_DWORD":
			got = binary.LittleEndian.AppendUint32(nil, uint32(*v.Number))
		case v.Type == "REG_DWORD_BIG_ENDIAN":
			got = binary.BigEndian.AppendUint32(nil, uint32(*v.Number))
		}
		if v.Name != want.Name || !bytes.Equal(got, want.Data) {
			t.Errorf("value %q: %x, not %x", v.Name, got, want.Data)
		}
	}
}

func fromUTF16(t testing.TB, s string) string {
	t.Helper()
	if !strings.HasPrefix(s, "\xff\xfe") || len(s)%2 != 0 {
		t.Fatalf("no UTF-16: %.40q", s)
	}
	var u []uint16
	for i := 2; i < len(s); i += 2 {
		u = append(u, uint16(s[i])|uint16(s[i+1])<<8)
	}
	return string(utf16.Decode(u))
}

func TestRegistryReg(t *testing.T) {
	file := hiveFile(t, "SOFTWARE", regftest.Build(zoo(), nil))
	r := gk(t, "registry", "--reg", file, `HKLM\SOFTWARE\Zoo`)
	text := fromUTF16(t, r.out)
	for _, want := range []string{
		"Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Zoo]\r\n@=\"the default\"\r\n\"sz\"=\"say \\\"C:\\\\x\\\"\"\r\n",
		"\"none\"=hex:\r\n\"bytes\"=hex:01,02,ff\r\n", "\"dword\"=dword:0000104a\r\n", "\"qword\"=hex(b):00,00,00,00,00,00,00,80\r\n",
		"\"odd\"=hex(12):6f,64,64\r\n", "\"short\"=hex(4):01,02\r\n", "\"lines\"=hex(1):61,00,0d,00,0a,00,62,00,00,00\r\n",
		"\"back\\\\slash \\\"quote\\\"\"=\"x\"\r\n", "\"wide\"=\"Grüße, 世界\"\r\n", "\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Zoo\\Sub/key]\r\n\r\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, line := range strings.Split(text, "\r\n") {
		if len([]rune(line)) > 80 && strings.Contains(line, "hex") {
			t.Errorf("a long line: %s", line)
		}
	}
	if one := fromUTF16(t, gk(t, "registry", "--reg", file, `HKLM\SOFTWARE\Zoo`, "dword").out); one !=
		"Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Zoo]\r\n\"dword\"=dword:0000104a\r\n\r\n" {
		t.Errorf("one value: %q", one)
	}
}

// TestRegistryRegPeer lets hivexregedit import what was exported, into an
// empty hive, and compares the two.
func TestRegistryRegPeer(t *testing.T) {
	peers.Need(t, "hivexregedit")
	for name, root := range map[string]*regftest.Key{"zoo": zoo(), "software": regftest.Releases()["2022"].Software(), "system": regftest.Releases()["7"].System()} {
		t.Run(name, func(t *testing.T) {
			file := hiveFile(t, "SOFTWARE", regftest.Build(root, nil))
			r := gk(t, "registry", "--reg", file, `HKLM\SOFTWARE`)
			if r.code != exitDone {
				t.Fatalf("%+v", r)
			}
			// It takes UTF-8 with the line ends of Unix.
			text := strings.ReplaceAll(fromUTF16(t, r.out), "\r\n", "\n")
			reg := hiveFile(t, "in.reg", []byte(text))
			empty := hiveFile(t, "EMPTY", regftest.Build(&regftest.Key{Name: "R"}, nil))
			cmd := peers.Command(t, "hivexregedit", "--merge", "--prefix", `HKEY_LOCAL_MACHINE\SOFTWARE`, empty, reg)
			cmd.Env = append(cmd.Env, "PERL_UNICODE=D") // files are UTF-8
			peers.RunCmd(t, cmd)
			if got, want := hiveText(t, empty), hiveText(t, file); got != want {
				t.Errorf("imported:\n%s\nexported:\n%s", got, want)
			}
		})
	}
}

// hiveText writes the keys, and the values sorted by name.
func hiveText(t *testing.T, file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h, err := registry.Open(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var walk func(k *registry.Key)
	walk = func(k *registry.Key) {
		fmt.Fprintf(&out, "%q\n", k.Path())
		var lines []string
		for v, err := range k.Values() {
			if err != nil {
				t.Fatal(err)
			}
			data, err := v.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, fmt.Sprintf("  %q %s %x\n", v.Name(), v.Type(), data))
		}
		slices.Sort(lines)
		out.WriteString(strings.Join(lines, ""))
		for sub, err := range k.Subkeys() {
			if err != nil {
				t.Fatal(err)
			}
			walk(sub)
		}
	}
	walk(h.Root())
	return out.String()
}

// windowsDisk makes a FAT volume with the files given and what makes a Windows
// of it.
func windowsDisk(t *testing.T, files map[string][]byte) string {
	t.Helper()
	peers.Need(t, "mkfs.fat", "mmd", "mcopy")
	dir := t.TempDir()
	img := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, 40<<20); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mkfs.fat", "-F", "32", img)
	all := map[string][]byte{"Windows/System32/cmd.exe": []byte("MZ"), "Windows/System32/kernel32.dll": []byte("MZ")}
	for name, b := range files {
		all[name] = b
	}
	made := map[string]bool{".": true}
	for name, b := range all {
		var parents []string
		for d := filepath.Dir(name); !made[d]; d = filepath.Dir(d) {
			parents = append(parents, d)
			made[d] = true
		}
		slices.Reverse(parents)
		for _, d := range parents {
			peers.Run(t, "mmd", "-i", img, "::"+d)
		}
		host := filepath.Join(dir, "file")
		if err := os.WriteFile(host, b, 0o600); err != nil {
			t.Fatal(err)
		}
		peers.Run(t, "mcopy", "-i", img, host, "::"+name)
	}
	return img
}

func TestRegistryGuest(t *testing.T) {
	w := regftest.Releases()["10-22H2"]
	old, mid, now := w.System(), w.System(), w.System()
	mid.Set(`ControlSet002\Services\viostor`, regftest.DWORD("Start", 3))
	now.Set(`ControlSet002\Services\viostor`, regftest.DWORD("Start", 0))
	hive := func(k *regftest.Key) []byte { return w.Hive(k, "") }
	ada := (&regftest.Key{Name: "R"}).Set("Environment", regftest.ExpandSZ("TEMP", `%USERPROFILE%\Temp`))
	classes := (&regftest.Key{Name: "R"}).Set(`Local Settings`, regftest.DWORD("x", 1))
	bob := (&regftest.Key{Name: "R"}).Set("Environment", regftest.SZ("WHO", "bob"))
	const config = "Windows/System32/config/"
	img := windowsDisk(t, map[string][]byte{
		config + "SOFTWARE":    hive(w.Software()),
		config + "SYSTEM":      regftest.Dirty(hive(old), 9, 8),
		config + "SYSTEM.LOG1": regftest.Log(9, hive(mid), hive(now)),
		config + "SYSTEM.LOG2": regftest.Log(8, hive(old), hive(mid)),
		config + "SAM":         hive((&regftest.Key{Name: "R"}).Set(`SAM\Domains`)),
		config + "DEFAULT":     hive((&regftest.Key{Name: "R"}).Set("Console", regftest.DWORD("c", 2))),
		"Users/Ada/NTUSER.DAT": hive(ada),
		"Users/Ada/AppData/Local/Microsoft/Windows/UsrClass.dat": hive(classes),
		"Users/Bob/NTUSER.DAT": hive(bob),
	})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "UBR"}, "3803\n"},
		{[]string{`Computer\HKEY_LOCAL_MACHINE\software\Microsoft\Windows NT\CurrentVersion`, "UBR"}, "3803\n"},
		{[]string{`HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "UBR"}, "3803\n"},
		{[]string{`hklm/software/microsoft/windows nt/currentversion`, "ubr"}, "3803\n"},
		{[]string{`HKCR\MIME\Database\Content Type\text/html`, "Extension"}, ".htm\n"},
		{[]string{`HKLM\SYSTEM\CurrentControlSet\Services\viostor`, "Start"}, "0\n"},
		{[]string{`HKLM\SYSTEM\CurrentControlSet\Services\viostor`}, "HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet002\\Services\\viostor\n    Start    REG_DWORD    0x00000000 (0)\n"},
		{[]string{`HKLM\SAM\SAM`}, "HKEY_LOCAL_MACHINE\\SAM\\SAM\n\nHKEY_LOCAL_MACHINE\\SAM\\SAM\\Domains\n"},
		{[]string{`HKU\.DEFAULT\Console`, "c"}, "2\n"},
		{[]string{`HKU\S-1-5-18\Console`, "c"}, "2\n"},
		{[]string{`HKU\ada\Environment`, "TEMP"}, "%USERPROFILE%\\Temp\n"},
		{[]string{`HKEY_USERS\S-1-5-21-1-2-3-1001\Environment`, "TEMP"}, "%USERPROFILE%\\Temp\n"},
		{[]string{`HKU\S-1-5-21-1-2-3-1001_Classes\Local Settings`, "x"}, "1\n"},
		{[]string{`HKU\Bob\Environment`, "WHO"}, "bob\n"},
		{nil, `HKEY_LOCAL_MACHINE\SOFTWARE                    /Windows/System32/config/SOFTWARE
HKEY_LOCAL_MACHINE\SYSTEM                      /Windows/System32/config/SYSTEM
HKEY_LOCAL_MACHINE\SAM                         /Windows/System32/config/SAM
HKEY_USERS\.DEFAULT                            /Windows/System32/config/DEFAULT
HKEY_USERS\S-1-5-21-1-2-3-1001                 /Users/Ada/NTUSER.DAT
HKEY_USERS\S-1-5-21-1-2-3-1001_Classes         /Users/Ada/AppData/Local/Microsoft/Windows/UsrClass.dat
`},
	} {
		r := gk(t, append([]string{"registry", img}, c.args...)...)
		if r.code != exitDone || strings.Join(strings.Fields(r.out), " ") != strings.Join(strings.Fields(c.want), " ") || r.err != "" {
			t.Errorf("%q prints (code %d)\n%s%s\nnot\n%s", c.args, r.code, r.out, r.err, c.want)
		}
	}
	for _, c := range []struct {
		key  string
		code int
	}{
		{`HKU\Eve\Environment`, exitNothing}, {`HKU\..\x`, exitNothing}, {`HKU\a/../../Windows\x`, exitNothing}, {`HKLM\HARDWARE`, exitNothing},
		{`HKLM\SECURITY\Policy`, exitNothing}, {`HKLM`, exitUsage}, {`HKLM\SYSTEM\CurrentControlSet\nope`, exitNothing},
	} {
		if r := gk(t, "registry", img, c.key); r.code != c.code || r.out != "" || r.err == "" {
			t.Errorf("%s: %+v", c.key, r)
		}
	}
	if r := gk(t, "registry", "--volume", "disk", img, `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "UBR"); r.out != "3803\n" {
		t.Errorf("--volume: %+v", r)
	}
}
