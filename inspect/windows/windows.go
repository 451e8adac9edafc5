// Package windows knows Windows: where it is in a volume, and all that its registry
// says of it.
//
// Everything is read from an [fs.FS] whose files can be read at any place: the
// volume of Windows for [Find] and [Open], the guest's own view of its files, with
// its drives, for the rest.
package windows

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// systemRoots are the folders that Windows was installed to over time.
var systemRoots = [...]string{"Windows", "WINNT", "WIN32", "WIN", "ReactOS"}

// foreign are filesystems that no Windows starts from, and which may have thousands of
// folders in their root: of those none is looked into for a name that is not usual.
var foreign = [...]string{"ext2", "ext3", "ext4", "f2fs", "xfs"}

// Find finds Windows in a volume by the registry in its folder.
func Find(ctx context.Context, fsys fs.FS, o *system.Options) []system.Place {
	if dir := systemRoot(guest.NewTree(ctx, fsys, o)); dir != "" {
		return []system.Place{{Dir: ".", Type: system.TypeWindows, Marker: path.Join(dir, "System32/config/SOFTWARE"), Finder: "windows"}}
	}
	return nil
}

// systemRoot returns the folder of Windows: one of the usual names, the one
// that boot.ini starts, or another one of the root.
func systemRoot(t *guest.Tree) string {
	folders := t.List(".")
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
	if f, ok := t.FS.(vfs.FS); ok && slices.Contains(foreign[:], f.Info().Type) {
		return ""
	}
	for _, e := range folders {
		if e.IsDir() && hasSystem32(t, e.Name()) && isSystemRoot(t, e.Name()) {
			return e.Name()
		}
	}
	return ""
}

// hasSystem32 looks in a folder of any name for System32 as versions of Windows spell
// it: to look for it in any case would list every folder in the root of a Linux.
func hasSystem32(t *guest.Tree, dir string) bool {
	for _, name := range []string{"System32", "system32", "SYSTEM32"} {
		if t.IsThere(path.Join(dir, name)) {
			return true
		}
	}
	return false
}

// isSystemRoot reports whether a folder has the registry of Windows. The files
// are taken by name: what they hold may be damaged.
func isSystemRoot(t *guest.Tree, dir string) bool {
	return t.Fold(path.Join(dir, "System32/config/SOFTWARE")) != "" && t.Fold(path.Join(dir, "System32/config/SYSTEM")) != ""
}

// bootIni returns the folder that the boot.ini of Windows up to XP names, as
// far as it lies on this volume: `multi(0)disk(0)rdisk(0)partition(1)\WINXP="…"`.
func bootIni(t *guest.Tree) string {
	name := t.Fold("boot.ini")
	if name == "" || !t.IsFile(name) {
		return ""
	}
	b, _ := t.Text(name)
	for _, line := range guest.Entries(b) {
		at, _, ok := strings.Cut(line, "=")
		_, dir, ok2 := strings.Cut(at, `\`)
		if !ok || !ok2 || !strings.Contains(at, ")partition(") {
			continue
		}
		if dir = guest.Name(strings.ReplaceAll(dir, `\`, "/")); dir != "." {
			if dir = t.Fold(dir); dir != "" && isSystemRoot(t, dir) {
				return dir
			}
		}
	}
	return ""
}

// A Windows is a system while it is looked at: its registry is open.
type Windows struct {
	*guest.Root
	dir              string // the system root, as io/fs names it
	software, system *hive
	current          *regKey // the current control set
	letter           byte    // of the root's volume, 0 if it has none
}

// Open opens the registry of the Windows that Find found in fsys.
func Open(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) *Windows {
	w := &Windows{Root: guest.NewRoot(ctx, fsys, sys, o)}
	w.dir = systemRoot(&w.Tree)
	sys.Windows = &system.Windows{Edition: system.Unknown, DisplayVersion: system.Unknown, ControlSet: system.Unknown, Domain: system.Unknown, TimeZone: system.Unknown,
		Drives: []system.Drive{}, BootManagers: []system.BootManager{}, Drivers: []system.Driver{}, Services: []system.Service{}, GuestTools: []system.GuestTool{}, Updates: []system.Update{}}
	sys.SystemRoot = guest.Shown(w.dir)
	w.Because("system_root", w.dir, 0, "")
	w.software = w.openHive(`HKLM\SOFTWARE`, w.Fold(path.Join(w.dir, "System32/config/SOFTWARE")))
	w.system = w.openHive(`HKLM\SYSTEM`, w.Fold(path.Join(w.dir, "System32/config/SYSTEM")))
	w.findControlSet()
	return w
}

// findControlSet finds the control set that Windows last started with.
func (r *Windows) findControlSet() {
	w, s := r, r.Sys.Windows
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

// Identify fills in what is known of Windows beside its drives, from the guest's
// own view of its files.
func (w *Windows) Identify(fsys fs.FS) error {
	w.FS = fsys
	w.findVersion()
	if at := w.Sys.Windows.Installed; at != nil {
		w.Sys.Installed = at
		for _, e := range w.Sys.Because("windows.installed") {
			e.Field = "installed"
			w.Sys.Evidence = append(w.Sys.Evidence, e)
		}
	}
	w.findArch()
	w.findHost()
	w.findServices()
	w.findGuestTools(w.findPrograms())
	w.findApps()
	w.findUpdates()
	w.findFeatures()
	w.findState()
	w.findInterfaces()
	w.findMembership()
	w.findUsers()
	w.aboutUsers(w.findOfUser)
	w.software.problems()
	w.system.problems()
	return w.Ctx.Err()
}

// findArch reads the header of the kernel, or of another program that
// is for the machine itself; without one, what the registry says of it.
func (r *Windows) findArch() {
	for _, name := range []string{"ntoskrnl.exe", "cmd.exe", "ntdll.dll"} {
		at := r.Fold(path.Join(r.dir, "System32", name))
		if at == "" {
			continue
		}
		if arch := guest.PEArch(r.Head(at, 4096)); arch != "" {
			r.SetArch(arch, at, "PE header")
			return
		}
	}
	env := r.current.key(`Control\Session Manager\Environment`).read("PROCESSOR_ARCHITECTURE")
	arch := map[string]string{"X86": "i386", "AMD64": "x86_64", "ARM64": "aarch64", "ARM": "arm", "IA64": "ia64"}[strings.ToUpper(env.text("PROCESSOR_ARCHITECTURE"))]
	if arch != "" {
		r.Sys.Arch = arch
		env.k.because("arch", "PROCESSOR_ARCHITECTURE", "")
	}
}

// findHost reads the names of the machine and how it keeps its time.
func (r *Windows) findHost() {
	w, s := r, r.Sys
	tcpip := w.current.key(`Services\Tcpip\Parameters`).read("Hostname", "NV Hostname", "Domain", "NV Domain")
	tcpip.set(&s.Hostname, "hostname", "Hostname", "NV Hostname")
	w.current.key(`Control\ComputerName\ComputerName`).read("ComputerName").set(&s.Hostname, "hostname", "ComputerName")
	if len(s.Hostname) > guest.MaxHostname {
		r.Problem(block.Errorf("", guest.Shown(r.system.file), -1, block.ErrLimit, "a host name of %d bytes is ignored", len(s.Hostname)))
		s.Hostname = system.Unknown
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
