package linux

import (
	"path"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
)

// initPrograms are what the kernel, or the initial RAM disk, starts first.
var initPrograms = [...]string{
	"sbin/init", "usr/sbin/init", "etc/init", "bin/init", "nix/var/nix/profiles/system/init", "init",
}

// initName tells the init system by the name of the program that /sbin/init
// leads to.
func initName(base string) string {
	switch base {
	case "systemd", "dinit", "upstart", "finit", "shepherd", "procd", "runit":
		return base
	case "openrc-init":
		return "openrc"
	case "runit-init":
		return "runit"
	case "dinit-init":
		return "dinit"
	}
	if strings.HasPrefix(base, "s6-") {
		return "s6"
	}
	return ""
}

func (r *root) findInit() {
	for _, name := range initPrograms {
		if !r.IsThere(name) {
			continue
		}
		real := r.Real(name)
		if real == "" {
			continue
		}
		if r.IsFile(real) && r.initBehind(name, real) {
			return
		}
	}
	// An initial RAM disk starts systemd without a link that names it.
	if name, ok := r.FirstFile("usr/lib/systemd/systemd", "lib/systemd/systemd", "nix/var/nix/profiles/system/systemd/lib/systemd/systemd"); ok {
		r.setInit("systemd", name, 0, "")
	}
}

// initBehind tells what the program real is that the name leads to.
func (r *root) initBehind(name, real string) bool {
	base := path.Base(real)
	detail := ""
	if real != name {
		detail = "leads to " + guest.Shown(real)
	}
	if init := initName(base); init != "" {
		r.setInit(init, name, 0, detail)
		return true
	}
	// Busybox and sysvinit are started alike, by inittab, and OpenRC is
	// what they may start from it.
	if line, openrc := r.inittab("openrc"); openrc {
		r.Because("init", name, 0, detail)
		r.setInit("openrc", "etc/inittab", line, "starts openrc")
		return true
	}
	if line, runit := r.inittab("runit"); runit {
		r.Because("init", name, 0, detail)
		r.setInit("runit", "etc/inittab", line, "starts runit")
		return true
	}
	switch {
	case base == "busybox":
		r.setInit("busybox", name, 0, detail)
	case r.IsFile("sbin/procd"):
		r.setInit("procd", "sbin/procd", 0, "")
	case r.IsFile("sbin/initctl") && r.hasUpstartJobs():
		r.setInit("upstart", "sbin/initctl", 0, "with jobs in /etc/init")
	case r.IsFile("etc/inittab"):
		r.setInit("sysvinit", "etc/inittab", 0, "read by "+guest.Shown(name))
	default:
		return false
	}
	return true
}

// inittab finds a line that starts the program.
func (r *root) inittab(program string) (int, bool) {
	if !r.IsFile("etc/inittab") {
		return 0, false
	}
	b, _ := r.Text("etc/inittab")
	for line, text := range guest.Entries(b) {
		f := strings.SplitN(text, ":", 4)
		if len(f) == 4 && strings.HasPrefix(path.Base(strings.SplitN(strings.TrimSpace(f[3]), " ", 2)[0]), program) {
			return line, true
		}
	}
	return 0, false
}

func (r *root) hasUpstartJobs() bool {
	for _, e := range r.List("etc/init") {
		if strings.HasSuffix(e.Name(), ".conf") {
			return true
		}
	}
	return false
}

func (r *root) setInit(init, name string, line int, detail string) {
	r.Sys.Init.Name = init
	r.Because("init", name, line, detail)
}

// initPackages are the packages whose version is that of an init system, the
// first that is installed.
var initPackages = [...]struct{ init, name string }{
	{"systemd", "systemd"}, {"openrc", "openrc"}, {"sysvinit", "sysvinit-core"}, {"sysvinit", "sysvinit"},
	{"upstart", "upstart"}, {"busybox", "busybox"}, {"runit", "runit-init"}, {"runit", "runit"},
	{"dinit", "dinit"}, {"s6", "s6-linux-init"}, {"s6", "s6"}, {"procd", "procd"},
}

// findInitVersion takes the version from the package database.
func (r *root) findInitVersion() {
	for _, want := range initPackages {
		if want.init != r.Sys.Init.Name {
			continue
		}
		for _, p := range r.Sys.Packages.Items {
			if p.Name == want.name {
				r.Sys.Init.Version = p.Version
				r.Because("init", guest.Name(r.Sys.Packages.Database), 0, "version of the package "+p.Name)
				return
			}
		}
	}
}
