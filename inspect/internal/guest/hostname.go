package guest

import (
	"fmt"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
)

// MaxHostname is the length of a name of DNS; the kernel takes 64.
const MaxHostname = 255

// hostnameFiles say the name of the machine, in the order in which they are
// asked: a file that holds the name, or one that has it in a variable.
var hostnameFiles = [...]struct{ path, variable string }{
	{"etc/hostname", ""},
	{"etc/HOSTNAME", ""},
	{"nix/var/nix/profiles/system/etc/hostname", ""},
	{"etc/sysconfig/network", "HOSTNAME"},
	{"etc/conf.d/hostname", "hostname"},
	{"etc/conf.d/hostname", "HOSTNAME"},
	{"etc/rc.conf", "HOSTNAME"},
	{"etc/rc.conf", "hostname"},
	{"etc/myname", ""},
}

// FindHostname reads the name of the machine from the files that Unix keeps it in.
func (r *Root) FindHostname() {
	for _, f := range hostnameFiles {
		if r.Sys.Hostname != system.Unknown {
			return
		}
		if r.IsDir(f.path) { // as /etc/sysconfig/network of SUSE is
			continue
		}
		b, ok := r.Text(f.path)
		if !ok {
			continue
		}
		if f.variable == "" {
			for line, text := range Entries(b) {
				r.setHostname(text, f.path, line)
				break
			}
			continue
		}
		for _, a := range Assignments(b) {
			if a.Name == f.variable {
				r.setHostname(a.Value, f.path, a.Line)
			}
		}
	}
	if r.Sys.Hostname == system.Unknown {
		r.uciHostname("etc/config/system")
	}
}

// uciHostname reads OpenWrt's "option hostname 'name'".
func (r *Root) uciHostname(name string) {
	b, ok := r.Text(name)
	if !ok {
		return
	}
	for line, text := range Entries(b) {
		if f := strings.Fields(text); len(f) == 3 && f[0] == "option" && f[1] == "hostname" {
			r.setHostname(strings.Trim(f[2], `'"`), name, line)
			return
		}
	}
}

// setHostname takes a name, unless it is one of those that stand for having
// none.
func (r *Root) setHostname(text, name string, line int) {
	first, _, _ := strings.Cut(strings.ToLower(text), ".")
	if first == "localhost" || first == "(none)" {
		return
	}
	if len(text) > MaxHostname {
		r.Problem(block.Errorf("", fmt.Sprintf("%s line %d", path.Join("/", name), line), -1, block.ErrLimit, "a host name of %d bytes is ignored", len(text)))
		return
	}
	r.Set(&r.Sys.Hostname, "hostname", text, name, line)
}
