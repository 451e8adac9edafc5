// Package others knows the systems that are neither Linux nor Windows. All is read
// from an [fs.FS], as in inspect/linux.
package others

import (
	"context"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// A kind is a system that is known by files that only it has.
type kind struct {
	typ    system.Type
	name   string
	all    []string // must be there, a folder if it ends with a slash
	distro string   // the ID that os-release would have
}

// kinds are in order: the first that fits counts.
var kinds = [...]kind{
	{system.TypeHurd, "hurd", []string{"etc/", "bin/", "hurd/", "servers/"}, ""},
	{system.TypeHurd, "hurd", []string{"hurd/console", "hurd/hello", "hurd/null"}, ""},
	{system.TypeMinix, "minix", []string{"etc/", "bin/", "service/vm"}, "minix"},
	{system.TypeMinix, "minix", []string{"etc/", "bin/", "service/", "etc/version", "etc/fstab"}, "minix"},
	{system.TypeDragonFly, "dragonfly", []string{"etc/", "bin/", "boot/kernel/", "etc/defaults/pfi.conf"}, "dragonfly"},
	{system.TypeDragonFly, "dragonfly", []string{"etc/", "bin/", "boot/kernel/kernel", "usr/bin/undo"}, "dragonfly"},
	{system.TypeFreeBSD, "freebsd", []string{"etc/", "bin/freebsd-version"}, "freebsd"},
	{system.TypeFreeBSD, "freebsd", []string{"etc/", "bin/", "etc/freebsd-update.conf"}, "freebsd"},
	{system.TypeNetBSD, "netbsd", []string{"etc/", "bin/", "netbsd"}, "netbsd"},
	{system.TypeNetBSD, "netbsd", []string{"etc/", "bin/", "etc/release", "etc/rc.subr", "libexec/"}, "netbsd"},
	{system.TypeOpenBSD, "openbsd", []string{"etc/", "bin/", "bsd"}, "openbsd"},
	{system.TypeIllumos, "illumos", []string{"etc/release", "kernel/", "platform/"}, ""},
	{system.TypeIllumos, "illumos", []string{"etc/release", "etc/svc/", "lib/svc/"}, ""},
	{system.TypeHaiku, "haiku", []string{"system/packages/", "system/settings/"}, "haiku"},
	{system.TypeMacOS, "macos", []string{"System/Library/CoreServices/SystemVersion.plist"}, "macos"},
	{system.TypeESXi, "esxi", []string{"boot.cfg", "s.v00", "b.b00"}, "esxi"},
}

// freebsdDist has the sets that FreeBSD's installer unpacks. bsdinstall leaves them on
// a host that it made jails on, too.
const freebsdDist = "usr/freebsd-dist"

// isMedium reports whether a FreeBSD starts its installer: the rc.local of media does.
func isMedium(t *guest.Tree) bool {
	const start = "etc/rc.local"
	if !t.IsDir(freebsdDist) || !t.IsFile(start) {
		return false
	}
	b, _ := t.Text(start)
	for _, line := range guest.Entries(b) {
		if strings.Contains(line, "bsdinstall") {
			return true
		}
	}
	return false
}

// Find knows systems by the files that they install.
func Find(ctx context.Context, fsys fs.FS, o *system.Options) []system.Place {
	t := guest.NewTree(ctx, fsys, o)
	for _, k := range kinds {
		marker := ""
		for _, name := range k.all {
			dir, isDir := strings.CutSuffix(name, "/")
			if isDir && !t.IsDir(dir) || !isDir && !t.IsFile(name) {
				marker = ""
				break
			}
			if !isDir || marker == "" || strings.HasSuffix(marker, "bin") || marker == "etc" {
				marker = dir
			}
		}
		if marker != "" {
			p := system.Place{Dir: ".", Type: k.typ, Marker: marker, Finder: k.name}
			if k.typ == system.TypeFreeBSD && isMedium(t) {
				p.Kind, p.Marker = system.KindInstaller, freebsdDist
			}
			return []system.Place{p}
		}
	}
	return nil
}

// versions are the files that say the version of a system, and the text before it.
var versions = [...]struct {
	typ          system.Type
	path, before string
}{
	{system.TypeNetBSD, "etc/release", "NetBSD "}, {system.TypeOpenBSD, "etc/motd", "OpenBSD "}, {system.TypeMinix, "etc/version", "Minix "},
	{system.TypeMinix, "etc/version", ""}, {system.TypeDragonFly, "etc/motd", "DragonFly v"}, {system.TypeFreeBSD, "etc/motd", "FreeBSD "},
	{system.TypeESXi, "boot.cfg", "build="},
}

// solaris are the products of the family by how the line of /etc/release names
// them, and the text before their version.
var solaris = [...]struct{ name, distro, before string }{
	{"SmartOS", "smartos", "SmartOS "}, {"OmniOS", "omnios", "OmniOS v11 "}, {"OpenIndiana", "openindiana", "OpenIndiana Development "}, {"OpenIndiana", "openindiana", "OpenIndiana Hipster "},
	{"Open Storage Appliance", "nexenta", "Open Storage Appliance "}, {"Tribblix", "tribblix", "Tribblix "},
	{"Oracle Solaris", "solaris", "Oracle Solaris "}, {"OpenSolaris", "opensolaris", "OpenSolaris "}, {"Solaris", "solaris", "Solaris "},
}

// Identify reads what a system of Unix says of itself.
func Identify(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) error {
	r := &root{guest.NewRoot(ctx, fsys, sys, o)}
	if sys.Distro == system.Unknown {
		for _, k := range kinds {
			if k.typ == sys.Type && k.distro != "" {
				r.name(k.distro)
				break
			}
		}
	}
	if b, ok := r.Text("bin/freebsd-version"); ok {
		for _, a := range guest.Assignments(b) {
			if a.Name == "USERLAND_VERSION" {
				r.Set(&r.Sys.Version, "version", a.Value, "bin/freebsd-version", a.Line)
				if id, _, _ := strings.Cut(a.Value, "-"); r.Sys.VersionID == system.Unknown {
					r.Set(&r.Sys.VersionID, "version_id", id, "bin/freebsd-version", a.Line)
				}
				if r.Sys.ProductName == system.Unknown {
					r.Set(&r.Sys.ProductName, "product_name", "FreeBSD "+a.Value, "bin/freebsd-version", a.Line)
				}
			}
		}
	}
	switch sys.Type {
	case system.TypeIllumos:
		r.solaris()
	case system.TypeMacOS:
		r.macOS()
	default:
		r.version()
	}
	if sys.Version == system.Unknown && sys.VersionID != system.Unknown {
		sys.Version = sys.VersionID
		for _, e := range sys.Because("version_id") {
			e.Field = "version"
			sys.Evidence = append(sys.Evidence, e)
		}
	}
	r.FindArch()
	r.FindHostname()
	return ctx.Err()
}

// root is a system while it is looked at.
type root struct{ *guest.Root }

// name sets the ID of a system that is known by its files alone.
func (r *root) name(id string) {
	r.Sys.Distro, r.Sys.Family = id, system.FamilyOther
	for _, e := range r.Sys.Because("type") {
		e.Field, e.Detail = "distro", ""
		r.Sys.Evidence = append(r.Sys.Evidence, e)
	}
}

// version reads the first line that has the version of the system.
func (r *root) version() {
	for _, v := range versions {
		if v.typ != r.Sys.Type || !r.IsFile(v.path) {
			continue
		}
		b, _ := r.Text(v.path)
		for line, text := range guest.Entries(b) {
			rest, ok := text, true
			if v.before != "" {
				_, rest, ok = strings.Cut(text, v.before)
			}
			word, _, _ := strings.Cut(rest, " ")
			word = strings.Trim(word, "(),:")
			if !ok || word == "" || word[0] < '0' || word[0] > '9' {
				continue
			}
			if r.Set(&r.Sys.Version, "version", word, v.path, line) {
				id, _, _ := strings.Cut(word, "-")
				r.Set(&r.Sys.VersionID, "version_id", id, v.path, line)
				r.Set(&r.Sys.ProductName, "product_name", strings.Trim(text[:strings.Index(text, word)+len(word)], "# ("), v.path, line)
			}
			return
		}
	}
}

// solaris reads the first line of /etc/release.
func (r *root) solaris() {
	const name = "etc/release"
	b, ok := r.Text(name)
	if !ok {
		return
	}
	for line, text := range guest.Entries(b) {
		r.Set(&r.Sys.ProductName, "product_name", text, name, line)
		for _, p := range solaris {
			if !strings.Contains(text, p.name) {
				continue
			}
			if r.Sys.Distro == system.Unknown {
				r.Sys.Distro, r.Sys.Family = p.distro, system.FamilyOther
				r.Because("distro", name, line, "by the words of its name")
			}
			if _, rest, ok := strings.Cut(text, p.before); ok {
				word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
				r.Set(&r.Sys.Version, "version", word, name, line)
				r.Set(&r.Sys.VersionID, "version_id", word, name, line)
			}
			return
		}
		return
	}
}

// macOS reads the property list that has its version.
func (r *root) macOS() {
	const name = "System/Library/CoreServices/SystemVersion.plist"
	b, ok := r.Text(name)
	if !ok {
		return
	}
	key := ""
	for line, text := range guest.Entries(b) {
		if k, ok := strings.CutPrefix(text, "<key>"); ok {
			key = strings.TrimSuffix(k, "</key>")
			continue
		}
		v, ok := strings.CutPrefix(text, "<string>")
		if !ok {
			continue
		}
		v = strings.TrimSuffix(v, "</string>")
		switch key {
		case "ProductName":
			r.Set(&r.Sys.ProductName, "product_name", v, name, line)
		case "ProductVersion":
			r.Set(&r.Sys.Version, "version", v, name, line)
			r.Set(&r.Sys.VersionID, "version_id", v, name, line)
		case "ProductBuildVersion":
			r.Set(&r.Sys.BuildID, "build_id", v, name, line)
		}
	}
}
