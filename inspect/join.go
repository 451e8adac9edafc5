package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// join lays the mounts over the root, and says in each what became of it.
func (rep *Report) join(sys *System, base vfs.FS, v *Volume, p system.Place, o *system.Options) (vfs.FS, error) {
	mounts := []vfs.Mount{{Path: ".", FS: base}}
	index := map[string]*Mount{} // by path
	for i := range sys.Mounts {
		m := &sys.Mounts[i]
		at := guest.Name(m.Path)
		over, why := rep.merge(m, index)
		if over == nil {
			if m.Reason == "" && !m.Merged && m.Type != "swap" {
				m.Reason = why
			}
			continue
		}
		index[at] = m
		m.Merged = true
		mounts = append(mounts, vfs.Mount{Path: at, FS: over})
	}
	if p.Finder == "ostree" { // which keeps /var beside the deployments
		if over, err := vfs.Sub(v.fsys, path.Join(p.Dir, "../../var")); err == nil && index["var"] == nil {
			mounts = append(mounts, vfs.Mount{Path: "var", FS: over})
		}
	}
	joined, err := vfs.Join(mounts)
	if err != nil {
		return nil, err
	}
	for _, err := range joined.Problems() {
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Op != "mount" {
			continue
		}
		if m := index[pe.Path]; m != nil && m.Merged {
			m.Merged, m.Reason = false, "the mount point: "+pe.Err.Error()
			o.Problem(err)
		}
	}
	return joined, nil
}

// merge returns the filesystem that a mount lays over the root, or why there
// is none.
func (rep *Report) merge(m *Mount, taken map[string]*Mount) (vfs.FS, string) {
	v := rep.byName(m.Volume)
	switch {
	case m.Path == "" || m.Path == "/" || v == nil:
		return nil, ""
	case taken[guest.Name(m.Path)] != nil:
		return nil, "an earlier entry mounts something at the same place"
	case v.fsys == nil:
		return nil, fmt.Sprintf("the volume is %s: %s", v.Status, v.Reason)
	}
	if v.Content != "btrfs" {
		return v.fsys, ""
	}
	dir, err := subvolume(v.fsys, m.Options)
	if err == nil && dir == "." {
		return v.fsys, ""
	}
	var fsys vfs.FS
	if err == nil {
		fsys, err = vfs.Sub(v.fsys, dir)
	}
	if err != nil {
		return nil, "the subvolume: " + err.Error()
	}
	return fsys, ""
}

// subvolume returns the path of the subvolume that the options of a mount of
// Btrfs name: the default one if they name none.
func subvolume(fsys vfs.FS, options string) (string, error) {
	for o := range strings.SplitSeq(options, ",") {
		if sub, ok := strings.CutPrefix(o, "subvol="); ok {
			return guest.Name(sub), nil
		}
		text, ok := strings.CutPrefix(o, "subvolid=")
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			return "", fmt.Errorf("the id %q", text)
		}
		subs, err := vfs.Subvolumes(fsys)
		for _, s := range subs {
			if s.ID == id || id == 0 && s.Parent == 0 {
				return s.Path, nil
			}
		}
		if err == nil {
			err = fmt.Errorf("none has the id %d", id)
		}
		return "", err
	}
	return vfs.DefaultSubvolume(fsys)
}
