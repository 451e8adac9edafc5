package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/partition"
)

// samTable is a value of SAM: a table of texts, each by its offset behind the table
// and its length, and the texts.
func samTable(size int, texts map[int]string) []byte {
	b := make([]byte, size)
	for _, at := range []int{0x0c, 0x10, 0x18, 0x1c, 0x24} {
		s, ok := texts[at]
		if !ok {
			continue
		}
		u := regftest.UTF16(s)
		binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-size))
		binary.LittleEndian.PutUint32(b[at+4:], uint32(len(u)))
		b = append(b, u...)
	}
	return b
}

// sid is a SID of 21 and the numbers.
func sid(numbers ...uint32) []byte {
	b := append([]byte{1, byte(len(numbers) + 1), 0, 0, 0, 0, 0, 5}, 21, 0, 0, 0)
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

// samHive is SAM with three accounts and a group.
func samHive() *regftest.Key {
	root := &regftest.Key{Name: "SAM"}
	root.Set(`SAM\Domains\Account`, regftest.Binary("V", append(make([]byte, 40), sid(1, 2, 3)...)))
	account := func(rid uint32, name, full, comment string, flags uint16, logon uint64) {
		f := make([]byte, 80)
		binary.LittleEndian.PutUint64(f[0x08:], logon)
		binary.LittleEndian.PutUint64(f[0x18:], 133_500_000_000_000_000)
		binary.LittleEndian.PutUint32(f[0x30:], rid)
		binary.LittleEndian.PutUint16(f[0x38:], flags)
		v := samTable(0xcc, map[int]string{0x0c: name, 0x18: full, 0x24: comment})
		binary.LittleEndian.PutUint32(v[0xa8:], uint32(len(v)-0xcc))
		binary.LittleEndian.PutUint32(v[0xac:], 20)
		root.Set(fmt.Sprintf(`SAM\Domains\Account\Users\%08X`, rid), regftest.Binary("F", f), regftest.Binary("V", append(v, "HASHHASHHASHHASHHASH"...)))
		root.Set(`SAM\Domains\Account\Users\Names\`+name, regftest.Value{Type: rid})
	}
	account(500, "Administrator", "", "Built-in account", 0x211, 0)
	account(501, "Guest", "", "", 0x215, 0)
	account(1001, "ada", "Ada Lovelace", "", 0x210, 133_600_000_000_000_000)
	c := samTable(0x34, map[int]string{0x10: "Administrators"})
	binary.LittleEndian.PutUint32(c[0x28:], uint32(len(c)-0x34))
	binary.LittleEndian.PutUint32(c[0x30:], 3)
	c = append(append(append(c, sid(1, 2, 3, 500)...), sid(9, 9, 9, 1104)...), sid(1, 2, 3, 1001)...)
	root.Set(`SAM\Domains\Builtin\Aliases\00000220`, regftest.Binary("C", c))
	root.Set(`SAM\Domains\Builtin\Aliases\Names\Administrators`, regftest.Value{Type: 0x220})
	return root
}

func lsaText(s string) regftest.Value {
	u := regftest.UTF16(s)
	b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, uint16(len(u))), uint16(len(u)+2))
	return regftest.Value{Data: append(append(b, 8, 0, 0, 0), u...)}
}

// usedGuest is a server that was used.
func usedGuest() *winGuest {
	g := releaseGuest("2022")
	const profiles = `Microsoft\Windows NT\CurrentVersion\ProfileList\`
	g.software.Set(profiles+"S-1-5-21-9-9-9-1104", regftest.ExpandSZ("ProfileImagePath", `%SystemDrive%\Users\bob.CORP`))
	g.software.Set(profiles+"S-1-5-82-1", regftest.ExpandSZ("ProfileImagePath", `C:\Users\DefaultAppPool`))
	g.software.Set(`Microsoft\Windows\CurrentVersion\Uninstall\App`, regftest.SZ("DisplayName", "App"), regftest.SZ("DisplayVersion", "1.2"), regftest.SZ("Publisher", "P"),
		regftest.SZ("InstallLocation", `C:\Program Files\App`), regftest.SZ("URLInfoAbout", "https://example.com"), regftest.SZ("Comments", "An app"), regftest.SZ("WinGetPackageIdentifier", "P.App"))
	const roles = `Microsoft\ServerManager\ServicingStorage\ServerComponentCache\`
	g.software.Set(roles+"Web-Server", regftest.DWORD("InstallState", 1))
	g.software.Set(roles+"DNS", regftest.DWORD("InstallState", 0))
	g.software.Set(roles+"AD-Domain-Services", regftest.DWORD("InstallState", 1))
	const features = `Microsoft\Windows\CurrentVersion\Component Based Servicing\Notifications\OptionalFeatures\`
	g.software.Set(features+"Microsoft-Windows-Subsystem-Linux", regftest.DWORD("Selection", 1))
	g.software.Set(features+"SMB1Protocol", regftest.DWORD("Selection", 0))
	const appx = `Microsoft\Windows\CurrentVersion\Appx\AppxAllUserStore\`
	g.software.Set(appx+`Applications\Microsoft.WindowsTerminal_1.18.3181.0_x64__8wekyb3d8bbwe`, regftest.SZ("Path", `C:\x`))
	g.software.Set(appx+`Applications\nonsense`, regftest.SZ("Path", `C:\x`))
	g.software.Set(appx + `InboxApplications\Microsoft.WindowsTerminal_1.18.3181.0_x64__8wekyb3d8bbwe`)

	const set = `ControlSet002\`
	g.system.Set(set+`Control\Windows`, regftest.Binary("ShutdownTime", binary.LittleEndian.AppendUint64(nil, 133_600_000_000_000_000)))
	g.system.Set(set+`Control\Session Manager\Memory Management`, regftest.MultiSZ("PagingFiles", `C:\pagefile.sys 0 0`, `D:\pagefile.sys 1024 2048`))
	const class = `{4d36e972-e325-11ce-bfc1-08002be10318}`
	adapter := func(n int, id, name, device, mac string, values ...regftest.Value) {
		g.system.Set(fmt.Sprintf(`%sControl\Class\%s\%04d`, set, class, n), regftest.SZ("NetCfgInstanceId", id), regftest.SZ("DriverDesc", device), regftest.SZ("NetworkAddress", mac),
			regftest.DWORD("NetLuidIndex", uint32(8+n)), regftest.DWORD("*IfType", 6))
		if name != "" {
			g.system.Set(set+`Control\Network\`+class+`\`+id+`\Connection`, regftest.SZ("Name", name))
		}
		g.system.Set(set+`Services\Tcpip\Parameters\Interfaces\`+strings.ToLower(id), values...)
	}
	adapter(1, "{AAAAAAAA-0000-4000-8000-000000000001}", "Ethernet0", "vmxnet3 Ethernet Adapter", "00505699aabb", regftest.DWORD("EnableDHCP", 0), regftest.MultiSZ("IPAddress", "10.0.0.5", "10.0.1.5"),
		regftest.MultiSZ("SubnetMask", "255.255.255.0", "255.255.0.0"), regftest.MultiSZ("DefaultGateway", "10.0.0.1"), regftest.SZ("NameServer", "10.0.0.2,10.0.0.3"))
	adapter(2, "{AAAAAAAA-0000-4000-8000-000000000002}", "Ethernet1", "Intel(R) 82574L", "", regftest.DWORD("EnableDHCP", 1), regftest.SZ("DhcpIPAddress", "192.168.1.9"), regftest.SZ("DhcpSubnetMask", "255.255.255.0"),
		regftest.MultiSZ("IPAddress", "1.2.3.4"))
	g.system.Set(set+`Services\Tcpip\Parameters\Interfaces\{bbbbbbbb-0000-4000-8000-000000000003}`, regftest.DWORD("EnableDHCP", 1))

	// The names are as netsh writes them: the first is that of an example that people give
	// for the adapter with the index 9.
	v6 := func(length byte) []byte {
		return append(append(bytes.Repeat([]byte{0xFF}, 8), 1, 0, 0, 0, 1, 0, 0, 0, length), make([]byte, 31)...)
	}
	g.system.Set(set+`Control\Nsi\{eb004a01-9b1a-11d4-9123-0050047759bc}\10`, regftest.Binary("000000090000060020010000000000000000000000000001", v6(64)),
		regftest.Binary("0000000900000600FD000000000000000000000000000002", v6(0)), regftest.Binary("00000009000083002001000000000000000000000000000f", v6(64)),
		regftest.Binary("0000000900000600", nil), regftest.Binary("000000090000060020010000000000000000000000000003", nil))

	hive := func(k *regftest.Key) *fstest.MapFile {
		return &fstest.MapFile{Data: regftest.Build(k, nil), Mode: 0o644}
	}
	g.files["Windows/System32/config/SAM"] = hive(samHive())
	security := &regftest.Key{Name: "SECURITY"}
	security.Set(`Policy\PolPrDmN`, lsaText("CORP"))
	security.Set(`Policy\PolPrDmS`, regftest.Value{Data: sid(9, 9, 9)})
	security.Set(`Policy\PolDnDDN`, lsaText("corp.example"))
	g.files["Windows/System32/config/SECURITY"] = hive(security)
	user := &regftest.Key{Name: "NTUSER"}
	const lxss = `Software\Microsoft\Windows\CurrentVersion\Lxss`
	user.Set(lxss, regftest.SZ("DefaultDistribution", "{CCCCCCCC-0000-4000-8000-000000000001}"))
	user.Set(lxss+`\{cccccccc-0000-4000-8000-000000000001}`, regftest.SZ("DistributionName", "Ubuntu"), regftest.SZ("BasePath", `\\?\C:\WSL\Ubuntu`), regftest.DWORD("Version", 2))
	user.Set(lxss+`\AppxInstallerCache`, regftest.SZ("x", "y"))
	user.Set(`Software\Microsoft\Windows\CurrentVersion\Uninstall\Own`, regftest.SZ("DisplayName", "Own"), regftest.SZ("DisplayVersion", "3"))
	g.files["Users/Ada/NTUSER.DAT"] = hive(user)
	g.files["WSL/Ubuntu/ext4.vhdx"] = file("")
	return g
}

// TestUsedWindows reads what a Windows that was used says of its users, its network
// and what is installed.
func TestUsedWindows(t *testing.T) {
	g := usedGuest()
	g.software.Key(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001`).Values = nil
	g.software.Set(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001`, regftest.ExpandSZ("ProfileImagePath", `C:\Users\Ada`))
	rep := guestOf(t, ntfsVol(t, "gpt3", g.tree()))
	s := rep.Systems[0]
	w := s.Windows
	var got []string
	say := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
	for _, u := range w.Users {
		logon := ""
		if u.LastLogon != nil {
			logon = u.LastLogon.Format("2006-01-02")
		}
		say("user %s %s %q %q local %v disabled %v %v %s %s", u.Name, u.SID, u.FullName, u.Comment, u.Local, u.Disabled, u.Groups, u.Profile, logon)
	}
	say("membership %+v", *w.Membership)
	for _, i := range s.Interfaces {
		say("interface %s %s %s dhcp %v %v leased %v gw %v dns %v", i.Name, i.MAC, i.Device, i.DHCP, i.Addresses, i.Leased, i.Gateways, i.DNS)
	}
	say("roles %v features %v", w.Roles, w.Features)
	say("wsl %+v", w.WSL)
	say("down %s pages %q", w.LastShutdown.Format("2006-01-02T15:04:05"), w.PageFiles)
	for _, p := range s.Packages.Items {
		say("program %s %s %s %s %s %s %q", p.Name, p.Version, p.Location, p.URL, p.WinGet, p.User, p.Summary)
	}
	for _, list := range s.OtherPackages {
		for _, p := range list.Items {
			say("%s %s %s %s", list.Format, p.Name, p.Version, p.Arch)
		}
	}
	want := []string{
		`user Administrator S-1-5-21-1-2-3-500 "" "Built-in account" local true disabled true [Administrators]  `,
		`user Guest S-1-5-21-1-2-3-501 "" "" local true disabled true []  `,
		`user ada S-1-5-21-1-2-3-1001 "Ada Lovelace" "" local true disabled false [Administrators] C:\Users\Ada 2024-05-12`,
		`user bob.CORP S-1-5-21-9-9-9-1104 "" "" local false disabled false [Administrators] %SystemDrive%\Users\bob.CORP `,
		`membership {Kind:domain Name:CORP DNSName:corp.example SID:S-1-5-21-9-9-9}`,
		`interface Ethernet0 00:50:56:99:aa:bb vmxnet3 Ethernet Adapter dhcp false [10.0.0.5/24 10.0.1.5/16 2001::1/64 fd00::2 2001::3] leased [] gw [10.0.0.1] dns [10.0.0.2 10.0.0.3]`,
		`interface Ethernet1  Intel(R) 82574L dhcp true [] leased [192.168.1.9/24] gw [] dns []`,
		`roles [AD-Domain-Services Web-Server] features [Microsoft-Windows-Subsystem-Linux]`,
		`wsl [{User:ada Name:Ubuntu Version:2 Path:\\?\C:\WSL\Ubuntu Disk:/WSL/Ubuntu/ext4.vhdx Default:true}]`,
		`down 2024-05-12T15:06:40 pages ["C:\\pagefile.sys 0 0" "D:\\pagefile.sys 1024 2048"]`,
		`program App 1.2 C:\Program Files\App https://example.com P.App  "An app"`,
		`program Own 3    ada ""`,
		`appx Microsoft.WindowsTerminal 1.18.3181.0 x64`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(rep.Problems()) > 0 {
		t.Error(rep.Problems())
	}
	for _, field := range []string{"windows.users", "windows.membership", "windows.roles", "windows.features", "windows.wsl", "windows.last_shutdown", "windows.page_files", "interfaces"} {
		if len(s.Because(field)) == 0 {
			t.Errorf("no evidence for %s", field)
		}
	}
	if text := fmt.Sprint(rep.Systems[0], *w); strings.Contains(text, "HASH") {
		t.Error("a hash came out")
	}
}

// TestManyHives: the hives of all users are looked into as far as one, each once.
func TestManyHives(t *testing.T) {
	g := releaseGuest("11-23H2")
	const profiles = `Microsoft\Windows NT\CurrentVersion\ProfileList\`
	user := &regftest.Key{Name: "NTUSER"}
	for i := range 9000 {
		user.Set(fmt.Sprintf(`Software\Microsoft\Windows\CurrentVersion\Uninstall\%d`, i), regftest.SZ("DisplayVersion", "1"))
	}
	hive := &fstest.MapFile{Data: regftest.Build(user, nil), Mode: 0o644}
	for i := range 20 {
		g.software.Set(fmt.Sprintf(profiles+"S-1-5-21-9-9-9-%d", 2000+i), regftest.SZ("ProfileImagePath", fmt.Sprintf(`C:\Users\u%d`, i/2)))
		g.files[fmt.Sprintf("Users/u%d/NTUSER.DAT", i/2)] = hive
	}
	rep := guestOf(t, ntfsVol(t, "gpt3", g.tree()))
	if p := rep.Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrLimit) {
		t.Errorf("%v", p)
	}
	if p := rep.Systems[0].Packages; p.Status != PackagesPartial {
		t.Errorf("%s", p.Status)
	}
}

// TestPartialWindows: what could not be read of the lists of Windows is said in them.
func TestPartialWindows(t *testing.T) {
	const sam = `SAM\Domains\Account\Users\000001F5`
	ada := func(g *winGuest) {
		g.software.Key(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001`).Values = nil
		g.software.Set(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001`, regftest.ExpandSZ("ProfileImagePath", `C:\Users\Ada`))
	}
	accounts := func(n int) func(g *winGuest) {
		return func(g *winGuest) {
			root := samHive()
			name := samTable(0xcc, map[int]string{0x0c: "x"})
			for i := range n - 4 { // there are three, and one of the domain
				root.Set(fmt.Sprintf(`SAM\Domains\Account\Users\%08X`, 2000+i), regftest.Binary("F", make([]byte, 80)), regftest.Binary("V", name))
			}
			g.files["Windows/System32/config/SAM"].Data = regftest.Build(root, nil)
		}
	}
	for name, c := range map[string]struct {
		change func(g *winGuest)
		hurt   string // a key of SOFTWARE whose cell is damaged
		want   string // the status of programs and apps, and what is said
	}{
		"whole":           {ada, "", "read read"},
		"a user's hive":   {func(g *winGuest) { ada(g); g.files["Users/Ada/NTUSER.DAT"] = file("regf") }, "", "partial read the registry of the user ada could not be read"},
		"an app":          {ada, "Microsoft.WindowsTerminal_1.18.3181.0_x64__8wekyb3d8bbwe", "read not_read a part of the registry could not be read"},
		"a cut account":   {func(g *winGuest) { g.sam(samHive(), sam, 100, 0) }, "", "read read an account without a name"},
		"a cut text":      {func(g *winGuest) { g.sam(samHive(), sam, 0xd0, 0) }, "", "read read a text of 10 bytes at 204 of 208"},
		"a cut group":     {func(g *winGuest) { g.sam(samHive(), `SAM\Domains\Builtin\Aliases\00000220`, 0, 8) }, "", "read read of 3 members of a group 2 can be read"},
		"4096 accounts":   {accounts(4096), "", "read read"},
		"4097 accounts":   {accounts(4097), "", "read read more than 4096 accounts"},
		"a group of none": {func(g *winGuest) { g.sam(samHive(), `SAM\Domains\Builtin\Aliases\00000220`, 8, 0) }, "", "read read a group of 8 bytes"},
	} {
		g := usedGuest()
		c.change(g)
		tree := g.tree()
		if c.hurt != "" {
			b := tree["Windows/System32/config/SOFTWARE"].Data
			for i := bytes.Index(b, []byte(c.hurt)); i >= 0; i = bytes.Index(b, []byte(c.hurt)) {
				copy(b[i-0x4c:], "xx")
				b[i] = 'x'
			}
		}
		rep := guestOf(t, ntfsVol(t, "gpt3", tree))
		s := rep.Systems[0]
		said := fmt.Sprint(rep.Problems(), s.Packages.Reason)
		apps := PackageStatus("none")
		if len(s.OtherPackages) > 0 {
			apps = s.OtherPackages[0].Status
			said += s.OtherPackages[0].Reason
		}
		programs, rest, _ := strings.Cut(c.want, " ")
		other, reason, _ := strings.Cut(rest, " ")
		if string(s.Packages.Status) != programs || string(apps) != other || !strings.Contains(said, reason) || (len(rep.Problems()) > 0) != (reason != "") {
			t.Errorf("%s: programs %s, apps %s, %.500s; want %s", name, s.Packages.Status, apps, said, c.want)
		}
		if name == "a cut account" && !slices.ContainsFunc(s.Windows.Users, func(u WindowsUser) bool { return u.Name == "S-1-5-21-1-2-3-501" }) {
			t.Errorf("%s: %+v", name, s.Windows.Users)
		}
	}
}

// sam gives the guest SAM with a key of which the table (V or C) is cut to a length, or
// by some bytes at its end.
func (g *winGuest) sam(root *regftest.Key, key string, length, less int) {
	values := root.Key(key).Values
	for i := range values {
		if v := &values[i]; v.Name == "V" || v.Name == "C" {
			if length == 0 {
				length = len(v.Data) - less
			}
			v.Data = v.Data[:length]
		}
	}
	g.files["Windows/System32/config/SAM"].Data = regftest.Build(root, nil)
}

// TestWorkgroup is a machine that is in no domain.
func TestWorkgroup(t *testing.T) {
	g := releaseGuest("11-23H2")
	security := &regftest.Key{Name: "SECURITY"}
	security.Set(`Policy\PolPrDmN`, lsaText("WORKGROUP"))
	security.Set(`Policy\PolPrDmS`, regftest.Value{})
	g.files["Windows/System32/config/SECURITY"] = &fstest.MapFile{Data: regftest.Build(security, nil), Mode: 0o644}
	w := guestOf(t, ntfsVol(t, "gpt3", g.tree())).Systems[0].Windows
	if m := w.Membership; m == nil || *m != (Membership{Kind: "workgroup", Name: "WORKGROUP"}) {
		t.Errorf("%+v", m)
	}
	if m := guestOf(t, ntfsVol(t, "gpt3", newWinGuest().tree())).Systems[0].Windows.Membership; m != nil {
		t.Errorf("%+v", m)
	}
}

// bcdStore is a store with a Windows, its recovery and the memory test, as bcdedit
// /enum all shows one.
func bcdStore(change func(set func(object, element string, v regftest.Value))) []byte {
	root := &regftest.Key{Name: "NewStoreRoot"}
	object := func(id string, typ uint32) {
		root.Set(`Objects\`+id+`\Description`, regftest.DWORD("Type", typ))
	}
	set := func(object, element string, v regftest.Value) {
		v.Name = "Element"
		root.Set(`Objects\`+object+`\Elements\`+element, v)
	}
	const manager, loader, recovery, memory = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}", "{11111111-0000-4000-8000-000000000001}", "{22222222-0000-4000-8000-000000000002}", "{b2721d73-1db4-4c62-bf78-c548a880142d}"
	object(manager, 0x10100002)
	object(recovery, 0x10200003)
	object(loader, 0x10200003)
	object(memory, 0x10200005)
	object("{0ce4991b-e6b3-4b16-b23c-5e0d9250e5d9}", 0x20100000) // settings to inherit
	set(manager, "12000002", regftest.SZ("", `\EFI\Microsoft\Boot\bootmgfw.efi`))
	set(manager, "23000003", regftest.SZ("", loader))
	set(manager, "24000001", regftest.MultiSZ("", loader))
	set(manager, "24000010", regftest.MultiSZ("", memory))
	set(loader, "12000002", regftest.SZ("", `\Windows\system32\winload.efi`))
	set(loader, "12000004", regftest.SZ("", "Windows 11"))
	part := guid.Must(partC)
	device := make([]byte, 0x58)
	device[0x10], device[0x18] = 6, 0x48
	copy(device[0x20:], part[:])
	set(loader, "11000001", regftest.Binary("", device))
	set(recovery, "12000002", regftest.SZ("", `\windows\system32\winload.efi`))
	set(recovery, "12000004", regftest.SZ("", "Windows Recovery Environment"))
	set(recovery, "26000022", regftest.Binary("", []byte{1}))
	set(memory, "12000004", regftest.SZ("", "Windows Memory Diagnostic"))
	if change != nil {
		change(set)
	}
	return regftest.Build(root, nil)
}

// partC is the partition of Windows.
const partC = "c0000000-0000-4000-8000-00000000000c"

// TestBootEntries reads the boot configuration data of an EFI system partition.
func TestBootEntries(t *testing.T) {
	const first, recovery = "Windows 11||gpt3|default", "Windows Recovery Environment|winpe=yes||"
	for name, c := range map[string]struct {
		store []byte
		want  []string
	}{
		"plain": {bcdStore(nil), []string{first, "Windows Memory Diagnostic|||", recovery}},
		"once": {bcdStore(func(set func(string, string, regftest.Value)) {
			set("{9dea862c-5cdd-4e70-acc1-f32b344d4795}", "24000002", regftest.MultiSZ("", "{22222222-0000-4000-8000-000000000002}"))
		}), []string{"Windows 11||gpt3|", "Windows Memory Diagnostic|||", recovery + "default"}},
		"safe mode": {bcdStore(func(set func(string, string, regftest.Value)) {
			set("{11111111-0000-4000-8000-000000000001}", "25000080", regftest.Binary("", []byte{1, 0, 0, 0, 0, 0, 0, 0}))
			set("{11111111-0000-4000-8000-000000000001}", "16000049", regftest.Binary("", []byte{1}))
			set("{11111111-0000-4000-8000-000000000001}", "16000048", regftest.Binary("", []byte{0}))
		}), []string{"Windows 11|testsigning=yes safeboot=network|gpt3|default", "Windows Memory Diagnostic|||", recovery}},
		"by its disk": {bcdStore(func(set func(string, string, regftest.Value)) {
			device := make([]byte, 0x58)
			device[0x10], device[0x34] = 6, 1
			binary.LittleEndian.PutUint64(device[0x20:], 1<<20)
			binary.LittleEndian.PutUint32(device[0x38:], 0xabcd0001)
			set("{22222222-0000-4000-8000-000000000002}", "11000001", regftest.Binary("", device))
		}), []string{first, "Windows Memory Diagnostic|||", "Windows Recovery Environment|winpe=yes|mbr1|"}},
		"no such default": {bcdStore(func(set func(string, string, regftest.Value)) {
			set("{9dea862c-5cdd-4e70-acc1-f32b344d4795}", "23000003", regftest.SZ("", "{33333333-0000-4000-8000-000000000003}"))
		}), []string{"Windows 11||gpt3|", "Windows Memory Diagnostic|||", recovery, "its default is the entry {33333333-0000-4000-8000-000000000003}, which it does not have"}},
		"empty": {regftest.Build(&regftest.Key{Name: "x"}, nil), []string{"it is no store of boot entries that could be read"}},
		"none":  {[]byte("x"), []string{"it is no store of boot entries that could be read"}},
	} {
		win := ntfsVol(t, "gpt3", releaseGuest("11-23H2").tree())
		win.Partition = &partition.Partition{UUID: partC}
		mbr := ntfsVol(t, "mbr1", fstest.MapFS{})
		mbr.Disk, mbr.Offset, mbr.Partition = 1, 1<<20, &partition.Partition{UUID: "abcd0001-01"}
		esp := ntfsVol(t, "gpt1", fstest.MapFS{"EFI/Microsoft/Boot/bootmgfw.efi": pe(peAMD64), "EFI/Microsoft/Boot/BCD": {Data: c.store, Mode: 0o644}})
		s := guestOf(t, win, esp, mbr).Systems[0]
		if len(s.BootLoaders) != 1 {
			t.Fatalf("%s: %+v", name, s.BootLoaders)
		}
		l := s.BootLoaders[0]
		var got []string
		for _, e := range l.Entries {
			def := ""
			if e.Default {
				def = "default"
			}
			got = append(got, strings.Join([]string{e.Title, e.Options, e.Volume, def}, "|"))
		}
		if l.Reason != "" {
			got = append(got, l.Reason)
		}
		if !reflect.DeepEqual(got, c.want) || l.Name != "windows" || l.Volume != "gpt1" || l.Path != "/EFI/Microsoft/Boot/BCD" {
			t.Errorf("%s: %s %s %s\n%q, want\n%q", name, l.Name, l.Volume, l.Path, got, c.want)
		}
	}
}
