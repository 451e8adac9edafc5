package inspect

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
)

// systemRoots are the folders that Windows was installed to over time.
var systemRoots = [...]string{"Windows", "WINNT", "WIN32", "WIN", "ReactOS"}

// findWindows finds the folder of Windows by the registry in it.
func findWindows(t *tree) []place {
	if dir := systemRoot(t); dir != "" {
		return []place{{".", TypeWindows, path.Join(dir, "System32/config/SOFTWARE")}}
	}
	return nil
}

// systemRoot returns the folder of Windows: one of the usual names, the one
// that boot.ini starts, or another one of the root.
func systemRoot(t *tree) string {
	folders := t.list(".")
	named := func(name string) string {
		for _, e := range folders {
			if strings.EqualFold(e.Name(), name) && isSystemRoot(t, e.Name()) {
				return e.Name()
			}
		}
		return ""
	}
	for _, name := range systemRoots {
		if dir := named(name); dir != "" {
			return dir
		}
	}
	if dir := bootIni(t); dir != "" {
		return dir
	}
	for _, e := range folders {
		if e.IsDir() && isSystemRoot(t, e.Name()) {
			return e.Name()
		}
	}
	return ""
}

// isSystemRoot reports whether a folder has the registry of Windows. The files
// are taken by name: what they hold may be damaged.
func isSystemRoot(t *tree, dir string) bool {
	return t.fold(path.Join(dir, "System32/config/SOFTWARE")) != "" && t.fold(path.Join(dir, "System32/config/SYSTEM")) != ""
}

// bootIni returns the folder that the boot.ini of Windows up to XP names, as
// far as it lies on this volume: `multi(0)disk(0)rdisk(0)partition(1)\WINXP="…"`.
func bootIni(t *tree) string {
	name := t.fold("boot.ini")
	if name == "" || !t.isFile(name) {
		return ""
	}
	b, _ := t.text(name)
	for _, line := range entries(b) {
		at, _, ok := strings.Cut(line, "=")
		_, dir, ok2 := strings.Cut(at, `\`)
		if !ok || !ok2 || !strings.Contains(at, ")partition(") {
			continue
		}
		if dir = guestPath(strings.ReplaceAll(dir, `\`, "/")); dir != "." {
			if dir = t.fold(dir); dir != "" && isSystemRoot(t, dir) {
				return dir
			}
		}
	}
	return ""
}

// windows is Windows while it is looked at.
type windows struct {
	dir              string // the system root, as io/fs names it
	software, system *hive
	current          *regKey // the current control set
	root             byte    // the letter of the root's volume, 0 if it has none
}

// openWindows opens the registry.
func (r *root) openWindows() {
	w := &windows{dir: systemRoot(&r.tree)}
	r.win = w
	r.sys.Windows = &Windows{Edition: Unknown, DisplayVersion: Unknown, ControlSet: Unknown, Domain: Unknown, TimeZone: Unknown,
		Drives: []Drive{}, BootManagers: []BootManager{}, Drivers: []Driver{}, Services: []Service{}, GuestTools: []GuestTool{}, Updates: []Update{}}
	r.sys.SystemRoot = shown(w.dir)
	r.because("system_root", w.dir, 0, "")
	w.software = r.openHive(`HKLM\SOFTWARE`, r.fold(path.Join(w.dir, "System32/config/SOFTWARE")))
	w.system = r.openHive(`HKLM\SYSTEM`, r.fold(path.Join(w.dir, "System32/config/SYSTEM")))
	r.findControlSet()
}

// findControlSet finds the control set that Windows last started with.
func (r *root) findControlSet() {
	w, s := r.win, r.sys.Windows
	sel := w.system.key("Select").read("Current")
	set := "ControlSet001"
	n, ok := sel.number("Current")
	if ok && n < 1000 {
		set = fmt.Sprintf("ControlSet%03d", n)
	}
	if w.current = w.system.key(set); w.current == nil {
		return
	}
	s.ControlSet = set
	if ok {
		sel.k.because("windows.control_set", "Current", "")
	} else {
		w.current.because("windows.control_set", "", "the registry does not say which is current")
	}
}

// identifyWindows says all that is known of Windows but what other volumes
// tell.
func (r *root) identifyWindows() error {
	r.findWindowsVersion()
	r.findWindowsArch()
	r.findWindowsHost()
	r.findServices()
	r.findGuestTools(r.findPrograms())
	r.findUpdates()
	r.win.software.problems()
	r.win.system.problems()
	return r.ctx.Err()
}

// findWindowsArch reads the header of the kernel, or of another program that
// is for the machine itself; without one, what the registry says of it.
func (r *root) findWindowsArch() {
	for _, name := range []string{"ntoskrnl.exe", "cmd.exe", "ntdll.dll"} {
		at := r.fold(path.Join(r.win.dir, "System32", name))
		if at == "" {
			continue
		}
		if arch := peArch(r.head(at, 4096)); arch != "" {
			r.setArch(arch, at, "PE header")
			return
		}
	}
	env := r.win.current.key(`Control\Session Manager\Environment`).read("PROCESSOR_ARCHITECTURE")
	arch := map[string]string{"X86": "i386", "AMD64": "x86_64", "ARM64": "aarch64", "ARM": "arm", "IA64": "ia64"}[strings.ToUpper(env.text("PROCESSOR_ARCHITECTURE"))]
	if arch != "" {
		r.sys.Arch = arch
		env.k.because("arch", "PROCESSOR_ARCHITECTURE", "")
	}
}

// findWindowsHost reads the names of the machine and how it keeps its time.
func (r *root) findWindowsHost() {
	w, s := r.win, r.sys
	tcpip := w.current.key(`Services\Tcpip\Parameters`).read("Hostname", "NV Hostname", "Domain", "NV Domain")
	tcpip.set(&s.Hostname, "hostname", "Hostname", "NV Hostname")
	w.current.key(`Control\ComputerName\ComputerName`).read("ComputerName").set(&s.Hostname, "hostname", "ComputerName")
	if len(s.Hostname) > maxHostname {
		r.problem(block.Errorf("", shown(r.win.system.file), -1, block.ErrLimit, "a host name of %d bytes is ignored", len(s.Hostname)))
		s.Hostname = Unknown
	}
	tcpip.set(&s.Windows.Domain, "windows.domain", "Domain", "NV Domain")
	zone := w.current.key(`Control\TimeZoneInformation`).read("TimeZoneKeyName", "StandardName", "RealTimeIsUniversal")
	zone.set(&s.Windows.TimeZone, "windows.time_zone", "TimeZoneKeyName", "StandardName")
	if n, ok := zone.number("RealTimeIsUniversal"); ok && n == 1 {
		s.Windows.ClockIsUTC = true
		zone.k.because("windows.clock_is_utc", "RealTimeIsUniversal", "")
	}
	power := w.current.key(`Control\Session Manager\Power`).read("HiberbootEnabled")
	if n, ok := power.number("HiberbootEnabled"); ok && n == 1 {
		s.Windows.FastStartup = true
		power.k.because("windows.fast_startup", "HiberbootEnabled", "")
	}
}

// filetime converts a time in units of 100 ns since 1601; nil if it is 0 or
// not of this age.
func filetime(n uint64) *time.Time {
	const second, epoch = 10_000_000, 11_644_473_600
	if n < epoch*second || n > 1<<60 {
		return nil
	}
	t := time.Unix(int64(n/second)-epoch, int64(n%second)*100).UTC()
	return &t
}

// stale reports whether the hive was not written to the end, and its logs were
// of no help.
func (g *hive) stale() bool {
	if g == nil {
		return false
	}
	for _, err := range g.hive.Problems() {
		if errors.Is(err, block.ErrDirty) {
			return true
		}
	}
	return false
}
