package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vdi"
)

// plainRef is a reference to a plain file in one of the other ways in which qemu
// says it: "file:NAME", or an object in JSON that has nothing but the drivers of
// the format and of the file. All others stay as they are.
func plainRef(ref block.Ref) (block.Ref, error) {
	if name, ok := strings.CutPrefix(ref.Name, "file:"); ok {
		if path := strings.TrimLeft(name, "/"); path != name {
			name = "/" + path
		}
		ref.Name = asPath(name)
	}
	text, ok := strings.CutPrefix(ref.Name, "json:")
	if !ok {
		return ref, nil
	}
	var object map[string]any
	if json.Unmarshal([]byte(text), &object) != nil {
		return ref, refError(ref, block.ErrRefused, "it is no object in JSON")
	}
	flat := map[string]string{} // as what lies in the object "file" may be said, too
	for key, value := range object {
		inner, nested := value.(map[string]any)
		if !nested || key != "file" {
			inner = map[string]any{"": value}
		}
		for k, v := range inner {
			name := strings.TrimSuffix(key+"."+k, ".")
			text, ok := v.(string)
			if !ok {
				return ref, refError(ref, block.ErrRefused, "the option %q is more than a plain file", name)
			}
			flat[name] = text
		}
	}
	driver, name := flat["driver"], flat["file.filename"]
	if driver == "file" && name == "" { // the file alone
		driver, name = "", flat["filename"]
		delete(flat, "filename")
	}
	if d, ok := flat["file.driver"]; ok && d != "file" {
		return ref, refError(ref, block.ErrRefused, "the driver %q is no plain file", d)
	}
	for _, known := range []string{"driver", "file.filename", "file.driver"} {
		delete(flat, known)
	}
	for key := range flat {
		return ref, refError(ref, block.ErrRefused, "the option %q is more than a plain file", key)
	}
	switch {
	case driver == "" || driver == ref.Format:
	case ref.Format == "":
		ref.Format = driver
	default:
		return ref, refError(ref, block.ErrRefused, "it says the format %q, and the image %q", driver, ref.Format)
	}
	ref.Name = asPath(name)
	return ref, nil
}

// HasProtocol reports whether images take a name for more than a file of a folder:
// where a colon stands before any slash, as in nbd:HOST or json:{}. "./" before such a
// name makes it one of a file. On Windows, no file has a colon in its name.
func HasProtocol(name string) bool {
	name = strings.TrimPrefix(name, filepath.VolumeName(name))
	if filepath.Separator == '/' {
		name, _, _ = strings.Cut(name, "/")
	}
	return strings.Contains(name, ":")
}

// asPath is a name that is known to be that of a file.
func asPath(name string) string {
	if HasProtocol(name) {
		return "./" + name
	}
	return name
}

// openRef opens the file that a reference names, as far as the rules allow it.
func (c *chain) openRef(ref block.Ref) (Source, error) {
	if !c.opts.FollowOwnDir && len(c.opts.AllowDirs) == 0 {
		return nil, refError(ref, block.ErrRefused, "no file that an image names may be opened; Options.FollowOwnDir allows those in its own folder; Options.AllowDirs allows those in others")
	}
	if reason := badName(ref.Name); reason != "" {
		return nil, refError(ref, block.ErrRefused, "%s", reason)
	}
	var first error // why it was not opened where it most likely is
	if own := c.src.Folder(); c.opts.FollowOwnDir && own != nil {
		src, err := own.Open(ref.Name)
		if err == nil {
			return src, nil
		}
		first = err
	}
	if ref.Format == "vdi" && ref.Kind == "parent" {
		return c.openVDI(ref)
	}
	src, err := c.openAllowed(ref.Name)
	switch {
	case err == nil:
		return src, nil
	case err == errElsewhere && (errors.Is(first, fs.ErrNotExist) || errors.Is(first, block.ErrRefused) && !errors.Is(first, errOutside)):
		err = first
	}
	return nil, openError(ref, err)
}

// maxBeside is how many images of a folder are looked at for a parent.
const maxBeside = 1000

// VDIParent returns the name of the file that a VDI at path finds for a parent
// with this UUID, by the rules of opts. A VDI names no file.
func VDIParent(path, uuid string, opts *Options) (string, error) {
	src, err := PathSource(path, opts)
	if err != nil {
		return "", err
	}
	defer src.Close()
	found, err := newChain(src, opts).openVDI(block.Ref{Kind: "parent", Name: uuid, Format: "vdi"})
	if err != nil {
		return "", err
	}
	return found.Name(), found.Close()
}

// openVDI finds the parent of a VDI, which names it by its UUID, among the VDIs
// in the folders that may be read.
func (c *chain) openVDI(ref block.Ref) (Source, error) {
	var folders []Folder
	if own := c.src.Folder(); c.opts.FollowOwnDir && own != nil {
		folders = append(folders, own)
	}
	for _, dir := range c.opts.AllowDirs {
		d, err := newHostFolder(dir)
		if err != nil {
			return nil, err
		}
		folders = append(folders, d)
	}
	left := maxBeside
	for _, f := range folders {
		names, err := f.Names()
		if err != nil {
			continue
		}
		slices.Sort(names)
		for _, name := range names {
			if !strings.EqualFold(extension(name), ".vdi") {
				continue
			}
			if left--; left < 0 {
				return nil, refError(ref, block.ErrLimit, "more than %d images lie beside it", maxBeside)
			}
			src, err := f.Open(name)
			if err != nil {
				continue
			}
			if info, _, err := vdi.Describe(src, nil); err == nil && info.UUID == ref.Name {
				return src, nil
			}
			src.Close()
		}
	}
	return nil, block.Errorf("", ref.Kind, -1, fmt.Errorf("%w: none of the VDIs in the folders that may be read has the UUID %s; Options.AllowDirs allows another folder", block.ErrParent, ref.Name), "")
}

// extension is that of a file name, with its dot.
func extension(name string) string { return name[max(strings.LastIndexByte(name, '.'), 0):] }

// errElsewhere says that no folder that may be read has a file.
var errElsewhere = fmt.Errorf("%w: it does not lie in a folder that may be read; Options.AllowDirs allows its folder", block.ErrRefused)

// openAllowed opens a file of the directories that are allowed, whatever leads
// there: a relative name, an absolute one, or a link in a folder that may be
// read itself.
func (c *chain) openAllowed(name string) (Source, error) {
	own, _ := c.src.Folder().(*hostFolder)
	if !filepath.IsAbs(name) {
		if own == nil {
			return nil, errElsewhere
		}
		name = filepath.Join(own.dir, name)
	}
	var may []*hostFolder
	for _, dir := range c.opts.AllowDirs {
		d, err := newHostFolder(dir)
		if err != nil {
			return nil, err
		}
		may = append(may, d)
	}
	if c.opts.FollowOwnDir && own != nil {
		may = append(may, own)
	}
	var missing error
	for _, path := range []string{name, resolved(name)} {
		for _, d := range may {
			if _, ok := d.inside(path); !ok {
				continue
			}
			src, err := d.Open(path)
			if err == nil || errors.Is(err, block.ErrRefused) { // which is no file
				return src, err
			}
			if errors.Is(err, fs.ErrNotExist) {
				missing = err
			}
		}
	}
	if missing != nil {
		return nil, missing
	}
	return nil, errElsewhere
}

// badName says what is wrong with a name that is no plain path, or "". A name
// with a protocol, such as nbd: or json:, is never taken for a file.
func badName(name string) string {
	switch {
	case name == "":
		return "it has no name"
	case strings.ContainsRune(name, 0):
		return "its name holds a NUL byte"
	case HasProtocol(name):
		return "it begins with a protocol, and is no file of a folder that could be allowed"
	}
	return ""
}

// openError classes the failure to open a reference: a file that is not there
// is a missing parent, or a missing part of this image; whatever else a Folder
// refuses is refused.
func openError(ref block.Ref, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		class := block.ErrParent
		if ref.Kind == "extent" {
			class = block.ErrTruncated
		}
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // the name is that of the reference, and the call is of no interest
		}
		return block.Errorf("", ref.Kind, -1, fmt.Errorf("%w: %q: %w", class, ref.Name, err), "")
	case err == errElsewhere:
		return block.Errorf("", ref.Kind, -1, fmt.Errorf("%q: %w", ref.Name, err), "")
	case errors.Is(err, block.ErrRefused) || errors.Is(err, fs.ErrPermission):
		return block.Errorf("", ref.Kind, -1, err, "")
	}
	return refError(ref, block.ErrRefused, "%v", err)
}
