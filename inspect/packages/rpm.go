package packages

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/rpmdb"
)

// maxRPMDatabase is how many times larger than others an rpm database may be.
// It is read page by page and takes no memory: most of it is changelogs and
// lists of files.
const maxRPMDatabase = 16

// readRPM reads an rpm database of any of its formats.
func (r *root) readRPM(p *system.Packages, name string) error {
	db, wal, closeDB, err := r.openSQLite(name)
	if err != nil {
		return err
	}
	defer closeDB()
	same := interner{}
	return rpmdb.Read(r.Ctx, db, wal, func(x rpmdb.Package, err error) error {
		if err != nil {
			r.flaw(p, name, err)
			return nil
		}
		if len(p.Items) >= r.O.MaxPackages {
			return tooMany(r.O.MaxPackages)
		}
		item := rpmPackage(x)
		for _, s := range []*string{&item.Arch, &item.Section, &item.Vendor, &item.Source, &item.License} {
			*s = same.of(*s)
		}
		if r.O.PackageFiles {
			list, err := x.Files()
			if err != nil {
				r.flaw(p, name, fmt.Errorf("%s: %w", item.Name, err))
			}
			for _, name := range list {
				if err := r.file(&item, "", name); err != nil {
					return err
				}
			}
		}
		p.Items = append(p.Items, item)
		return nil
	})
}

// openSQLite opens a database with the write-ahead log beside it, nil if it has
// none.
func (r *root) openSQLite(name string) (db, wal block.Reader, closeAll func(), err error) {
	db, closeDB, err := r.openAt(name)
	if err != nil {
		return nil, nil, nil, err
	}
	if !strings.HasSuffix(name, ".sqlite") || r.Stat(name+"-wal") == nil {
		return db, nil, func() { closeDB() }, nil
	}
	wal, closeWAL, err := r.openAt(name + "-wal")
	if err != nil {
		closeDB()
		return nil, nil, nil, err
	}
	return db, wal, func() { closeWAL(); closeDB() }, nil
}

// openAt opens a regular file of the guest for reads at any place.
func (r *root) openAt(name string) (block.Reader, func() error, error) {
	fi, err := fs.Stat(r.FS, name)
	if err != nil {
		return nil, nil, err
	}
	switch limit := maxRPMDatabase * r.O.MaxDatabase; {
	case !fi.Mode().IsRegular():
		return nil, nil, block.Errorf("", "package database", -1, block.ErrUnsupported, "it is no regular file (%v)", fi.Mode().Type())
	case fi.Size() > limit:
		return nil, nil, block.Errorf("", "package database", -1, block.ErrLimit, "it has %d bytes, more than %d", fi.Size(), limit)
	}
	f, err := r.FS.Open(name)
	if err != nil {
		return nil, nil, err
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		f.Close()
		return nil, nil, block.Errorf("", "package database", -1, block.ErrUnsupported, "the filesystem has no reads at an offset")
	}
	return io.NewSectionReader(at, 0, fi.Size()), f.Close, nil
}

// rpmPackage puts what a header says into the fields that all formats share.
// Version is as rpm prints it: [epoch:]version-release.
func rpmPackage(x rpmdb.Package) system.Package {
	p := system.Package{Name: x.Name, Epoch: x.Epoch, Upstream: x.Version, Revision: x.Release, Arch: x.Arch,
		Section: x.Group, Summary: x.Summary, SourceRPM: x.SourceRPM, Vendor: x.Vendor, License: x.License, URL: x.URL, Modularity: x.Modularity}
	p.Version = x.Version + "-" + x.Release
	if x.HasEpoch {
		p.Version = fmt.Sprintf("%d:%s", x.Epoch, p.Version)
	}
	if !x.Installed.IsZero() {
		t := x.Installed
		p.Installed = &t
	}
	if p.Source, p.SourceVersion = sourceOf(x.SourceRPM); p.Source != "" {
		p.SourceEpoch = x.Epoch // as the file's name does not tell; rpm builds all of one source with it
	}
	return clean(p)
}

// sourceOf parts the file name of a source package: name-version-release.src.rpm.
func sourceOf(file string) (name, version string) {
	base, ok := strings.CutSuffix(file, ".rpm")
	if !ok {
		return "", ""
	}
	if i := strings.LastIndexByte(base, '.'); i >= 0 {
		base = base[:i] // "src" or "nosrc"
	}
	i := strings.LastIndexByte(base, '-')
	if i < 0 {
		return base, ""
	}
	j := strings.LastIndexByte(base[:i], '-')
	if j < 0 {
		return base[:i], base[i+1:]
	}
	return base[:j], base[j+1:]
}
