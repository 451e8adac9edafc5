package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/partition"
)

// pe is the start of a program for a machine.
func pe(machine uint16) *fstest.MapFile {
	b := make([]byte, 0x90)
	copy(b, "MZ")
	b[0x3c] = 0x80
	copy(b[0x80:], "PE\x00\x00")
	b[0x84], b[0x85] = byte(machine), byte(machine>>8)
	return &fstest.MapFile{Data: b, Mode: 0o644}
}

// Machines of PE.
const (
	peI386  = 0x014c
	peAMD64 = 0x8664
	peARM64 = 0xaa64
)

// winGuest is a Windows that tests make.
type winGuest struct {
	root             string // its folder
	machine          uint16
	minor            uint32 // version of the hives
	software, system *regftest.Key
	files            fstest.MapFS
}

// newWinGuest is the least that Windows is.
func newWinGuest() *winGuest {
	g := &winGuest{root: "Windows", machine: peAMD64, software: &regftest.Key{Name: "SOFTWARE"}, system: &regftest.Key{Name: "SYSTEM"}, files: fstest.MapFS{}}
	g.system.Set("Select", regftest.DWORD("Current", 1))
	g.system.Set(`ControlSet001\Services\Tcpip\Parameters`, regftest.SZ("Hostname", "win"))
	return g
}

const currentVersion = `Microsoft\Windows NT\CurrentVersion`

// tree is the files of the guest.
func (g *winGuest) tree() fstest.MapFS {
	o := &regftest.Options{Minor: g.minor}
	m := fstest.MapFS{
		g.root + "/System32/config/SOFTWARE": {Data: regftest.Build(g.software, o), Mode: 0o644},
		g.root + "/System32/config/SYSTEM":   {Data: regftest.Build(g.system, o), Mode: 0o644},
		g.root + "/System32/ntoskrnl.exe":    pe(g.machine),
		g.root + "/System32/cmd.exe":         pe(peI386),
	}
	for name, f := range g.files {
		m[name] = f
	}
	return m
}

// ntfsVol is a readable volume of Windows that holds the files.
func ntfsVol(t testing.TB, name string, m fstest.MapFS) *Volume {
	t.Helper()
	return &Volume{Name: name, Content: "ntfs", Status: StatusRead, fsys: testimg.MapFS(t, m, vfs.Info{Type: "ntfs", CaseInsensitive: true})}
}

// releaseGuest is a guest of one of the releases that regftest has.
func releaseGuest(name string) *winGuest {
	w := regftest.Releases()[name]
	g := newWinGuest()
	g.software, g.system, g.minor = w.Software(), w.System(), w.HiveMinor
	return g
}

// TestWindowsVersions reads the identity of every Windows that is about, from
// what its registry says.
func TestWindowsVersions(t *testing.T) {
	for name, want := range map[string]string{
		"7":           "Windows 7 Professional, Professional, Client, 6.1, 7, 7601, unknown, 6 1",
		"10-22H2":     "Windows 10 Pro, Professional, Client, 10.0, 10, 19045.3803, 22H2, 10 0",
		"11-23H2":     "Windows 11 Pro, Professional, Client, 10.0, 11, 22631.3007, 23H2, 10 0",
		"11-24H2-arm": "Windows 11 Pro, Professional, Client, 10.0, 11, 26100.2314, 24H2, 10 0",
		"2016":        "Windows Server 2016 Standard, ServerStandard, Server, 10.0, 2016, 14393.6614, 1607, 10 0",
		"2019-core":   "Windows Server 2019 Datacenter, ServerDatacenter, Server Core, 10.0, 2019, 17763.5458, 1809, 10 0",
		"2022":        "Windows Server 2022 Standard, ServerStandard, Server, 10.0, 2022, 20348.2340, 21H2, 10 0",
		"2025":        "Windows Server 2025 Standard, ServerStandard, Server, 10.0, 2025, 26100.1742, 24H2, 10 0",
	} {
		g := releaseGuest(name)
		if name == "11-24H2-arm" {
			g.machine = peARM64
		}
		rep := guestOf(t, ntfsVol(t, "gpt3", g.tree()))
		s := rep.Systems[0]
		w := s.Windows
		got := fmt.Sprintf("%s, %s, %s, %s, %s, %s, %s, %d %d", s.ProductName, w.Edition, s.Variant, s.Version, s.VersionID, s.BuildID, w.DisplayVersion, w.Major, w.Minor)
		if got != want {
			t.Errorf("%s is\n%s, want\n%s", name, got, want)
		}
		r := regftest.Releases()[name]
		arch := "x86_64"
		if name == "11-24H2-arm" {
			arch = "aarch64"
		}
		domain := r.Domain
		if domain == "" {
			domain = Unknown
		}
		if s.Arch != arch || s.Hostname != r.Hostname || w.Domain != domain || w.TimeZone != r.TimeZone || w.ControlSet != "ControlSet002" ||
			w.Installed.Unix() != 1700000000 || s.Type != TypeWindows || s.Distro != "windows" {
			t.Errorf("%s: %+v, %+v", name, s, w)
		}
		if len(rep.Problems()) > 0 {
			t.Errorf("%s: %v", name, rep.Problems())
		}
	}
}

// TestWindowsIdentity has what the releases do not.
func TestWindowsIdentity(t *testing.T) {
	set := func(values ...regftest.Value) func(*winGuest) {
		return func(g *winGuest) { g.software.Set(currentVersion, values...) }
	}
	for name, c := range map[string]struct {
		base   string
		change func(*winGuest)
		want   string // product, release, architecture
	}{
		"xp": {"7", func(g *winGuest) {
			g.root, g.machine, g.minor = "WINNT", peI386, 3
			g.software.Key(currentVersion).Values = nil
			g.software.Set(currentVersion, regftest.SZ("ProductName", "Microsoft Windows XP"), regftest.SZ("CurrentVersion", "5.1"),
				regftest.SZ("CurrentBuildNumber", "2600"), regftest.SZ("CurrentBuild", "1.511.1 () (Obsolete data - do not use)"))
		}, "Microsoft Windows XP, XP, i386"},
		"2008 R2": {"7", set(regftest.SZ("ProductName", "Windows Server 2008 R2 Enterprise"), regftest.SZ("InstallationType", "Server")),
			"Windows Server 2008 R2 Enterprise, 2008 R2, x86_64"},
		"upgraded server": {"2025", set(regftest.SZ("ProductName", "Windows Server 2022 Datacenter")), "Windows Server 2025 Datacenter, 2025, x86_64"},
		"multi-session": {"11-23H2", func(g *winGuest) {
			set(regftest.SZ("ProductName", "Windows 10 Enterprise multi-session"), regftest.SZ("EditionID", "ServerRdsh"))(g)
			g.system.Set(`ControlSet002\Control\ProductOptions`, regftest.SZ("ProductType", "ServerNT"))
		}, "Windows 11 Enterprise multi-session, 11, x86_64"},
		"server by its product type": {"2022", func(g *winGuest) { set(regftest.SZ("InstallationType", ""))(g) }, "Windows Server 2022 Standard, 2022, x86_64"},
		"a build that is not known":  {"2025", set(regftest.SZ("CurrentBuildNumber", "29999")), "Windows Server 2025 Standard, unknown, x86_64"},
		"no name":                    {"10-22H2", set(regftest.DWORD("ProductName", 10)), "unknown, 10, x86_64"},
		"architecture by the registry": {"11-24H2-arm", func(g *winGuest) {
			g.files["Windows/System32/ntoskrnl.exe"], g.files["Windows/System32/cmd.exe"] = file(""), file("MZ")
		}, "Windows 11 Pro, 11, aarch64"},
		"lower case": {"10-22H2", func(g *winGuest) { g.root = "windows" }, "Windows 10 Pro, 10, x86_64"},
		"own folder": {"10-22H2", func(g *winGuest) { g.root = "Win10" }, "Windows 10 Pro, 10, x86_64"},
		"by boot.ini": {"7", func(g *winGuest) {
			g.root = "OS/XP"
			g.files["boot.ini"] = file("[boot loader]\r\ntimeout=30\r\n[operating systems]\r\nmulti(0)disk(0)rdisk(0)partition(1)\\OS\\XP=\"XP\" /fastdetect\r\n")
		}, "Windows 7 Professional, 7, x86_64"},
	} {
		g := releaseGuest(c.base)
		c.change(g)
		rep := guestOf(t, ntfsVol(t, "gpt3", g.tree()))
		if len(rep.Systems) != 1 {
			t.Errorf("%s: %d systems", name, len(rep.Systems))
			continue
		}
		s := rep.Systems[0]
		if got := s.ProductName + ", " + s.VersionID + ", " + s.Arch; got != c.want || s.SystemRoot != "/"+g.root {
			t.Errorf("%s is %s in %s, want %s", name, got, s.SystemRoot, c.want)
		}
	}
}

// TestDrives finds the volumes of letters.
func TestDrives(t *testing.T) {
	part := func(name, uuid string, off int64, m fstest.MapFS) *Volume {
		v := ntfsVol(t, name, m)
		v.Offset, v.Partition = off, &partition.Partition{UUID: uuid}
		return v
	}
	mbr := func(letter string, sig uint32, off uint64) regftest.Value {
		return regftest.Binary(`\DosDevices\`+letter, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, sig), off))
	}
	gpt := func(letter, id string) regftest.Value {
		g := guid.Must(id)
		return regftest.Binary(`\DosDevices\`+letter, append([]byte("DMIO:ID:"), g[:]...))
	}
	const id = "01234567-89ab-cdef-0123-456789abcdef"
	data := fstest.MapFS{"x": file("data")}
	for name, c := range map[string]struct {
		mounted []regftest.Value
		root    string // the path of Windows, by SOFTWARE
		want    string
	}{
		"by signature":      {[]regftest.Value{mbr("c:", 0xabcd0001, 1<<20), mbr("D:", 0xabcd0001, 64<<20)}, `C:\Windows`, "C:=root/disk signature D:=data/disk signature"},
		"by GUID":           {[]regftest.Value{mbr("C:", 0xabcd0001, 1<<20), gpt("E:", id)}, `C:\Windows`, "C:=root/disk signature E:=gpt/partuuid"},
		"Windows on D":      {[]regftest.Value{mbr("D:", 0xabcd0001, 1<<20), mbr("C:", 0xabcd0001, 64<<20)}, `D:\Windows`, "C:=data/disk signature D:=root/disk signature"},
		"nothing":           {nil, ``, "C:=root/system root (guess)"},
		"by its path":       {nil, `D:\WINNT`, "D:=root/system root (guess)"},
		"of another disk":   {[]regftest.Value{mbr("C:", 1, 1<<20)}, `C:\Windows`, "C:=root/system root (guess)"},
		"another offset":    {[]regftest.Value{mbr("F:", 0xabcd0001, 5)}, `C:\Windows`, "C:=root/system root (guess) F:="},
		"a device":          {[]regftest.Value{regftest.Binary(`\DosDevices\`+"A:", regftest.UTF16(`\??\FDC#x`))}, `C:\`, "A:= C:=root/system root (guess)"},
		"nonsense":          {[]regftest.Value{regftest.Binary(`\DosDevices\`+"1:", nil), regftest.SZ(`\DosDevices\`+"CD:", "x"), regftest.DWORD(`\??\Volume{x}`, 1)}, `?:\`, "C:=root/system root (guess)"},
		"a letter too many": {[]regftest.Value{mbr("C:", 0xabcd0001, 1<<20), mbr("C:", 0xabcd0001, 64<<20)}, `C:\`, "C:=root/disk signature"},
	} {
		g := releaseGuest("7")
		g.software.Set(currentVersion, regftest.SZ("SystemRoot", c.root))
		g.system.Key("MountedDevices").Values = c.mounted
		rep := guestOf(t, part("root", "abcd0001-01", 1<<20, g.tree()), part("data", "abcd0001-02", 64<<20, data), part("gpt", id, 0, data))
		s := rep.Systems[0]
		var got []string
		for _, d := range s.Windows.Drives {
			text := d.Letter + "=" + d.Volume
			if d.Volume != "" {
				text += "/" + d.By
			} else if d.Reason == "" {
				t.Errorf("%s: no reason: %+v", name, d)
			}
			if d.Guess {
				text += " (guess)"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, " "), c.want)
		}
		fsys, err := s.FS()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range s.Windows.Drives {
			if d.Volume == "data" {
				p, err := s.Path(d.Letter + `\x`)
				if b, err2 := fs.ReadFile(fsys, p); string(b) != "data" {
					t.Errorf("%s: %s: %q, %v, %v", name, p, b, err, err2)
				}
			}
		}
	}
}

func TestPaths(t *testing.T) {
	win := &System{Type: TypeWindows, Volume: "gpt3", Windows: &Windows{Drives: []Drive{{Letter: "C:", Volume: "gpt3"}, {Letter: "D:", Volume: "gpt4"}}}}
	for typed, want := range map[string]string{
		`C:\Windows\win.ini`: "Windows/win.ini", `c:/Windows//win.ini`: "Windows/win.ini", `\Windows`: "Windows", `/Windows/`: "Windows", `Windows\x`: "Windows/x",
		`C:`: ".", `C:\`: ".", `/`: ".", `\`: ".", ``: ".", `D:`: "D:", `d:\`: "D:", `D:\a\..\b`: "D:/b", `D:..\x`: "D:/x", `/D:/x`: "D:/x", `Z:\x`: "Z:/x",
		`\\?\C:\x`: "x", `\\.\D:\x`: "D:/x", `\??\C:\x`: "x", `//?/C:/x`: "x", `C:x`: "x", `C:\a:s`: "a:s", `C:\a:s:$DATA`: "a:s:$DATA", `..\..\x`: "x",
		"C:\\a\xff": "a\uefff", `1:\x`: "1:/x",
	} {
		if got, err := win.Path(typed); got != want || err != nil || !fs.ValidPath(got) {
			t.Errorf("%s is %q, %v; want %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{`\\server\share\x`, `\\?\Volume{01234567-89ab-cdef-0123-456789abcdef}\x`, `\\?\UNC\server\x`, `\??\x`} {
		if got, err := win.Path(typed); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s is %q, %v", typed, got, err)
		}
	}
	linux := &System{Type: TypeLinux}
	for typed, want := range map[string]string{`/etc/a\b`: `etc/a\b`, `C:\x`: `C:\x`, "/": "."} {
		if got, err := linux.Path(typed); got != want || err != nil {
			t.Errorf("Linux: %s is %q, %v; want %q", typed, got, err, want)
		}
	}
}

// TestRisks finds each by what makes it.
func TestRisks(t *testing.T) {
	virtio := func(g *winGuest, disk, net uint32) {
		g.system.Set(`ControlSet002\Services\vioscsi`, regftest.DWORD("Type", 1), regftest.DWORD("Start", disk), regftest.ExpandSZ("ImagePath", `System32\drivers\vioscsi.sys`))
		g.system.Set(`ControlSet002\Services\netkvm`, regftest.DWORD("Type", 1), regftest.DWORD("Start", net), regftest.ExpandSZ("ImagePath", `\??\C:\Windows\System32\drivers\netkvm.sys`))
		g.files["Windows/System32/drivers/vioscsi.sys"], g.files["Windows/System32/drivers/netkvm.sys"] = file(""), file("")
	}
	for name, c := range map[string]struct {
		change func(*winGuest)
		info   vfs.Info
		want   string
	}{
		"none":        {func(g *winGuest) { virtio(g, 0, 3) }, vfs.Info{}, ""},
		"hibernated":  {func(g *winGuest) { virtio(g, 0, 3) }, vfs.Info{Hibernated: true}, "hibernated"},
		"dirty":       {func(g *winGuest) { virtio(g, 0, 3) }, vfs.Info{Dirty: true}, "dirty-volume"},
		"no virtio":   {func(g *winGuest) {}, vfs.Info{}, "no-virtio-storage no-virtio-network"},
		"not at boot": {func(g *winGuest) { virtio(g, 3, 4) }, vfs.Info{}, "no-virtio-storage no-virtio-network"},
		"held back": {func(g *winGuest) {
			virtio(g, 0, 3)
			g.system.Set(`ControlSet002\Services\vioscsi\StartOverride`, regftest.DWORD("0", 3))
		}, vfs.Info{}, "no-virtio-storage"},
		"no file": {func(g *winGuest) {
			virtio(g, 0, 3)
			delete(g.files, "Windows/System32/drivers/vioscsi.sys")
		}, vfs.Info{}, "no-virtio-storage"},
		"reboot": {func(g *winGuest) {
			virtio(g, 0, 3)
			g.software.Key(`Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired`)
			g.files["Windows/WinSxS/pending.xml"] = file("")
		}, vfs.Info{}, "pending-reboot"},
	} {
		g := releaseGuest("10-22H2")
		c.change(g)
		c.info.CaseInsensitive = true
		v := &Volume{Name: "gpt3", Content: "ntfs", Status: StatusRead, fsys: testimg.MapFS(t, g.tree(), c.info)}
		locked := &Volume{Name: "gpt4", Content: "BitLocker", Status: StatusEncrypted, Reason: "a key is needed"}
		s := guestOf(t, v, locked).Systems[0]
		var got []string
		for _, r := range s.Risks {
			if r.What == "" || len(r.Evidence) == 0 {
				t.Errorf("%s: %+v", name, r)
			}
			if r.ID != "bitlocker" {
				got = append(got, r.ID)
			}
		}
		if strings.Join(got, " ") != c.want || len(got) == len(s.Risks) {
			t.Errorf("%s: %v, want %s and bitlocker", name, got, c.want)
		}
	}
}

// TestHostileHives gives the detectors hives that are no good.
func TestHostileHives(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		change func(*winGuest)
		class  error
		check  func(*System) bool
	}{
		"not a hive": {func(g *winGuest) { g.files["Windows/System32/config/SOFTWARE"] = file("no") }, block.ErrFormat,
			func(s *System) bool {
				return s.ProductName == Unknown && s.Packages.Status == PackagesNotRead && s.Hostname != Unknown
			}},
		"a directory": {func(g *winGuest) {
			g.files["Windows/System32/config/SYSTEM"] = dir()
		}, nil, func(s *System) bool {
			return s.Hostname == Unknown && s.Windows.ControlSet == Unknown && s.Arch == "x86_64"
		}},
		"text that is too long": {func(g *winGuest) { g.software.Set(currentVersion, regftest.SZ("EditionID", long)) }, block.ErrLimit,
			func(s *System) bool { return s.Windows.Edition == Unknown }},
		"controls and half characters": {func(g *winGuest) {
			g.software.Set(currentVersion, regftest.Value{Name: "ProductName", Type: 1, Data: []byte{'W', 0, 0x1b, 0, 0, 0xd8, 'x', 0}})
		}, nil, func(s *System) bool { return s.ProductName == "W\x1b\uFFFDx" }},
		"another type": {func(g *winGuest) { g.software.Set(currentVersion, regftest.Binary("EditionID", []byte{1})) }, nil,
			func(s *System) bool { return s.Windows.Edition == Unknown }},
		"a control set that is not there": {func(g *winGuest) { g.system.Set("Select", regftest.DWORD("Current", 999)) }, nil,
			func(s *System) bool { return s.Windows.ControlSet == Unknown && s.Hostname == Unknown }},
		"a number that is no set": {func(g *winGuest) { g.system.Set("Select", regftest.DWORD("Current", 0xffffffff)) }, nil,
			func(s *System) bool { return s.Windows.ControlSet == "ControlSet001" }},
		"many services": {func(g *winGuest) {
			for i := range 4096 + 1 {
				g.system.Set(fmt.Sprintf(`ControlSet002\Services\s%d`, i), regftest.DWORD("Type", 1), regftest.DWORD("Start", 3))
			}
		}, block.ErrLimit, func(s *System) bool { return len(s.Windows.Services) == 4096 }},
		"many adapters": {func(g *winGuest) {
			const id = "{%08d-0000-4000-8000-000000000000}"
			for i := range 256 + 2 {
				g.system.Set(fmt.Sprintf(`ControlSet002\Control\Class\{4D36E972-E325-11CE-BFC1-08002BE10318}\%04d`, i), regftest.SZ("NetCfgInstanceId", fmt.Sprintf(id, i)), regftest.SZ("DriverDesc", "NIC"))
			}
			g.system.Set(`ControlSet002\Services\Tcpip\Parameters\Interfaces\`+fmt.Sprintf(id, 255), regftest.DWORD("EnableDHCP", 1))
		}, block.ErrLimit, func(s *System) bool { return len(s.Interfaces) == 1 && s.Interfaces[0].Device == "NIC" }},
	} {
		g := releaseGuest("10-22H2")
		c.change(g)
		rep := guestOf(t, ntfsVol(t, "gpt3", g.tree()))
		if !c.check(rep.Systems[0]) {
			t.Errorf("%s: %+v, %+v", name, rep.Systems[0], rep.Systems[0].Windows)
		}
		if c.class != nil && !errors.Is(errors.Join(rep.Problems()...), c.class) {
			t.Errorf("%s: problems %v, want %v", name, rep.Problems(), c.class)
		}
	}
}

// TestMutatedHives damages each hive in turn.
func TestMutatedHives(t *testing.T) {
	for _, hive := range []string{"SOFTWARE", "SYSTEM"} {
		g := releaseGuest("11-23H2")
		g.software.Set(`Microsoft\Windows\CurrentVersion\Uninstall\a`, regftest.SZ("DisplayName", "a"), regftest.SZ("DisplayVersion", "1"))
		g.software.Set(`Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages\Package_for_KB5034467~x`, regftest.DWORD("CurrentState", 0x70))
		tree := g.tree()
		at := "Windows/System32/config/" + hive
		testimg.Mutate(t, testimg.Mutations{Image: tree[at].Data, Seed: 6,
			Seal: func(p *testimg.Patch, _ []int64) {
				b := append([]byte(nil), p.Image[:512]...)
				regftest.Seal(b)
				p.Write(0, b)
			},
			Run: func(r block.Reader) error {
				b, err := block.ReadBytes(r, 0, r.Size(), r.Size())
				if err != nil {
					return err
				}
				tree[at] = &fstest.MapFile{Data: b, Mode: 0o644}
				rep := guestOf(t, ntfsVol(t, "gpt3", tree))
				s := rep.Systems[0]
				w := s.Windows
				fit(t, s.ProductName, s.Version, s.VersionID, s.BuildID, s.Hostname, s.Variant, w.Edition, w.DisplayVersion, w.TimeZone, w.Domain, w.ServicePack)
				for _, e := range s.Evidence {
					fit(t, e.Key, e.Value)
				}
				return errors.Join(rep.Problems()...)
			}})
	}
}
