package packages

import (
	"errors"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/inspect/system"
)

// apkFields are those of apk's database that are kept.
var apkFields = []string{"P", "V", "A", "o", "m", "T", "L", "U"}

// readApk reads the database of apk: stanzas of one-letter fields. Lines about
// the package's files (F, R, a, Z …) are passed over.
func (r *root) readApk(p *system.Packages, name string) error {
	if err := r.readStanzas(p, name, apkFields, apkPackage); err != nil || !r.O.PackageFiles {
		return err
	}
	return r.apkFiles(p, name)
}

func apkPackage(f map[string]string) (system.Package, bool, error) {
	p := system.Package{Name: f["P"], Version: f["V"], Arch: f["A"], Source: f["o"], Maintainer: f["m"], Summary: f["T"], License: f["L"], URL: f["U"]}
	if p.Name == "" {
		return p, false, errors.New("a stanza without the name of its package")
	}
	if p.Version == "" {
		return p, false, fmt.Errorf("the package %q has no version", p.Name)
	}
	p.Upstream = p.Version
	if i := strings.LastIndex(p.Version, "-r"); i >= 0 {
		p.Upstream, p.Revision = p.Version[:i], p.Version[i+1:]
	}
	if p.Source != "" {
		p.SourceVersion = p.Version
	}
	return clean(p), true, nil
}
