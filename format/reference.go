package format

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// openRef opens the file that a reference names, as far as the rules allow it.
func (c *chain) openRef(ref block.Ref) (Source, error) {
	if !c.opts.FollowOwnDir && len(c.opts.AllowDirs) == 0 {
		return nil, refError(ref, block.ErrRefused, "no file that an image names may be opened; Options.FollowOwnDir allows those in its own folder, Options.AllowDirs (--allow-dir) others")
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
	src, err := c.openAllowed(ref.Name)
	switch {
	case err == nil:
		return src, nil
	case err == errElsewhere && (errors.Is(first, fs.ErrNotExist) || errors.Is(first, block.ErrRefused) && !errors.Is(first, errOutside)):
		err = first
	}
	return nil, openError(ref, err)
}

// errElsewhere says that no folder that may be read has a file.
var errElsewhere = fmt.Errorf("%w: it does not lie in a folder that may be read; --allow-dir (Options.AllowDirs) allows its folder", block.ErrRefused)

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
// with a protocol, such as nbd: or json:, is never taken for a file; no file
// name with a colon is, since these cannot be told apart.
func badName(name string) string {
	switch {
	case name == "":
		return "it has no name"
	case strings.ContainsRune(name, 0):
		return "its name holds a NUL byte"
	case strings.Contains(strings.TrimPrefix(name, filepath.VolumeName(name)), ":"):
		return "a name with a colon is a URL or a pseudo-protocol"
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
