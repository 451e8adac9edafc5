package packages

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/rpmdb"
)

// maxCatalogs bounds the catalogs of all users.
const maxCatalogs = 64

// WinGet reads what winget has installed for the users of a Windows, whose folders are
// given: the catalogs in which it keeps track, one for each of its sources.
func WinGet(ctx context.Context, fsys fs.FS, users []string, o *system.Options) ([]system.Packages, error) {
	r := newRoot(ctx, fsys, o)
	if r.O.NoPackages {
		return nil, nil
	}
	db := packageDB{format: "winget", read: (*root).readWinGet}
	seen := map[string]bool{}
	var out []system.Packages
	for _, user := range users {
		dir := r.Fold(path.Join(user, "AppData/Local/Packages"))
		if dir == "" {
			continue
		}
		for _, app := range r.listIf(dir) {
			if !strings.HasPrefix(app.Name(), "Microsoft.DesktopAppInstaller_") {
				continue
			}
			state := path.Join(dir, app.Name(), "LocalState")
			for _, source := range r.listIf(state) {
				name := path.Join(state, source.Name(), "installed.db")
				if seen[name] || !r.IsFile(name) {
					continue
				}
				if len(seen) == maxCatalogs {
					r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d catalogs of winget; the others are left out", maxCatalogs))
					return out, nil
				}
				seen[name] = true
				p, err := r.readDatabase(db, name)
				if err != nil {
					return nil, err
				}
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// readWinGet reads a catalog: a table of numbers, each the row of a text in another
// table.
func (r *root) readWinGet(p *system.Packages, name string) error {
	texts := map[string]map[int64]string{}
	for table, column := range map[string]string{"ids": "id", "names": "name", "versions": "version"} {
		rows := map[int64]string{}
		texts[table] = rows
		err := r.readTable(p, name, table, func(row rpmdb.Row) (system.Package, bool) {
			if len(rows) < r.O.MaxPackages {
				rows[row.ID()] = row.Text(column)
			}
			return system.Package{}, false
		})
		if err != nil {
			return err
		}
	}
	return r.readTable(p, name, "manifest", func(row rpmdb.Row) (system.Package, bool) {
		id := texts["ids"][row.Number("id")]
		return system.Package{Name: id, Version: texts["versions"][row.Number("version")], Summary: texts["names"][row.Number("name")], WinGet: id}, true
	})
}
