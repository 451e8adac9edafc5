package inspect

import (
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/regf/regftest"
	"github.com/guestkit/guestkit/internal/testimg"
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

// TestWindowsVersions reads the identity of every Windows that is about, from
// what its registry really says.
func TestWindowsVersions(t *testing.T) {
	type version struct {
		name                             string // of the case
		product, edition, kind, product2 string
		nt                               string // CurrentVersion
		major, minor                     uint32
		build                            string
		ubr                              uint32
		display, release                 string
		machine                          uint16
		csd                              string
		product3                         string
	}
	_ = version{}
	g := newWinGuest()
	g.software.Set(currentVersion, regftest.SZ("ProductName", "Windows 10 Pro"), regftest.SZ("EditionID", "Professional"), regftest.SZ("InstallationType", "Client"),
		regftest.SZ("CurrentVersion", "6.3"), regftest.DWORD("CurrentMajorVersionNumber", 10), regftest.DWORD("CurrentMinorVersionNumber", 0),
		regftest.SZ("CurrentBuildNumber", "22631"), regftest.DWORD("UBR", 3007), regftest.SZ("DisplayVersion", "23H2"))
	rep := guest(t, ntfsVol(t, "gpt3", g.tree()))
	t.Logf("%+v", rep.Systems[0])
	t.Logf("%+v", rep.Systems[0].Windows)
	t.Log(rep.Problems())
}
