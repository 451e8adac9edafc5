package packages

import (
	"io"
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxLicences bounds the different licences of one package.
const maxLicences = 64

// dpkgLicences adds the licences of packages where they are asked for. The database does
// not have them: each package has a file that says them, of which the machine-readable
// form is read (Debian, copyright-format 1.0).
func (r *root) dpkgLicences(p *system.Packages) error {
	if !r.O.PackageLicenses {
		return nil
	}
	left := r.O.MaxDatabase
	for i := range p.Items {
		x := &p.Items[i]
		name := path.Join("usr/share/doc", x.Name, "copyright")
		if err := r.Ctx.Err(); err != nil {
			return err
		}
		if x.License != "" || strings.Contains(x.Name, "/") || !r.IsFile(name) {
			continue
		}
		f, size := r.Open(name, r.O.MaxConfig)
		if f == nil {
			continue
		}
		var all []string
		var err error
		if left -= size; left >= 0 {
			all, err = licencesIn(newStanzas(r.Ctx, io.LimitReader(f, size), []string{"Format", "Format-Specification", "Files", "License"}))
		}
		f.Close()
		if left < 0 {
			r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "files of copyrights have more than %d bytes; this and what follows is not read", r.O.MaxDatabase))
			return nil
		}
		if err != nil {
			r.Fail(name, err)
		}
		x.License = strings.Join(all, " and ")
	}
	return nil
}

// licencesIn lists the licences of all files, without their texts: none if the first
// stanza does not say that it is in the form.
func licencesIn(s *stanzas) (out []string, err error) {
	for first := true; ; first = false {
		err := s.next()
		switch {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		case first && s.fields["Format"] == "" && s.fields["Format-Specification"] == "":
			return nil, nil
		}
		name := s.fields["License"]
		if _, ok := s.fields["Files"]; !ok || name == "" {
			continue // a text, which others refer to
		}
		if strings.Contains(name, " or ") {
			name = "(" + name + ")"
		}
		if slices.Contains(out, name) {
			continue
		}
		if len(out) == maxLicences {
			return out, block.Errorf("", "copyright", -1, block.ErrLimit, "more than %d licences", maxLicences)
		}
		out = append(out, name)
	}
}
