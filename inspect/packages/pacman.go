package packages

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// readPacman reads /var/lib/pacman/local: a directory for each package with a
// file "desc" of "%FIELD%" lines, each followed by its values and a blank line.
func (r *root) readPacman(p *system.Packages, name string) error {
	es, more := r.ListAll(name, r.O.MaxPackages+1)
	for _, e := range es {
		if !e.IsDir() {
			continue
		}
		if err := r.Ctx.Err(); err != nil {
			return err
		}
		if len(p.Items) >= r.O.MaxPackages {
			return tooMany(r.O.MaxPackages)
		}
		desc := path.Join(name, e.Name(), "desc")
		b, ok := r.Text(desc)
		if !ok {
			r.flaw(p, desc, block.Errorf("", "package", -1, block.ErrCorrupt, "it has no readable desc"))
			continue
		}
		item, err := pacmanPackage(b)
		if err != nil {
			r.flaw(p, desc, block.Errorf("", "package", -1, block.ErrCorrupt, "%v", err))
			continue
		}
		if r.O.PackageFiles {
			if err := r.pacmanFiles(p, &item, path.Join(name, e.Name(), "files")); err != nil {
				return err
			}
		}
		p.Items = append(p.Items, item)
	}
	if more {
		return tooMany(r.O.MaxPackages)
	}
	return nil
}

func pacmanPackage(b []byte) (system.Package, error) {
	f := map[string]string{}
	field := ""
	for _, line := range guest.Lines(b) {
		switch {
		case len(line) > 2 && line[0] == '%' && line[len(line)-1] == '%':
			field = line[1 : len(line)-1]
		case line == "":
			field = ""
		case field == "LICENSE" && f[field] != "" && len(f[field])+len(line) <= guest.MaxValue:
			f[field] += " AND " + line
		case field != "" && f[field] == "" && len(line) <= guest.MaxValue:
			f[field] = line
		}
	}
	p := system.Package{Name: f["NAME"], Version: f["VERSION"], Arch: f["ARCH"], Source: f["BASE"], Maintainer: f["PACKAGER"], Summary: f["DESC"], License: f["LICENSE"], URL: f["URL"]}
	if p.Name == "" || p.Version == "" {
		return p, fmt.Errorf("the package %q has no name or version", p.Name)
	}
	v := p.Version
	if e, rest, ok := strings.Cut(v, ":"); ok {
		if n, err := strconv.ParseInt(e, 10, 32); err == nil && n >= 0 {
			p.Epoch, v = int(n), rest
		}
	}
	p.Upstream = v
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		p.Upstream, p.Revision = v[:i], v[i+1:]
	}
	if p.Source != "" {
		p.SourceVersion, p.SourceEpoch = p.Version, p.Epoch
	}
	if n, err := strconv.ParseInt(f["INSTALLDATE"], 10, 64); err == nil && n > 0 && n < 1<<34 {
		t := time.Unix(n, 0).UTC()
		p.Installed = &t
	}
	return clean(p), nil
}
