package packages

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/squashfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// document reads a whole JSON file within the limit of databases.
func (r *root) document(name string, into any) error {
	f, err := r.openDatabase(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, r.O.MaxDatabase)).Decode(into); err != nil {
		return block.Errorf("", "package list", -1, block.ErrCorrupt, "%v", err)
	}
	return nil
}

// readSnap reads the state of snapd, which has the revision of each snap; the version
// is inside of the snap.
func (r *root) readSnap(p *system.Packages, name string) error {
	var state struct {
		Data struct {
			Snaps map[string]struct {
				Type     string
				Active   bool
				Current  json.Number
				Channel  string
				Sequence json.RawMessage
			}
		}
	}
	if err := r.document(name, &state); err != nil {
		return err
	}
	var names []string
	for snap := range state.Data.Snaps {
		names = append(names, snap)
	}
	slices.Sort(names)
	if len(names) > maxSnaps {
		r.flaw(p, name, block.Errorf("", "package list", -1, block.ErrLimit, "only the first %d of %d snaps are looked into for their versions", maxSnaps, len(names)))
	}
	for i, snap := range names {
		s := state.Data.Snaps[snap]
		item := system.Package{Name: snap, Version: system.Unknown, Upstream: system.Unknown, Revision: s.Current.String(), Section: s.Type}
		if !s.Active {
			item.State = "disabled"
		}
		if i < maxSnaps {
			r.lookInto(&item, path.Join(path.Dir(name), "snaps", snap+"_"+item.Revision+".snap"))
		}
		if err := r.add(p, name, item); err != nil {
			return err
		}
	}
	return nil
}

// maxSnaps bounds the snaps that are looked into.
const maxSnaps = 128

// lookInto reads the version of a snap, a squashfs, in its meta/snap.yaml: a map of
// which the outermost keys are at the beginning of their lines.
func (r *root) lookInto(item *system.Package, name string) {
	if !fs.ValidPath(name) || !r.IsFile(name) {
		return
	}
	f, err := r.FS.Open(name)
	if err != nil {
		r.Fail(name, err)
		return
	}
	defer f.Close()
	b, ok := f.(block.Reader)
	if !ok {
		return
	}
	fsys, err := squashfs.Open(b, nil)
	if err != nil {
		r.Problem(guest.Named("/"+name, err))
		return
	}
	defer fsys.Close()
	const meta = "meta/snap.yaml"
	inner := guest.NewTree(r.Ctx, fsys, &system.Options{MaxConfig: r.O.MaxConfig, Problem: func(err error) { r.Problem(guest.Named("/"+name, err)) }})
	text, _ := inner.Text(meta)
	for line, entry := range guest.Lines(text) {
		key, value, ok := strings.Cut(entry, ": ")
		if !ok {
			continue
		}
		value = inner.Value(strings.Trim(strings.TrimSpace(value), `"'`), meta, line)
		switch key {
		case "version":
			item.Version, item.Upstream = value, value
		case "summary":
			item.Summary = value
		case "license":
			item.License = value
		}
	}
}

// readBottlerocket reads the inventory that Bottlerocket has of itself.
func (r *root) readBottlerocket(p *system.Packages, name string) error {
	var list struct {
		Content []struct{ Name, Publisher, InstalledTime, Architecture, Version, Release, Epoch, Summary string }
	}
	if err := r.document(name, &list); err != nil {
		return err
	}
	for _, c := range list.Content {
		item := system.Package{Name: c.Name, Version: c.Version, Upstream: c.Version, Revision: c.Release, Epoch: atoi(c.Epoch), Arch: c.Architecture, Vendor: c.Publisher, Summary: c.Summary}
		if c.Release != "" {
			item.Version += "-" + c.Release
		}
		if t, err := time.Parse(time.RFC3339, c.InstalledTime); err == nil {
			item.Installed = &t
		}
		if err := r.add(p, name, item); err != nil {
			return err
		}
	}
	return nil
}

// readCOS reads the inventory that Container-Optimized OS has of itself.
func (r *root) readCOS(p *system.Packages, name string) error {
	var list struct {
		InstalledPackages []struct{ Category, Name, Version, EbuildVersion string }
	}
	if err := r.document(name, &list); err != nil {
		return err
	}
	for _, c := range list.InstalledPackages {
		if err := r.add(p, name, system.Package{Name: strings.Trim(c.Category+"/"+c.Name, "/"), Version: c.Version}); err != nil {
			return err
		}
	}
	return nil
}

// maxPlistDepth is how deep a property list of xbps is.
const maxPlistDepth = 32

// readXbps reads the property list of xbps: a dict of the packages, a dict each.
func (r *root) readXbps(p *system.Packages, name string) error {
	f, err := r.openDatabase(name)
	if err != nil {
		return err
	}
	defer f.Close()
	dec := xml.NewDecoder(f)
	var path []string // the elements that are open
	var pkg, key string
	var item system.Package
	text := ""
	for n := 0; ; n++ {
		if n%4096 == 0 {
			if err := r.Ctx.Err(); err != nil {
				return err
			}
		}
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) && len(path) == 0 {
			return nil
		}
		if err != nil {
			return block.Errorf("", "property list", dec.InputOffset(), block.ErrCorrupt, "%v", err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if len(path) == maxPlistDepth {
				return block.Errorf("", "property list", dec.InputOffset(), block.ErrLimit, "it is more than %d levels deep", maxPlistDepth)
			}
			path = append(path, t.Name.Local)
			text = ""
		case xml.CharData:
			if len(text)+len(t) <= 4096 {
				text += string(t)
			}
		case xml.EndElement:
			if len(path) == 0 || path[len(path)-1] != t.Name.Local {
				return block.Errorf("", "property list", dec.InputOffset(), block.ErrCorrupt, "it closes %s, which is not open", t.Name.Local)
			}
			path = path[:len(path)-1]
			// plist dict KEY dict KEY string
			switch depth := len(path); {
			case depth == 2 && t.Name.Local == "key":
				pkg, item = text, system.Package{}
			case depth == 3 && t.Name.Local == "key":
				key = text
			case depth == 3 && t.Name.Local == "string":
				switch key {
				case "pkgver":
					item.Version = strings.TrimPrefix(text, pkg+"-")
					item.Upstream = item.Version
					if v, revision, ok := strings.Cut(item.Version, "_"); ok {
						item.Upstream, item.Revision = v, revision
					}
				case "architecture":
					item.Arch = text
				case "maintainer":
					item.Maintainer = text
				case "license":
					item.License = text
				case "short_desc":
					item.Summary = text
				case "state":
					item.State = strings.TrimPrefix(text, "installed")
				}
			case depth == 2 && t.Name.Local == "dict" && !strings.HasPrefix(pkg, "_"): // _XBPS_ALTERNATIVES_
				item.Name = pkg
				if err := r.add(p, name, item); err != nil {
					return err
				}
			}
		}
	}
}
