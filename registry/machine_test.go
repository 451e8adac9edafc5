package registry_test

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/registry"
)

// windowsFiles are those of a Windows 10 with two users.
func windowsFiles() fstest.MapFS {
	w := regftest.Releases()["10-22H2"]
	file := func(k *regftest.Key) *fstest.MapFile { return &fstest.MapFile{Data: w.Hive(k, "")} }
	return fstest.MapFS{
		"Windows/System32/config/SOFTWARE": file(w.Software()), "Windows/System32/config/SYSTEM": file(w.System()),
		"Windows/System32/config/DEFAULT": file(&regftest.Key{Name: "R"}),
		"Users/Ada/NTUSER.DAT":            file((&regftest.Key{Name: "R"}).Set("Environment", regftest.SZ("WHO", "ada"))),
		"Users/Bob/NTUSER.DAT":            file((&regftest.Key{Name: "R"}).Set("Environment", regftest.SZ("WHO", "bob"))),
	}
}

func TestMachine(t *testing.T) {
	m, err := registry.OpenMachine(windowsFiles(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, value, want string }{
		{`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, "EditionID", "Professional"},
		{`HKU\ada\Environment`, "WHO", "ada"},
		{`HKEY_USERS\S-1-5-21-1-2-3-1001\Environment`, "WHO", "ada"},
		{`HKU\Bob\Environment`, "WHO", "bob"},
	} {
		p, err := registry.ParsePath(c.key)
		if err != nil {
			t.Fatal(err)
		}
		h, err := m.Find(p)
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		k, err := h.Hive.Find(h.Rest)
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		v, err := k.Value(c.value)
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		if s, err := v.Text(); s != c.want || err != nil {
			t.Errorf("%s: %q, %v", c.key, s, err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	if h, err := m.Find(registry.Path{Root: registry.LocalMachine, Names: []string{"system", "currentcontrolset", "Services"}}); err != nil || h.Rest != `ControlSet002\Services` || h.Name != `HKEY_LOCAL_MACHINE\SYSTEM` {
		t.Errorf("%+v, %v", h, err)
	}
	for key, class := range map[string]error{`HKLM\HARDWARE`: fs.ErrNotExist, `HKLM\SAM\SAM`: fs.ErrNotExist, `HKU\eve`: fs.ErrNotExist, `HKU\..`: fs.ErrNotExist, `HKLM`: registry.ErrPath} {
		p, err := registry.ParsePath(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Find(p); !errors.Is(err, class) {
			t.Errorf("%s: %v", key, err)
		}
	}
	for _, key := range []string{"", `\`, `HKCU\x`, `SOFTWARE\x`} {
		if _, err := registry.ParsePath(key); !errors.Is(err, registry.ErrPath) {
			t.Errorf("%q: %v", key, err)
		}
	}
	var names []string
	hives, err := m.Hives()
	for _, h := range hives {
		names = append(names, h.Name+" "+h.File)
	}
	if want := []string{`HKEY_LOCAL_MACHINE\SOFTWARE Windows/System32/config/SOFTWARE`, `HKEY_LOCAL_MACHINE\SYSTEM Windows/System32/config/SYSTEM`,
		`HKEY_USERS\.DEFAULT Windows/System32/config/DEFAULT`, `HKEY_USERS\S-1-5-21-1-2-3-1001 Users/Ada/NTUSER.DAT`}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := registry.OpenMachine(fstest.MapFS{"etc/passwd": {}}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no Windows: %v", err)
	}
	bad := windowsFiles()
	bad["Windows/System32/config/SOFTWARE"].Data = []byte("no hive")
	m, err = registry.OpenMachine(bad, nil)
	if err != nil {
		t.Fatal(err)
	}
	var pe *fs.PathError
	if _, err := m.Find(registry.Path{Root: registry.LocalMachine, Names: []string{"SOFTWARE"}}); !errors.As(err, &pe) || pe.Path != "Windows/System32/config/SOFTWARE" {
		t.Errorf("no hive: %v", err)
	}
	// What hides a user is no "there is none".
	if _, err := m.Find(registry.Path{Root: registry.Users, Names: []string{"eve"}}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a user behind a damaged hive: %v", err)
	}
}

// TestProfileDir follows the paths of profiles as Windows writes them.
func TestProfileDir(t *testing.T) {
	for dir, want := range map[string]string{
		`C:\Users\Ada`: "Users/Ada", `c:\Users\Ada`: "Users/Ada", `%SystemDrive%\Documents and Settings\Ada`: "Documents and Settings/Ada",
		`%systemroot%\system32\config\systemprofile`: "Windows/system32/config/systemprofile", `D:\Ada`: "", `C:\..\..\x`: "x", `\\server\share`: "", "": ".",
	} {
		w := regftest.Releases()["10-22H2"]
		software := w.Software()
		software.Set(`Microsoft\Windows NT\CurrentVersion`, regftest.SZ("SystemRoot", `C:\Windows`))
		software.Set(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-9`, regftest.ExpandSZ("ProfileImagePath", dir))
		files := windowsFiles()
		files["Windows/System32/config/SOFTWARE"] = &fstest.MapFile{Data: w.Hive(software, "")}
		m, err := registry.OpenMachine(files, nil)
		if err != nil {
			t.Fatal(err)
		}
		profiles, err := m.Profiles()
		got := ""
		for _, p := range profiles {
			if p.SID == "S-1-5-21-9" {
				got = p.Dir
			}
		}
		if got != want || err != nil {
			t.Errorf("%s: %q, %v", dir, got, err)
		}
	}
}

// TestRegWriter writes as regedit exports; hivexregedit reads the same in the
// tests of the command.
func TestRegWriter(t *testing.T) {
	root := (&regftest.Key{Name: "R"}).Set("K", regftest.SZ("", "d"), regftest.DWORD("n", 7), regftest.Binary("b", []byte{1}))
	h, err := registry.Open(bytes.NewReader(regftest.Build(root, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := h.Find("K")
	if err != nil {
		t.Fatal(err)
	}
	var values []*registry.Value
	for v, err := range k.Values() {
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	var lines []string
	w := registry.NewRegWriter(h.Walk(), func(s string) error { lines = append(lines, s); return nil })
	if err := w.Key(`HKEY_LOCAL_MACHINE\X\K`, k, values, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	if got, want := strings.Join(lines, "\n"), "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\X\\K]\n@=\"d\"\n\"n\"=dword:00000007\n\"b\"=hex:01\n"; got != want {
		t.Errorf("%q", got)
	}
	var out bytes.Buffer
	if err := registry.RegLines(&out)("a"); err != nil || out.String() != "\xff\xfea\x00\r\x00\n\x00" {
		t.Errorf("%q, %v", out.String(), err)
	}
	failed := errors.New("full")
	if err := registry.NewRegWriter(h.Walk(), func(string) error { return failed }).Key("x", k, nil, nil); !errors.Is(err, failed) {
		t.Errorf("a failure to write: %v", err)
	}
}
