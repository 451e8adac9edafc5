package inspect

import (
	"fmt"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// maxHostname is the length of a name of DNS; the kernel takes 64.
const maxHostname = 255

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

func (r *root) findHostname() {
	for _, f := range hostnameFiles {
		if r.sys.Hostname != Unknown {
			return
		}
		b, ok := r.text(f.path)
		if !ok {
			continue
		}
		if f.variable == "" {
			for line, text := range entries(b) {
				r.setHostname(text, f.path, line)
				break
			}
			continue
		}
		for _, a := range assignments(b) {
			if a.name == f.variable {
				r.setHostname(a.value, f.path, a.line)
			}
		}
	}
	if r.sys.Hostname == Unknown {
		r.uciHostname("etc/config/system")
	}
}

// uciHostname reads OpenWrt's "option hostname 'name'".
func (r *root) uciHostname(name string) {
	b, ok := r.text(name)
	if !ok {
		return
	}
	for line, text := range entries(b) {
		if f := strings.Fields(text); len(f) == 3 && f[0] == "option" && f[1] == "hostname" {
			r.setHostname(strings.Trim(f[2], `'"`), name, line)
			return
		}
	}
}

// setHostname takes a name, unless it is one of those that stand for having
// none.
func (r *root) setHostname(text, name string, line int) {
	first, _, _ := strings.Cut(strings.ToLower(text), ".")
	if first == "localhost" || first == "(none)" {
		return
	}
	if len(text) > maxHostname {
		r.problem(block.Errorf("", fmt.Sprintf("%s line %d", path.Join("/", name), line), -1, block.ErrLimit, "a host name of %d bytes is ignored", len(text)))
		return
	}
	r.set(&r.sys.Hostname, "hostname", text, name, line)
}
