package packages

import (
	"bufio"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxFiles bounds the files of all packages of a guest.
const maxFiles = 4 << 20

// files gives a package its files.
func (r *root) files(p *system.Package, list []string) error {
	if r.listed += len(list); r.listed > maxFiles {
		return block.Errorf("", "files of packages", -1, block.ErrLimit, "more than %d", maxFiles)
	}
	for i := range list {
		list[i] = strings.ToValidUTF8(list[i], "\uFFFD")
	}
	p.Files = list
	return nil
}

// dpkgFiles reads the lists in the folder info of dpkg or opkg: one for each package,
// with its architecture in the name if there may be several.
func (r *root) dpkgFiles(p *system.Packages, dir string) error {
	missing, first := 0, ""
	for i := range p.Items {
		if err := r.Ctx.Err(); err != nil {
			return err
		}
		x := &p.Items[i]
		name, ok := r.FirstFile(path.Join(dir, x.Name+".list"), path.Join(dir, x.Name+":"+x.Arch+".list"))
		if !ok {
			if missing++; missing == 1 {
				first = x.Name
			}
			continue
		}
		b, ok := r.listOf(name)
		if !ok {
			r.flaw(p, name, block.Errorf("", "files of a package", -1, block.ErrCorrupt, "the list cannot be read"))
			continue
		}
		var list []string
		for _, line := range guest.Lines(b) {
			line, _, _ = strings.Cut(line, "\t") // opkg has the mode behind it
			if line != "" {
				list = append(list, line)
			}
		}
		if err := r.files(x, list); err != nil {
			return err
		}
	}
	if missing > 0 {
		r.flaw(p, dir, block.Errorf("", "files of packages", -1, block.ErrCorrupt, "the lists of %d of %d packages are not there, that of %s first", missing, len(p.Items), first))
	}
	return nil
}

// listOf reads a list of files, which may be as long as a database. What is read counts
// like files of 64 bytes, so that links to one long list do not multiply it.
func (r *root) listOf(name string) ([]byte, bool) {
	big := *r.O
	big.MaxConfig = r.O.MaxDatabase
	t := guest.Tree{Ctx: r.Ctx, FS: r.FS, O: &big}
	b, ok := t.Text(name)
	r.listed += len(b) >> 6
	return b, ok
}

// apkFiles reads the lines of the database that are about files: a folder (F), and the
// files in it (R).
func (r *root) apkFiles(p *system.Packages, name string) error {
	f, err := r.openDatabase(name)
	if err != nil {
		return err
	}
	defer f.Close()
	of := map[string]*system.Package{}
	for i := range p.Items {
		of[p.Items[i].Name] = &p.Items[i]
	}
	var x *system.Package
	var list []string
	dir := ""
	flush := func() error {
		if x == nil {
			return nil
		}
		err := r.files(x, list)
		x, list, dir = nil, nil, ""
		return err
	}
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 4096), maxLine)
	for n := 0; in.Scan(); n++ {
		if n%4096 == 0 {
			if err := r.Ctx.Err(); err != nil {
				return err
			}
		}
		line := in.Text()
		if line == "" {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		switch key, value, _ := strings.Cut(line, ":"); key {
		case "P":
			x = of[value]
		case "F":
			dir = value
		case "R":
			list = append(list, "/"+path.Join(dir, value))
		}
	}
	if err := in.Err(); err != nil {
		return err
	}
	return flush()
}

// pacmanFiles reads the file that lists those of a package, behind "%FILES%".
func (r *root) pacmanFiles(name string) []string {
	if !r.IsFile(name) {
		return nil
	}
	b, _ := r.listOf(name)
	var list []string
	on := false
	for _, line := range guest.Lines(b) {
		switch {
		case strings.HasPrefix(line, "%"):
			on = line == "%FILES%"
		case on && line != "":
			list = append(list, "/"+line)
		}
	}
	return list
}

// portageFiles reads CONTENTS: "dir PATH", "obj PATH MD5 MTIME", "sym PATH -> TARGET MTIME".
func (r *root) portageFiles(name string) []string {
	if !r.IsFile(name) {
		return nil
	}
	b, _ := r.listOf(name)
	var list []string
	for _, line := range guest.Lines(b) {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "obj":
			for range 2 {
				if i := strings.LastIndexByte(rest, ' '); i > 0 {
					rest = rest[:i]
				}
			}
		case "sym":
			rest, _, _ = strings.Cut(rest, " -> ")
		case "dir", "fif", "dev":
		default:
			continue
		}
		list = append(list, rest)
	}
	return list
}

// pkgtoolsFiles reads what follows "FILE LIST:" in the file of a package of Slackware.
func (r *root) pkgtoolsFiles(name string) []string {
	b, _ := r.listOf(name)
	var list []string
	on := false
	for _, line := range guest.Lines(b) {
		if on && line != "" && line != "./" {
			list = append(list, "/"+line)
		}
		on = on || line == "FILE LIST:"
	}
	return list
}
