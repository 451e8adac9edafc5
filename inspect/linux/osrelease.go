package linux

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxVariables bounds how many variables of os-release are kept.
const maxVariables = 256

// osReleasePaths are where os-release(5) may be, the first that exists wins.
// The last is the system profile of NixOS, whose /etc is filled by the first
// boot.
var osReleasePaths = [...]string{"etc/os-release", "usr/lib/os-release", "nix/var/nix/profiles/system/etc/os-release"}

// release is an identity that one file states.
type release struct {
	path string
	vars map[string]guest.Assignment
}

// readOSRelease reads the guest's os-release.
func readOSRelease(t *guest.Tree) (release, bool) {
	for _, name := range osReleasePaths {
		b, ok := t.Text(name)
		if !ok {
			continue
		}
		rel := release{name, map[string]guest.Assignment{}}
		for _, a := range guest.Assignments(b) {
			if a.Open {
				t.Problem(block.Errorf("", fmt.Sprintf("/%s line %d", name, a.Line), -1, block.ErrCorrupt, "the quote of %s does not close", a.Name))
			}
			if _, again := rel.vars[a.Name]; !again && len(rel.vars) >= maxVariables {
				t.Problem(block.Errorf("", fmt.Sprintf("/%s line %d", name, a.Line), -1, block.ErrLimit, "more than %d variables", maxVariables))
				break
			}
			a.Value = t.Value(a.Value, name, a.Line)
			rel.vars[a.Name] = a
		}
		return rel, true
	}
	return release{}, false
}

// fromOSRelease sets the identity from os-release.
func (r *root) fromOSRelease() {
	rel, ok := readOSRelease(&r.Tree)
	if !ok {
		return
	}
	r.Sys.OSRelease = map[string]string{}
	for name, a := range rel.vars {
		r.Sys.OSRelease[name] = a.Value
	}
	set := func(dst *string, field string, names ...string) {
		for _, name := range names {
			a := rel.vars[name]
			if r.Set(dst, field, a.Value, rel.path, a.Line) {
				return
			}
		}
	}
	s := r.Sys
	set(&s.Distro, "distro", "ID")
	set(&s.ProductName, "product_name", "PRETTY_NAME", "NAME")
	set(&s.VersionID, "version_id", "VERSION_ID")
	set(&s.BuildID, "build_id", "BUILD_ID")
	set(&s.Variant, "variant", "VARIANT_ID", "VARIANT")
	if a, ok := rel.vars["VERSION_CODENAME"]; ok {
		set(&s.Codename, "codename", a.Name)
	} else if a := rel.vars["VERSION"]; true {
		if name := codenameIn(guest.Parenthesised(a.Value)); name != rel.vars["VARIANT"].Value && name != rel.vars["VARIANT_ID"].Value {
			r.Set(&s.Codename, "codename", name, rel.path, a.Line)
		}
	}
	if a := rel.vars["ID_LIKE"]; a.Value != "" {
		s.IDLike = strings.Fields(a.Value)
		r.Because("id_like", rel.path, a.Line, "")
	}
	if a := rel.vars["VERSION"]; s.VersionID != system.Unknown {
		version, _, _ := strings.Cut(a.Value, " ")
		r.refine(version, rel.path, a.Line)
	}
	if a := rel.vars["DEBIAN_VERSION_FULL"]; s.Distro == "debian" { // since Debian 13
		r.refine(a.Value, rel.path, a.Line)
	}
}

// refine takes a version as the exact one if it says more than VERSION_ID
// does and the same otherwise: 12.7 for 12, not 13 or 1.
func (r *root) refine(version, name string, line int) {
	if r.Sys.VersionID == system.Unknown {
		return
	}
	known := r.Sys.Version
	if known == system.Unknown {
		known = r.Sys.VersionID
	}
	if version = r.Value(version, name, line); strings.HasPrefix(version, known+".") && guest.IsVersion(version) {
		r.Sys.Version = version
		r.Because("version", name, line, "")
	}
}
