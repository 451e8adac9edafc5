package packages

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
)

func atoi(s string) int {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return int(n)
}

// folders yields the entries of a directory that are folders, or all others.
func (r *root) folders(p *system.Packages, name string, dirs bool, visit func(base string) error) error {
	es, more := r.ListAll(name, 2*r.O.MaxPackages)
	if more {
		r.flaw(p, name, tooMany(r.O.MaxPackages))
	}
	for _, e := range es {
		if err := r.Ctx.Err(); err != nil {
			return err
		}
		if e.IsDir() != dirs {
			continue
		}
		if err := visit(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// readPkgtools reads Slackware's folder of one file for each package, whose name
// tells all: NAME-VERSION-ARCH-BUILD.
func (r *root) readPkgtools(p *system.Packages, name string) error {
	return r.folders(p, name, false, func(base string) error {
		rest := base
		var parts [3]string // build, architecture, version
		for i := range parts {
			at := strings.LastIndexByte(rest, '-')
			if at < 0 {
				r.flaw(p, name, block.Errorf("", "package", -1, block.ErrCorrupt, "%q is no name, version, architecture and build", base))
				return nil
			}
			rest, parts[i] = rest[:at], rest[at+1:]
		}
		item := system.Package{Name: rest, Version: parts[2] + "-" + parts[0], Upstream: parts[2], Revision: parts[0], Arch: parts[1]}
		if r.O.PackageFiles {
			if err := r.pkgtoolsFiles(p, &item, path.Join(name, base)); err != nil {
				return err
			}
		}
		return r.add(p, name, item)
	})
}

// readEopkg reads the folder of eopkg: NAME-VERSION-RELEASE for each package.
func (r *root) readEopkg(p *system.Packages, name string) error {
	return r.folders(p, name, true, func(base string) error {
		i := strings.LastIndexByte(base, '-')
		j := strings.LastIndexByte(base[:max(i, 0)], '-')
		if j <= 0 {
			r.flaw(p, name, block.Errorf("", "package", -1, block.ErrCorrupt, "%q is no name, version and release", base))
			return nil
		}
		return r.add(p, name, system.Package{Name: base[:j], Version: base[j+1:], Upstream: base[j+1 : i], Revision: base[i+1:]})
	})
}

// readPortage reads Gentoo's folders: CATEGORY/NAME-VERSION[-rREVISION], with a file
// for each property.
func (r *root) readPortage(p *system.Packages, name string) error {
	return r.folders(p, name, true, func(category string) error {
		return r.folders(p, path.Join(name, category), true, func(base string) error {
			dir := path.Join(name, category, base)
			if strings.HasPrefix(base, "-MERGING-") {
				return nil // was not finished
			}
			pkg, version, revision := ebuildVersion(base)
			item := system.Package{Name: category + "/" + pkg, Version: version, Upstream: version, Revision: revision}
			if revision != "" {
				item.Version += "-" + revision
			}
			property := func(file string) string {
				if f := path.Join(dir, file); r.IsFile(f) {
					b, _ := r.Text(f)
					return r.Fit(string(b), "/"+f)
				}
				return ""
			}
			item.Summary, item.Section = property("DESCRIPTION"), property("SLOT")
			item.Vendor, item.License = property("repository"), property("LICENSE")
			if n, err := strconv.ParseInt(property("BUILD_TIME"), 10, 64); err == nil && n > 0 && n < 1<<34 {
				t := time.Unix(n, 0).UTC()
				item.Installed = &t
			}
			if r.O.PackageFiles {
				if err := r.portageFiles(p, &item, path.Join(dir, "CONTENTS")); err != nil {
					return err
				}
			}
			return r.add(p, dir, item)
		})
	})
}

// ebuildVersion parts a name, its version and its revision (Package Manager
// Specification, 3.1 and 3.2): the version begins behind the last hyphen that a
// digit follows.
func ebuildVersion(s string) (name, version, revision string) {
	if i := strings.LastIndex(s, "-r"); i > 0 && strings.Trim(s[i+2:], "0123456789") == "" && len(s) > i+2 {
		s, revision = s[:i], s[i+1:]
	}
	i := strings.LastIndexByte(s, '-')
	if i <= 0 || i+1 == len(s) || s[i+1] < '0' || s[i+1] > '9' {
		return s, "", revision
	}
	return s[:i], s[i+1:], revision
}

// readFlatpak reads the folders of Flatpak: KIND/ID/ARCH/BRANCH.
func (r *root) readFlatpak(p *system.Packages, name string) error {
	for _, kind := range [...]string{"app", "runtime"} {
		top := path.Join(path.Dir(name), kind)
		if !r.IsDir(top) {
			continue
		}
		err := r.folders(p, top, true, func(id string) error {
			return r.folders(p, path.Join(top, id), true, func(arch string) error {
				return r.folders(p, path.Join(top, id, arch), true, func(branch string) error {
					if !r.IsThere(path.Join(top, id, arch, branch, "active")) {
						return nil
					}
					return r.add(p, top, system.Package{Name: id, Version: branch, Arch: arch, Section: kind})
				})
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readSwupd lists the bundles of Clear Linux, which all have the version of the system.
func (r *root) readSwupd(p *system.Packages, name string) error {
	version := system.Unknown
	if b, ok := r.Text(path.Join(path.Dir(name), "version")); ok {
		version = r.Fit(strings.TrimSpace(string(b)), "/usr/share/clear/version")
	}
	return r.folders(p, name, false, func(base string) error {
		return r.add(p, name, system.Package{Name: base, Version: version})
	})
}

// readHomebrew reads the cellar: NAME/VERSION[_REVISION].
func (r *root) readHomebrew(p *system.Packages, name string) error {
	return r.folders(p, name, true, func(formula string) error {
		return r.folders(p, path.Join(name, formula), true, func(version string) error {
			item := system.Package{Name: formula, Version: version, Upstream: version}
			if i := strings.LastIndexByte(version, '_'); i > 0 && strings.Trim(version[i+1:], "0123456789") == "" {
				item.Upstream, item.Revision = version[:i], version[i+1:]
			}
			return r.add(p, path.Join(name, formula), item)
		})
	})
}

// condaParents are where installations of conda lie, and condaNames what their folders
// are called.
var (
	condaParents = [...]string{"opt", "root", "usr/local", "usr/share"}
	condaNames   = map[string]bool{"conda": true, "miniconda": true, "miniconda2": true, "miniconda3": true, "anaconda": true, "anaconda2": true, "anaconda3": true,
		"miniforge": true, "miniforge3": true, "mambaforge": true, "micromamba": true, ".conda": true}
)

// maxCondas bounds the environments of conda.
const maxCondas = 256

// findConda finds the folders conda-meta of installations and their environments.
func (r *root) findConda() []string {
	parents := append([]string(nil), condaParents[:]...)
	for _, e := range r.listIf("home") {
		parents = append(parents, path.Join("home", e.Name()))
	}
	var out []string
	take := func(dir string) bool {
		meta := path.Join(dir, "conda-meta")
		if !r.IsDir(meta) {
			return true
		}
		if len(out) == maxCondas {
			r.Problem(block.Errorf("", "/"+meta, -1, block.ErrLimit, "more than %d environments of conda; the others are left out", maxCondas))
			return false
		}
		out = append(out, meta)
		return true
	}
	for _, parent := range parents {
		for _, e := range r.listIf(parent) {
			if !condaNames[e.Name()] {
				continue
			}
			dir := path.Join(parent, e.Name())
			if !take(dir) {
				return out
			}
			for _, env := range r.listIf(path.Join(dir, "envs")) {
				if !take(path.Join(dir, "envs", env.Name())) {
					return out
				}
			}
		}
	}
	return out
}

// listIf lists a folder that may not be there.
func (r *root) listIf(name string) []fs.DirEntry {
	if !r.IsDir(name) {
		return nil
	}
	return r.List(name)
}

// readConda reads the folder of an environment: a document for each package.
func (r *root) readConda(p *system.Packages, name string) error {
	return r.folders(p, name, false, func(base string) error {
		if !strings.HasSuffix(base, ".json") {
			return nil
		}
		var d struct {
			Name, Version, Build, License, Subdir string
			Files                                 json.RawMessage
		}
		at := path.Join(name, base)
		if err := r.document(at, &d); err != nil {
			r.flaw(p, at, err)
			return nil
		}
		item := system.Package{Name: d.Name, Version: d.Version, Upstream: d.Version, Revision: d.Build, Arch: d.Subdir, License: d.License}
		if r.O.PackageFiles {
			err := r.condaFiles(&item, d.Files, "/"+path.Dir(name))
			if errors.Is(err, block.ErrCorrupt) {
				r.flaw(p, at, err)
			} else if err != nil {
				return err
			}
		}
		return r.add(p, at, item)
	})
}
