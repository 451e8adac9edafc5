package inspect

import (
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
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
	vars map[string]assignment
}

// readOSRelease reads the guest's os-release.
func readOSRelease(t *tree) (release, bool) {
	for _, name := range osReleasePaths {
		b, ok := t.text(name)
		if !ok {
			continue
		}
		rel := release{name, map[string]assignment{}}
		for _, a := range assignments(b) {
			if a.open {
				t.problem(block.Errorf("", fmt.Sprintf("/%s line %d", name, a.line), -1, block.ErrCorrupt, "the quote of %s does not close", a.name))
			}
			if _, again := rel.vars[a.name]; !again && len(rel.vars) >= maxVariables {
				t.problem(block.Errorf("", fmt.Sprintf("/%s line %d", name, a.line), -1, block.ErrLimit, "more than %d variables", maxVariables))
				break
			}
			a.value = t.value(a.value, name, a.line)
			rel.vars[a.name] = a
		}
		return rel, true
	}
	return release{}, false
}

// fromOSRelease sets the identity from os-release.
func (r *root) fromOSRelease() {
	rel, ok := readOSRelease(&r.tree)
	if !ok {
		return
	}
	r.sys.OSRelease = map[string]string{}
	for name, a := range rel.vars {
		r.sys.OSRelease[name] = a.value
	}
	set := func(dst *string, field string, names ...string) {
		for _, name := range names {
			a := rel.vars[name]
			if r.set(dst, field, a.value, rel.path, a.line) {
				return
			}
		}
	}
	s := r.sys
	set(&s.Distro, "distro", "ID")
	set(&s.ProductName, "product_name", "PRETTY_NAME", "NAME")
	set(&s.VersionID, "version_id", "VERSION_ID")
	set(&s.BuildID, "build_id", "BUILD_ID")
	set(&s.Variant, "variant", "VARIANT_ID", "VARIANT")
	if a, ok := rel.vars["VERSION_CODENAME"]; ok {
		set(&s.Codename, "codename", a.name)
	} else if a := rel.vars["VERSION"]; true {
		if name := parenthesised(a.value); name != rel.vars["VARIANT"].value {
			r.set(&s.Codename, "codename", name, rel.path, a.line)
		}
	}
	if a := rel.vars["ID_LIKE"]; a.value != "" {
		s.IDLike = strings.Fields(a.value)
		r.because("id_like", rel.path, a.line, "")
	}
	if a := rel.vars["VERSION"]; s.VersionID != Unknown {
		version, _, _ := strings.Cut(a.value, " ")
		r.refine(version, rel.path, a.line)
	}
}

// refine takes a version as the exact one if it says more than VERSION_ID
// does and the same otherwise: 12.7 for 12, not 13 or 1.
func (r *root) refine(version, name string, line int) {
	if r.sys.VersionID == Unknown {
		return
	}
	known := r.sys.Version
	if known == Unknown {
		known = r.sys.VersionID
	}
	if version = r.value(version, name, line); strings.HasPrefix(version, known+".") && isVersion(version) {
		r.sys.Version = version
		r.because("version", name, line, "")
	}
}

// isVersion reports whether s is made of numbers and dots.
func isVersion(s string) bool { return s != "" && strings.Trim(s, "0123456789.") == "" }

// parenthesised returns what the first parentheses of s hold.
func parenthesised(s string) string {
	_, s, _ = strings.Cut(s, "(")
	s, _, ok := strings.Cut(s, ")")
	if !ok {
		return ""
	}
	return s
}
