package format

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

// A chain opens one image of a chain of images, and through its opener the
// files that this one names.
type chain struct {
	opts  *Options
	dir   string        // of the image, with symbolic links resolved
	files []os.FileInfo // the images above, and this one
	depth int
}

// newChain prepares to open the first image of a chain.
func newChain(path string, o *Options) (*chain, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	real, err = filepath.Abs(real)
	if err != nil {
		return nil, err
	}
	return &chain{opts: o, dir: filepath.Dir(real)}, nil
}

// open opens the image in f, which it closes with the image or on an error.
func (c *chain) open(f source, name string) (*image, error) {
	images, err := c.openAll(f, name, false)
	if err != nil {
		return nil, err
	}
	return images[0], nil
}

// openAll is open for all disks of a package, where all are wanted. The file is
// closed with the last of them.
func (c *chain) openAll(f source, name string, all bool) ([]*image, error) {
	o := *c.opts
	here := *c
	here.files = append(here.files[:len(here.files):len(here.files)], f.infos()...)
	var behind []Image
	var parts []string // of the disk itself: extents, a data file
	var below []*Info
	if o.Opener == nil {
		o.Opener = func(ref block.Ref) (block.Device, error) {
			d, err := here.follow(ref)
			if err != nil {
				return nil, err
			}
			behind = append(behind, d)
			switch info := d.Info(); ref.Kind {
			case "extent", "data file":
				parts = append(parts, info.Name)
			default:
				below = append(below, info)
			}
			return d, nil
		}
	}
	o.Qcow2 = share(o.Qcow2, c.depth)
	var out []*image
	err := openEach(f, &o, name, all, func(im *image) {
		for _, b := range below {
			b := *b
			im.info.Chain = append(im.info.Chain, &b)
			im.info.Chain = append(im.info.Chain, b.Chain...)
			b.Chain = nil
		}
		im.behind, im.info.Files = behind, parts
		behind, parts, below = nil, nil, nil // the next one is told what is opened from here on
		out = append(out, im)
	})
	if err == nil && len(out) == 0 {
		err = &DisksError{}
	}
	if err != nil {
		for _, im := range out {
			im.Close() // which does not have the file yet
		}
		f.Close()
		return nil, err
	}
	if len(out) == 1 {
		out[0].file = f
		return out, nil
	}
	users := &atomic.Int64{}
	users.Store(int64(len(out)))
	for _, im := range out {
		im.file = &sharedSource{source: f, users: users}
	}
	return out, nil
}

// A sharedSource is a file that the last of its users closes.
type sharedSource struct {
	source
	users  *atomic.Int64
	closed atomic.Bool
}

func (s *sharedSource) Close() error {
	switch {
	case s.closed.Swap(true):
		return os.ErrClosed
	case s.users.Add(-1) == 0:
		return s.source.Close()
	}
	return nil
}

// share gives the image at a depth its part of the memory that a chain may
// take: half to the first one, half of the rest to the next, and so on.
func share(l qcow2.Limits, depth int) qcow2.Limits {
	d := qcow2.DefaultLimits()
	part := func(v, def, least int64) int64 {
		if v == 0 {
			v = def
		}
		return max(v>>(depth+1), min(v, least))
	}
	l.MetadataCache = part(l.MetadataCache, d.MetadataCache, 1<<20)
	l.InflatedCache = part(l.InflatedCache, d.InflatedCache, 1<<20)
	return l
}

// follow opens a file that this image names.
func (c *chain) follow(ref block.Ref) (Image, error) {
	most := c.opts.MaxDepth
	if most == 0 {
		most = DefaultMaxDepth
	}
	if c.depth >= most {
		return nil, refError(ref, block.ErrLimit, "more than %d images lie behind the first one", most)
	}
	f, path, err := c.openRef(ref)
	if err != nil {
		return nil, err
	}
	for _, above := range c.files {
		if os.SameFile(above, f.before) {
			f.Close()
			return nil, refError(ref, block.ErrLoop, "the image names itself, or one that it lies behind")
		}
	}
	o := *c.opts
	o.Format = ref.Format
	o.Snapshot = ""
	o.Unwrap = false
	next := &chain{opts: &o, dir: filepath.Dir(path), files: c.files, depth: c.depth + 1}
	im, err := next.open(f, path)
	if err != nil {
		return nil, err
	}
	return im, nil
}

func refError(ref block.Ref, class error, detail string, args ...any) error {
	detail = fmt.Sprintf(detail, args...)
	return block.Errorf("", ref.Kind, -1, class, "%q: %s", ref.Name, detail)
}

// openRef opens the file that a reference names, as far as the rules allow it,
// and returns its path. Every open goes through an os.Root, so that neither ".."
// nor a symbolic link leads out of the directory.
func (c *chain) openRef(ref block.Ref) (*HostFile, string, error) {
	if !c.opts.FollowOwnDir && len(c.opts.AllowDirs) == 0 {
		return nil, "", refError(ref, block.ErrRefused, "no file that an image names may be opened")
	}
	if reason := badName(ref.Name); reason != "" {
		return nil, "", refError(ref, block.ErrRefused, "%s", reason)
	}
	if ref.Format == "" {
		return nil, "", refError(ref, block.ErrRefused, "the image does not state its format")
	}
	if c.opts.FollowOwnDir && filepath.IsLocal(ref.Name) {
		return openIn(c.dir, ref.Name, ref)
	}
	path := ref.Name
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.dir, path)
	}
	for _, dir := range c.opts.AllowDirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, "", err
		}
		// What the image says may be spelled either way.
		for _, spelled := range []string{abs, resolved(abs)} {
			if rel, err := filepath.Rel(spelled, path); err == nil && filepath.IsLocal(rel) {
				return openIn(spelled, rel, ref)
			}
		}
	}
	return nil, "", refError(ref, block.ErrRefused, "it does not lie in a directory that may be read")
}

// resolved is a path without symbolic links, or the path as it is where that
// cannot be told.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
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

// openIn opens a regular file inside dir.
func openIn(dir, name string, ref block.Ref) (*HostFile, string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, "", err
	}
	defer root.Close()
	fi, err := root.Stat(name)
	if err == nil {
		err = usable(name, fi, false)
	}
	if err != nil {
		return nil, "", openError(ref, err)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, "", openError(ref, err)
	}
	h, err := newHostFile(f, false)
	if err != nil {
		return nil, "", openError(ref, err)
	}
	return h, resolved(filepath.Join(dir, name)), nil
}

// openError classes the failure to open a reference: a file that is not there
// is a missing parent, or a missing part of this image; whatever else a Root
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
	case errors.Is(err, block.ErrRefused) || errors.Is(err, fs.ErrPermission):
		return block.Errorf("", ref.Kind, -1, err, "")
	}
	return refError(ref, block.ErrRefused, "%v", err)
}
