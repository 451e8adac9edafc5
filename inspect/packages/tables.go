package packages

import (
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/rpmdb"
)

// readTable reads a table of a SQLite database; pkg makes a package of a row, or
// says that it is none.
func (r *root) readTable(p *system.Packages, name, table string, pkg func(rpmdb.Row) (system.Package, bool)) error {
	db, wal, closeDB, err := r.openSQLite(name)
	if err != nil {
		return err
	}
	defer closeDB()
	return rpmdb.Table(r.Ctx, db, wal, table, func(row rpmdb.Row, err error) error {
		if err != nil {
			r.flaw(p, name, err)
			return nil
		}
		item, ok := pkg(row)
		if !ok {
			return nil
		}
		return r.add(p, name, item)
	})
}

// add takes a package, if it has a name and a version.
func (r *root) add(p *system.Packages, name string, item system.Package) error {
	if len(p.Items) >= r.O.MaxPackages {
		return tooMany(r.O.MaxPackages)
	}
	if item.Name == "" || item.Version == "" {
		r.flaw(p, name, block.Errorf("", "package", -1, block.ErrCorrupt, "the package %q has no name or version", item.Name))
		return nil
	}
	if item.Upstream == "" {
		item.Upstream = item.Version
	}
	p.Items = append(p.Items, clean(item))
	return nil
}

// readPkg reads the database of FreeBSD's pkg.
func (r *root) readPkg(p *system.Packages, name string) error {
	return r.readTable(p, name, "packages", func(row rpmdb.Row) (system.Package, bool) {
		item := system.Package{Name: row.Text("name"), Version: row.Text("version"), Arch: row.Text("arch"), Source: row.Text("origin"),
			Maintainer: row.Text("maintainer"), Summary: row.Text("comment")}
		item.Upstream = item.Version // UPSTREAM[_REVISION][,EPOCH]
		if v, epoch, ok := strings.Cut(item.Upstream, ","); ok {
			item.Upstream, item.Epoch = v, atoi(epoch)
		}
		if v, revision, ok := strings.Cut(item.Upstream, "_"); ok {
			item.Upstream, item.Revision = v, revision
		}
		return item, true
	})
}

// readNix reads which paths of the store of Nix or Guix are valid. Those of
// derivations, of which packages are built, are left out.
func (r *root) readNix(p *system.Packages, name string) error {
	return r.readTable(p, name, "ValidPaths", func(row rpmdb.Row) (system.Package, bool) {
		_, base, ok := strings.Cut(path.Base(row.Text("path")), "-") // HASH-NAME-VERSION
		if !ok || strings.HasSuffix(base, ".drv") {
			return system.Package{}, false
		}
		for i := 0; i+1 < len(base); i++ {
			if base[i] == '-' && base[i+1] >= '0' && base[i+1] <= '9' {
				return system.Package{Name: base[:i], Version: base[i+1:], ID: row.Text("path")}, true
			}
		}
		return system.Package{}, false // a configuration, a script: no package
	})
}
