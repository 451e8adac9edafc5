package packages

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxLine bounds the lines of a package database that are looked at. Longer
// ones are passed over unless they hold a field that is wanted.
const maxLine = 64 << 10

// A stanza reader yields the blocks of "Field: value" lines that dpkg, opkg
// and, with one-letter fields, apk write. It keeps only the fields that are
// wanted, so that a database of any size passes through one buffer.
type stanzas struct {
	ctx  context.Context
	r    *bufio.Reader
	want []string
	line int
	// fields of the current stanza, and the line that it starts at
	fields map[string]string
	start  int
	long   error // a wanted field that is too long
}

func newStanzas(ctx context.Context, r io.Reader, want []string) *stanzas {
	return &stanzas{ctx: ctx, r: bufio.NewReaderSize(r, maxLine), want: want, fields: map[string]string{}}
}

// next reads up to the end of the next stanza that has a wanted field. It
// returns io.EOF when there is none.
func (s *stanzas) next() error {
	clear(s.fields)
	s.start = 0
	for {
		if s.line%4096 == 0 {
			if err := s.ctx.Err(); err != nil {
				return err
			}
		}
		line, err := s.r.ReadSlice('\n')
		s.line++
		long := err == bufio.ErrBufferFull
		text := bytes.TrimSuffix(bytes.TrimSuffix(line[:min(len(line), guest.MaxValue+256)], []byte("\n")), []byte("\r"))
		blank := len(text) == 0
		field, val := s.field(text)      // before the buffer is filled again
		for err == bufio.ErrBufferFull { // the rest of the line
			if cerr := s.ctx.Err(); cerr != nil {
				return cerr
			}
			_, err = s.r.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return err
		}
		if blank && !long {
			if len(s.fields) > 0 {
				return nil // at the end of the file the next call finds io.EOF again
			}
			if err == io.EOF {
				return io.EOF
			}
			continue
		}
		if field != "" {
			if s.start == 0 {
				s.start = s.line
			}
			if long || len(line) > guest.MaxValue+256 {
				s.long = block.Errorf("", fmt.Sprintf("line %d", s.line), -1, block.ErrLimit, "the field %s is too long and is ignored", field)
			} else if _, again := s.fields[field]; !again {
				s.fields[field] = val
			}
		}
	}
}

// field parts a line; the field is "" if it is none that is wanted.
func (s *stanzas) field(line []byte) (field, val string) {
	name, rest, ok := bytes.Cut(line, []byte(":"))
	i := slices.IndexFunc(s.want, func(w string) bool { return w == string(name) })
	if !ok || i < 0 {
		return "", ""
	}
	return s.want[i], string(bytes.TrimSpace(rest))
}

// dpkgFields are those of dpkg's status that are kept.
var dpkgFields = []string{"Package", "Status", "Version", "Architecture", "Source", "Section", "Maintainer", "Description", "License", "Homepage"}

// readDpkg reads /var/lib/dpkg/status, or the database of opkg, which is
// written alike.
func (r *root) readDpkg(p *system.Packages, name string) error {
	err := r.readStanzas(p, name, dpkgFields, func(f map[string]string) (system.Package, bool, error) {
		return dpkgPackage(f, true)
	})
	if err != nil {
		return err
	}
	if err := r.readUpdates(p, path.Join(path.Dir(name), "updates")); err != nil {
		return err
	}
	if err := r.dpkgLicences(p); err != nil || !r.O.PackageFiles {
		return err
	}
	return r.dpkgFiles(p, path.Join(path.Dir(name), "info"))
}

// readUpdates applies what a run of dpkg did that was interrupted: files named by
// numbers, one stanza each, in their order (dpkg, lib/dpkg/dbmodify.c).
func (r *root) readUpdates(p *system.Packages, name string) error {
	if !r.IsDir(name) {
		return nil
	}
	var index map[string]int // of the items, by name and architecture
	key := func(name, arch string) string { return name + ":" + arch }
	es, more := r.ListAll(name, 2*r.O.MaxPackages)
	if more {
		r.flaw(p, name, tooMany(r.O.MaxPackages))
	}
	removed := map[int]bool{}
	for _, e := range es {
		if strings.Trim(e.Name(), "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		if index == nil {
			index = map[string]int{}
			for i, x := range p.Items {
				index[key(x.Name, x.Arch)] = i
			}
		}
		items := p.Items
		var changed system.Packages
		gone := map[string]bool{}
		err := r.readStanzas(&changed, path.Join(name, e.Name()), dpkgFields, func(f map[string]string) (system.Package, bool, error) {
			item, ok, err := dpkgPackage(f, true)
			if err == nil && !ok {
				gone[key(f["Package"], f["Architecture"])] = true
			}
			return item, ok, err
		})
		if err != nil {
			return err
		}
		if changed.Status == system.PackagesPartial {
			p.Status, p.Reason = changed.Status, changed.Reason
		}
		for k := range gone {
			if i, ok := index[k]; ok {
				removed[i] = true
			}
		}
		for _, item := range changed.Items {
			k := key(item.Name, item.Arch)
			if i, ok := index[k]; ok {
				items[i] = item
				delete(removed, i)
				continue
			}
			index[k] = len(items)
			items = append(items, item)
		}
		p.Items = items
	}
	if len(removed) > 0 {
		kept := p.Items[:0]
		for i, item := range p.Items {
			if !removed[i] {
				kept = append(kept, item)
			}
		}
		p.Items = kept
	}
	return nil
}

// tooMany is the error of a list that was cut.
func tooMany(most int) error {
	return block.Errorf("", "package list", -1, block.ErrLimit, "more than %d packages", most)
}

// readDpkgDir reads /var/lib/dpkg/status.d, where images without dpkg keep
// one file for each package, without a Status.
func (r *root) readDpkgDir(p *system.Packages, name string) error {
	es, more := r.ListAll(name, 2*r.O.MaxPackages+1)
	if more {
		r.flaw(p, name, tooMany(r.O.MaxPackages))
	}
	for _, e := range es {
		if strings.HasSuffix(e.Name(), ".md5sums") {
			continue
		}
		err := r.readStanzas(p, path.Join(name, e.Name()), dpkgFields, func(f map[string]string) (system.Package, bool, error) {
			return dpkgPackage(f, false)
		})
		if err != nil {
			return err
		}
	}
	return r.dpkgLicences(p)
}

// readStanzas reads one file of stanzas, and takes what the function makes of
// each. A stanza that is not right is a problem and makes the list partial.
func (r *root) readStanzas(p *system.Packages, name string, want []string, pkg func(map[string]string) (system.Package, bool, error)) error {
	f, err := r.openDatabase(name)
	if err != nil {
		return err
	}
	defer f.Close()
	s := newStanzas(r.Ctx, f, want)
	same := interner{}
	for {
		err := s.next()
		if s.long != nil {
			r.flaw(p, name, s.long)
			s.long = nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		item, ok, err := pkg(s.fields)
		if err != nil {
			r.flaw(p, name, block.Errorf("", fmt.Sprintf("line %d", s.start), -1, block.ErrCorrupt, "%v", err))
			continue
		}
		if !ok {
			continue
		}
		if len(p.Items) >= r.O.MaxPackages {
			return tooMany(r.O.MaxPackages)
		}
		for _, s := range []*string{&item.Arch, &item.Section, &item.Maintainer, &item.Source, &item.State} {
			*s = same.of(*s)
		}
		p.Items = append(p.Items, item)
	}
}

// flaw records a fault of one entry of a database: the list is partial.
func (r *root) flaw(p *system.Packages, name string, err error) {
	p.Status = system.PackagesPartial
	if p.Reason == "" {
		p.Reason = err.Error()
	}
	r.Problem(guest.Named("/"+name, err))
}

// interner keeps one copy of words that come again and again.
type interner map[string]string

func (in interner) of(s string) string {
	if t, ok := in[s]; ok {
		return t
	}
	in[s] = s
	return s
}

// dpkgPackage makes a package of a stanza. It is not ok if its files are not
// on the disk.
func dpkgPackage(f map[string]string, withStatus bool) (system.Package, bool, error) {
	p := system.Package{Name: f["Package"], Version: f["Version"], Arch: f["Architecture"], Section: f["Section"],
		Maintainer: f["Maintainer"], Summary: f["Description"], License: f["License"], URL: f["Homepage"]}
	if p.Name == "" {
		return p, false, errors.New("a stanza without the name of its package")
	}
	if withStatus {
		words := strings.Fields(f["Status"]) // want, flag, status
		if len(words) != 3 {
			return p, false, fmt.Errorf("the package %q has no valid status", p.Name)
		}
		switch words[2] {
		case "installed":
		case "unpacked", "half-configured", "triggers-awaited", "triggers-pending":
			p.State = words[2]
		default: // not-installed, config-files, half-installed
			return p, false, nil
		}
	}
	if p.Version == "" {
		return p, false, fmt.Errorf("the package %q has no version", p.Name)
	}
	p.Epoch, p.Upstream, p.Revision = debianVersion(p.Version)
	p.Source, p.SourceVersion = p.Name, p.Version
	if src := f["Source"]; src != "" {
		name, ver, ok := strings.Cut(src, " (")
		p.Source = name
		if ok {
			p.SourceVersion = strings.TrimSuffix(ver, ")")
		}
	}
	p.SourceEpoch, _, _ = debianVersion(p.SourceVersion)
	return clean(p), true, nil
}

// debianVersion parts [epoch:]upstream[-revision] (deb-version(7)): the epoch
// ends at the first colon, the revision starts at the last hyphen.
func debianVersion(v string) (epoch int, upstream, revision string) {
	if e, rest, ok := strings.Cut(v, ":"); ok {
		if n, err := strconv.ParseInt(e, 10, 32); err == nil && n >= 0 {
			epoch, v = int(n), rest
		}
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// clean makes the text of a package valid UTF-8.
func clean(p system.Package) system.Package {
	for _, s := range []*string{&p.Name, &p.Version, &p.Upstream, &p.Revision, &p.Arch, &p.Source, &p.SourceVersion, &p.Section, &p.Maintainer, &p.Summary, &p.SourceRPM, &p.Vendor, &p.License, &p.URL, &p.Modularity} {
		*s = strings.ToValidUTF8(*s, "\uFFFD")
	}
	return p
}
