package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/problem"
)

// Copy copies an image as it is, byte by byte, or files out of the guest.
type Copy struct {
	// To is the name of the copy: a file, or with Paths a folder, which is made.
	// See Convert.To.
	To string `json:"to"`
	// Paths are files and directories of the guest, which are copied with all that
	// is in them. Without them the image file is copied.
	Paths []string `json:"paths,omitempty"`
	// Volume is where the Paths are, "" for the only system.
	Volume string `json:"volume,omitempty"`
	// MaxBytes and MaxFiles bound what is copied of a guest; 0 does not.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	MaxFiles int64 `json:"max_files,omitempty"`
	// Replace lets the copy of an image take the place of a file that exists.
	Replace bool `json:"replace,omitempty"`
}

// A CopyResult is what was copied.
type CopyResult struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Kind is the word for it.
func (*Copy) Kind() string { return "copy" }

// Output is the pattern of what it writes, "" for nothing.
func (c *Copy) Output() string { return c.To }

// Check says what is wrong with what is asked for.
func (c *Copy) Check() []*Problem {
	var out []*Problem
	if c.To == "" {
		out = append(out, problemf("to", "no output is given"))
	}
	if len(c.Paths) > 0 && c.Replace {
		out = append(out, problemf("replace", "it is for files; a folder that exists is left alone"))
	}
	if len(c.Paths) == 0 && c.Volume != "" {
		out = append(out, problemf("volume", "it goes with paths"))
	}
	for i, p := range c.Paths {
		if p == "" {
			out = append(out, problemf(fmt.Sprintf("paths[%d]", i), "it is empty"))
		}
	}
	return out
}

// Do copies.
func (c *Copy) Do(ctx context.Context, t *Task) (any, error) {
	if len(c.Paths) == 0 {
		return c.image(ctx, t)
	}
	if err := t.begin(false); err != nil {
		return nil, err
	}
	return c.files(ctx, t)
}

// image copies the file of an image.
func (c *Copy) image(ctx context.Context, t *Task) (any, error) {
	o := t.Open(t.Image)
	info, _, err := format.DescribeFile(t.Image.Path, o)
	if err != nil {
		return nil, err
	}
	if n := len(info.Files) + len(info.Parts); n > 0 {
		return nil, problem.Option("the image lies in several files; convert makes one of them")
	}
	if info.Backing != nil {
		return nil, problem.Option("the image is an overlay of %s; convert flattens it", info.Backing.Name)
	}
	src, err := format.PathSource(t.Image.Path, o)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var n int64
	err = t.publish(c.Replace, func(w io.Writer) error {
		if n, err = copyRuns(ctx, w.(*os.File), src); err != nil {
			return err
		}
		return src.Changed()
	})
	if err != nil {
		return nil, err
	}
	return &CopyResult{1, n}, nil
}

// copyRuns copies what is data in a source; the rest are holes.
func copyRuns(ctx context.Context, w *os.File, src format.Source) (int64, error) {
	size := src.Size()
	buf := make([]byte, 1<<20)
	var n int64
	for off := int64(0); off < size; {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		e, err := src.Extent(off)
		if err != nil {
			return n, err
		}
		run := min(e.Len, size-off)
		if e.Zero {
			off += run
			continue
		}
		p := buf[:min(run, int64(len(buf)))]
		if m, err := src.ReadAt(p, off); m < len(p) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		if _, err := w.WriteAt(p, off); err != nil {
			return n, err
		}
		off, n = off+int64(len(p)), n+int64(len(p))
	}
	return n, w.Truncate(size)
}

// files copies files of the guest into a folder, which gets its name at the end.
func (c *Copy) files(ctx context.Context, t *Task) (any, error) {
	g, err := t.guest(nil)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	nodes, err := c.nodes(ctx, g)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(t.Output), partName(t.Output))
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var items []vfs.CopyItem
	taken := map[string]string{}
	for _, n := range nodes {
		name := path.Base(n.Path())
		if n.Name() != "" {
			name = n.Name()
		}
		if n.Path() == "." {
			name = "."
		}
		if other, ok := taken[name]; ok {
			return nil, problem.Option("/%s and /%s would both be %s", other, n.Path(), name)
		}
		taken[name] = n.Path()
		items = append(items, vfs.CopyItem{Node: n, As: name})
	}
	count := new(vfs.CopyCount)
	if err := vfs.Copy(ctx, root, items, &vfs.CopyOptions{MaxBytes: c.MaxBytes, MaxFiles: c.MaxFiles, Progress: count}); err != nil {
		return nil, err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, err
	}
	if err := t.Placing(t.Output, tmp); err != nil {
		return nil, err
	}
	if t.Again { // a run of ours made it, and did not come to say so
		if err := os.RemoveAll(t.Output); err != nil {
			return nil, err
		}
	}
	if err := os.Rename(tmp, t.Output); err != nil {
		return nil, err
	}
	return &CopyResult{count.Files.Load(), count.Bytes.Load()}, syncFolder(filepath.Dir(t.Output))
}

// nodes finds the Paths.
func (c *Copy) nodes(ctx context.Context, g *guestkit.Guest) ([]*vfs.Node, error) {
	var fsys vfs.FS
	toPath := func(p string) (string, error) { return vfs.Path(p), nil }
	rep, err := g.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	if c.Volume != "" {
		v, ok := rep.Volume(c.Volume)
		if !ok {
			return nil, found("there is no volume %q", c.Volume)
		}
		if fsys, err = v.FS(); err != nil {
			return nil, err
		}
	} else {
		var systems []*inspect.System
		for _, s := range rep.Systems {
			if s.Kind == inspect.KindInstalled {
				systems = append(systems, s)
			}
		}
		if len(systems) != 1 {
			return nil, found("there are %d systems; say which volume", len(systems))
		}
		if fsys, err = systems[0].FS(); err != nil {
			return nil, err
		}
		toPath = systems[0].Path
	}
	var nodes []*vfs.Node
	for _, p := range c.Paths {
		name, err := toPath(p)
		if err != nil {
			return nil, err
		}
		n, err := vfs.Find(fsys, name, strings.HasSuffix(p, "/"))
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}
