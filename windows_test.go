package guestkit_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/inspect"
)

const windowsImage = "testdata/images/windows11.qcow2"

// TestWindowsFixture inspects a Windows 11 in an image that is part of the
// source: real filesystems, and hives that look like those of Windows.
func TestWindowsFixture(t *testing.T) { checkWindows11(t, windowsImage) }

func checkWindows11(t *testing.T, path string) {
	t.Helper()
	s, rep := oneWindows(t, path)
	w := s.Windows
	expect(t, map[string][2]any{
		"product":    {s.ProductName, "Windows 11 Pro"},
		"version":    {s.Version + " " + s.VersionID + " " + s.BuildID, "10.0 11 22631.3007"},
		"edition":    {w.Edition + " " + w.DisplayVersion + " " + s.Variant, "Professional 23H2 Client"},
		"arch":       {s.Arch, "x86_64"},
		"host":       {s.Hostname, "DESKTOP-1A2B3C4"},
		"root":       {s.Volume + " " + s.SystemRoot, "gpt3 /Windows"},
		"set":        {w.ControlSet, "ControlSet002"},
		"zone":       {w.TimeZone, "W. Europe Standard Time"},
		"installed":  {w.Installed.Format("2006-01-02"), "2023-11-14"},
		"firmware":   {s.Firmware, inspect.FirmwareUEFI},
		"boot":       {fmt.Sprint(w.BootManagers), "[{uefi gpt1 /EFI/Microsoft/Boot/bootmgfw.efi /EFI/Microsoft/Boot/BCD}]"},
		"drives":     {drives(w), "C:=gpt3 D:=gpt5 E:="},
		"programs":   {programs(s), "7-Zip 23.01 (x64) 23.01 , VMware Tools 12.3.5.22544099 , Notepad++ (32-bit x86) 8.6 x86"},
		"updates":    {updates(w), "KB5034123 KB5034467"},
		"drivers":    {driversOf(w), "viostor boot true, vioscsi boot false, netkvm demand true"},
		"tools":      {fmt.Sprint(w.GuestTools), "[{VMware Tools vmware 12.3.5.22544099}]"},
		"risks":      {risks(s), ""},
		"complete":   {rep.Complete(), true},
		"unread":     {len(rep.Unread()), 0},
		"dirty logs": {len(rep.Problems()), 0},
	})
	for _, field := range []string{"type", "distro", "family", "product_name", "version", "version_id", "variant", "build_id", "arch", "hostname", "firmware",
		"package_format", "packages", "system_root", "windows.edition", "windows.display_version", "windows.control_set", "windows.time_zone",
		"windows.installed", "windows.drives", "windows.boot_managers", "windows.drivers", "windows.services", "windows.guest_tools", "windows.updates"} {
		if len(s.Because(field)) == 0 {
			t.Errorf("no evidence for %s", field)
		}
	}
	readPaths(t, s, map[string]string{
		`C:\Windows\win.ini`:                             "; for 16-bit app support\r\n[fonts]\r\n",
		`c:/windows/WIN.INI`:                             "; for 16-bit app support\r\n[fonts]\r\n",
		`\\?\C:\Windows\win.ini`:                         "; for 16-bit app support\r\n[fonts]\r\n",
		`/Windows/win.ini`:                               "; for 16-bit app support\r\n[fonts]\r\n",
		`C:\Users\Ada\notes.txt:Zone.Identifier`:         "[ZoneTransfer]\r\nZoneId=3\r\n",
		`C:\Documents and Settings\Ada\notes.txt`:        "notes\n",
		`C:\Documents and Settings\ada\..\Ada\notes.txt`: "notes\n",
		`D:\data\report.txt`:                             "on D\n",
		`/D:/data/report.txt`:                            "on D\n",
		`C:\Data\report.txt`:                             "on D\n",  // a junction to another drive
		`D:\Home\notes.txt`:                              "notes\n", // and back
		`D:\Home\notes.txt:zone.identifier:$DATA`:        "[ZoneTransfer]\r\nZoneId=3\r\n",
	})
}

func checkWindows7(t *testing.T, path string) {
	t.Helper()
	s, _ := oneWindows(t, path)
	w := s.Windows
	expect(t, map[string][2]any{
		"product":  {s.ProductName, "Windows 7 Professional"},
		"version":  {s.Version + " " + s.VersionID + " " + s.BuildID, "6.1 7 7601"},
		"pack":     {w.ServicePack, "Service Pack 1"},
		"root":     {s.Volume, "mbr2"},
		"firmware": {s.Firmware, inspect.FirmwareBIOS},
		"boot":     {fmt.Sprint(w.BootManagers), "[{bios mbr1 /bootmgr /Boot/BCD}]"},
		"drives":   {drives(w), "C:=mbr2 E:="},
	})
	readPaths(t, s, map[string]string{`C:\Documents and Settings\Ada\notes.txt`: "notes\n"})
}

// oneWindows inspects a disk that holds one system, within 64 MiB of reads.
func oneWindows(t *testing.T, path string) (*inspect.System, *inspect.Report) {
	t.Helper()
	rep, read := inspected(t, path)
	if len(rep.Systems) != 1 || rep.Systems[0].Type != inspect.TypeWindows || rep.Systems[0].Windows == nil {
		t.Fatalf("%s: systems %+v, problems %v", path, rep.Systems, rep.Problems())
	}
	if n := read(); n > 64<<20 {
		t.Errorf("%s: %d bytes were read, more than 64 MiB", path, n)
	} else {
		t.Logf("%s: %d KiB were read", path, n>>10)
	}
	return rep.Systems[0], rep
}

func expect(t *testing.T, want map[string][2]any) {
	t.Helper()
	for what, v := range want {
		if v[0] != v[1] {
			t.Errorf("%s: %v, want %v", what, v[0], v[1])
		}
	}
}

// readPaths reads files by their names in Windows.
func readPaths(t *testing.T, s *inspect.System, want map[string]string) {
	t.Helper()
	fsys, err := s.FS()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		p, err := s.Path(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b, err := fs.ReadFile(fsys, p); err != nil || string(b) != text {
			t.Errorf("%s is read as %s: %q, %v; want %q", name, p, b, err, text)
		}
	}
	for _, name := range []string{`Z:\x`, `E:\x`, `C:\nothing`} {
		p, err := s.Path(name)
		if err == nil {
			_, err = fsys.Open(p)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func drives(w *inspect.Windows) string {
	var out []string
	for _, d := range w.Drives {
		out = append(out, d.Letter+"="+d.Volume)
	}
	return strings.Join(out, " ")
}

func programs(s *inspect.System) string {
	var out []string
	for _, p := range s.Packages.Items {
		out = append(out, p.Name+" "+p.Version+" "+p.Arch)
	}
	return strings.TrimSpace(strings.Join(out, ", "))
}

func updates(w *inspect.Windows) string {
	var out []string
	for _, u := range w.Updates {
		out = append(out, u.ID)
	}
	return strings.Join(out, " ")
}

func driversOf(w *inspect.Windows) string {
	var out []string
	for _, d := range w.Drivers {
		if slices.Contains([]string{"viostor", "vioscsi", "netkvm"}, d.Name) {
			out = append(out, fmt.Sprint(d.Name, " ", d.Start, " ", d.ImageExists))
		}
	}
	return strings.Join(out, ", ")
}

func risks(s *inspect.System) string {
	var out []string
	for _, r := range s.Risks {
		out = append(out, r.ID)
	}
	return strings.Join(out, " ")
}
