package packages

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxFiles bounds the files of all packages of a guest.
const maxFiles = 4 << 20

// file gives a package one of its files. The last piece of the path may be joined to
// a long folder for each of them, which counts like files of 64 bytes.
func (r *root) file(p *system.Package, dir, name string) error {
	if r.listed += 1 + len(dir)>>6; r.listed > maxFiles {
		return block.Errorf("", "files of packages", -1, block.ErrLimit, "more than %d", maxFiles)
	}
	if dir != "" {
		name = path.Join(dir, name)
	}
	p.Files = append(p.Files, strings.ToValidUTF8(name, "\uFFFD"))
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
		err := r.ownList(p, name, func(line string) error {
			line, _, _ = strings.Cut(line, "\t") // opkg has the mode behind it
			if line == "" {
				return nil
			}
			return r.file(x, "", line)
		})
		if err != nil {
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

// ownList visits the lines of the list of files that a package has for itself.
func (r *root) ownList(p *system.Packages, name string, visit func(line string) error) error {
	b, ok := r.listOf(name)
	if !ok {
		r.flaw(p, name, block.Errorf("", "files of a package", -1, block.ErrCorrupt, "the list cannot be read"))
	}
	for _, line := range guest.Lines(b) {
		if err := visit(line); err != nil {
			return err
		}
	}
	return nil
}

// apkFiles reads the lines of the database that are about files: a folder (F), and the
// files in it (R). They follow the name and the version of their package.
func (r *root) apkFiles(p *system.Packages, name string) error {
	f, err := r.openDatabase(name)
	if err != nil {
		return err
	}
	defer f.Close()
	type id struct{ name, version string }
	of := map[id]*system.Package{}
	for i := range p.Items {
		x := &p.Items[i]
		of[id{x.Name, x.Version}] = x
	}
	var own id // of the stanza
	dir := ""
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 4096), maxLine)
	for n := 0; in.Scan(); n++ {
		if n%4096 == 0 {
			if err := r.Ctx.Err(); err != nil {
				return err
			}
		}
		key, value, _ := bytes.Cut(in.Bytes(), []byte(":"))
		switch string(key) {
		case "":
			if len(in.Bytes()) == 0 {
				own, dir = id{}, ""
			}
		case "P":
			own.name = cmp.Or(own.name, apkValue(value))
		case "V":
			own.version = cmp.Or(own.version, apkValue(value))
		case "F":
			dir = string(value)
		case "R":
			if x := of[own]; x != nil { // not of an entry that is no package
				if err := r.file(x, "/"+dir, string(value)); err != nil {
					return err
				}
			}
		}
	}
	return in.Err()
}

// apkValue is the value of a field as a package has it.
func apkValue(b []byte) string {
	return strings.ToValidUTF8(string(bytes.TrimSpace(b)), "\uFFFD")
}

// pacmanFiles reads the file that lists those of a package, behind "%FILES%".
func (r *root) pacmanFiles(p *system.Packages, x *system.Package, name string) error {
	if !r.IsFile(name) {
		return nil
	}
	on := false
	return r.ownList(p, name, func(line string) error {
		if strings.HasPrefix(line, "%") {
			on = line == "%FILES%"
			return nil
		}
		if !on || line == "" {
			return nil
		}
		return r.file(x, "", "/"+line)
	})
}

// portageFiles reads CONTENTS: "dir PATH", "obj PATH MD5 MTIME", "sym PATH -> TARGET MTIME".
func (r *root) portageFiles(p *system.Packages, x *system.Package, name string) error {
	if !r.IsFile(name) {
		return nil
	}
	return r.ownList(p, name, func(line string) error {
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
			return nil
		}
		return r.file(x, "", rest)
	})
}

// pkgtoolsFiles reads what follows "FILE LIST:" in the file of a package of Slackware.
func (r *root) pkgtoolsFiles(p *system.Packages, x *system.Package, name string) error {
	on := false
	return r.ownList(p, name, func(line string) error {
		if !on || line == "" || line == "./" {
			on = on || line == "FILE LIST:"
			return nil
		}
		return r.file(x, "", "/"+line)
	})
}

// condaFiles gives a package the files that its document lists, below the prefix of
// its environment.
func (r *root) condaFiles(x *system.Package, list json.RawMessage, prefix string) error {
	dec := json.NewDecoder(bytes.NewReader(list))
	if t, err := dec.Token(); err == io.EOF || err == nil && t == nil {
		return nil // there is none
	} else if err != nil || t != json.Delim('[') {
		return block.Errorf("", "files of a package", -1, block.ErrCorrupt, "they are no list")
	}
	for dec.More() {
		var name string
		if err := dec.Decode(&name); err != nil {
			return block.Errorf("", "files of a package", -1, block.ErrCorrupt, "%v", err)
		}
		if err := r.file(x, prefix, name); err != nil {
			return err
		}
	}
	return nil
}
