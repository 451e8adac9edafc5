package testimg

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A Node is all that is compared of one path. Paths are raw bytes.
type Node struct {
	Mode         fs.FileMode
	UID, GID     uint32
	Nlink        uint64 // 0: not compared (directories of some filesystems)
	Size         int64
	Mtime, Ctime time.Time
	Atime        time.Time
	Major, Minor uint32
	Target       string
	SHA256       string
	Xattrs       map[string]string
}

// TreeOptions says what a comparison leaves out, because the judge cannot see
// it.
type TreeOptions struct {
	SkipPaths  map[string]bool // with all below them
	NoXattrs   bool
	NoOwner    bool
	NoMode     bool // permission bits
	NoNlink    bool
	NoDirSize  bool
	NoAtime    bool
	NoCtime    bool
	TimeWithin time.Duration // allowed difference of times
	NoSymlinks bool          // size and target of links
}

// MakeTree makes files below a folder of the host, by their names and texts; a name
// that ends in a slash is a folder.
func MakeTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		folder := filepath.Dir(file)
		if strings.HasSuffix(name, "/") {
			folder = file
		}
		err := os.MkdirAll(folder, 0o755)
		if err == nil && folder != file {
			err = os.WriteFile(file, []byte(text), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ReadFiles reads files of a guest, and returns the problems that are known then.
func ReadFiles(t testing.TB, fsys vfs.FS, names ...string) []error {
	t.Helper()
	for _, name := range names {
		if _, err := fs.ReadFile(fsys, name); err != nil {
			t.Error(err)
		}
	}
	return fsys.Problems()
}

// ReadTree reads a whole guest filesystem. Every error of a path is an error.
func ReadTree(fsys vfs.FS, o TreeOptions) (map[string]Node, error) {
	out := map[string]Node{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		raw := unescapePath(p)
		if o.SkipPaths[raw] {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		fi, err := fsys.Lstat(p)
		if err != nil {
			return err
		}
		if fi2, err := d.Info(); err != nil || fi2.Mode() != fi.Mode() || fi2.Size() != fi.Size() {
			return fmt.Errorf("%s: DirEntry.Info and Lstat disagree: %v", p, err)
		}
		st, _ := vfs.StatOf(fi)
		n := Node{Mode: st.Mode, UID: st.UID, GID: st.GID, Nlink: st.Nlink, Size: st.Size,
			Mtime: st.Mtime, Ctime: st.Ctime, Atime: st.Atime, Major: st.Major, Minor: st.Minor}
		switch {
		case st.Mode.IsRegular():
			if n.SHA256, err = hashFile(fsys, p); err != nil {
				return err
			}
		case st.Mode&fs.ModeSymlink != 0:
			if n.Target, err = fsys.ReadLinkRaw(p); err != nil {
				return err
			}
		}
		if !o.NoXattrs {
			xs, err := fsys.Xattrs(p)
			if err != nil {
				return err
			}
			for _, x := range xs {
				if n.Xattrs == nil {
					n.Xattrs = map[string]string{}
				}
				n.Xattrs[x.Name] = string(x.Value)
			}
		}
		out[raw] = n
		return nil
	})
	return out, err
}

func unescapePath(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = vfs.Unescape(parts[i])
	}
	return path.Join(parts...)
}

func hashFile(fsys fs.FS, p string) (string, error) {
	f, err := fsys.Open(p)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return hashReader(f)
}

func hashReader(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// CompareTrees reports every path and field in which got differs from want.
func CompareTrees(t *testing.T, got, want map[string]Node, o TreeOptions) {
	t.Helper()
	var paths []string
	for p := range want {
		paths = append(paths, p)
	}
	for p := range got {
		if _, ok := want[p]; !ok {
			paths = append(paths, p)
		}
	}
	sort.Strings(paths)
	bad := 0
	for _, p := range paths {
		g, inGot := got[p]
		w, inWant := want[p]
		var d []string
		switch {
		case !inGot:
			d = []string{"missing"}
		case !inWant:
			d = []string{"not in the judge's view"}
		default:
			d = diffNode(g, w, o)
		}
		if len(d) > 0 {
			if bad++; bad <= 30 {
				t.Errorf("%q: %s", p, strings.Join(d, "; "))
			}
		}
	}
	if bad > 30 {
		t.Errorf("%d paths differ in all", bad)
	}
}

func diffNode(g, w Node, o TreeOptions) (d []string) {
	diff := func(what string, g, w any) { d = append(d, fmt.Sprintf("%s is %v, want %v", what, g, w)) }
	if g.Mode.Type() != w.Mode.Type() {
		diff("type", g.Mode, w.Mode)
		return d
	}
	const permBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	if !o.NoMode && g.Mode&permBits != w.Mode&permBits {
		diff("mode", g.Mode, w.Mode)
	}
	if !o.NoOwner && (g.UID != w.UID || g.GID != w.GID) {
		diff("owner", []uint32{g.UID, g.GID}, []uint32{w.UID, w.GID})
	}
	if !o.NoNlink && w.Nlink != 0 && g.Nlink != w.Nlink {
		diff("links", g.Nlink, w.Nlink)
	}
	link := w.Mode&fs.ModeSymlink != 0
	if g.Size != w.Size && !(o.NoDirSize && w.Mode.IsDir()) && !(o.NoSymlinks && link) {
		diff("size", g.Size, w.Size)
	}
	times := func(what string, g, w time.Time) {
		if x := g.Sub(w).Abs(); x > o.TimeWithin {
			diff(what, g.UTC().Format(time.RFC3339Nano), w.UTC().Format(time.RFC3339Nano))
		}
	}
	times("mtime", g.Mtime, w.Mtime)
	if !o.NoCtime {
		times("ctime", g.Ctime, w.Ctime)
	}
	if !o.NoAtime {
		times("atime", g.Atime, w.Atime)
	}
	if g.Major != w.Major || g.Minor != w.Minor {
		diff("device", []uint32{g.Major, g.Minor}, []uint32{w.Major, w.Minor})
	}
	if g.Target != w.Target && !o.NoSymlinks {
		diff("target", g.Target, w.Target)
	}
	if g.SHA256 != w.SHA256 {
		diff("sha256", g.SHA256, w.SHA256)
	}
	if !o.NoXattrs {
		for k, v := range w.Xattrs {
			if x, ok := g.Xattrs[k]; !ok || !bytes.Equal([]byte(x), []byte(v)) {
				diff("xattr "+k, fmt.Sprintf("%.40q (present %v)", x, ok), fmt.Sprintf("%.40q", v))
			}
		}
		for k := range g.Xattrs {
			if _, ok := w.Xattrs[k]; !ok {
				diff("xattr "+k, "present", "absent")
			}
		}
	}
	return d
}

// Stat returns what a guest's filesystem says of a file, without following a link
// in the last element.
func Stat(t testing.TB, fsys vfs.FS, name string) *vfs.Stat {
	t.Helper()
	fi, err := fsys.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	st, ok := vfs.StatOf(fi)
	if !ok {
		t.Fatalf("%s: a FileInfo without a Stat", name)
	}
	return st
}
