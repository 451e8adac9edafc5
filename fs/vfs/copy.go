package vfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/guestkit/guestkit/block"
)

// CopyOptions says what Copy keeps and how far it goes. Nil, and the zero value,
// are safe with the tree of a stranger: nothing gains a privilege on the host.
type CopyOptions struct {
	// Owner gives files the guest's owner and group, by number. That needs
	// privileges.
	Owner bool
	// Special keeps what can do harm on the host: setuid and setgid bits, file
	// capabilities and other attributes that only root may set, device nodes; and
	// fifos and sockets.
	Special bool
	// NoXattrs leaves extended attributes and ACLs out.
	NoXattrs bool
	// SkipIdentical leaves files alone that are there with the same size and
	// time, so that a copy which was stopped goes on.
	SkipIdentical bool
	// OneFilesystem leaves out what is below a mount.
	OneFilesystem bool
	// MaxBytes bounds the bytes of content that are written, MaxFiles the number
	// of files; 0 means no bound. Past it the copy ends with block.ErrLimit.
	MaxBytes, MaxFiles int64
	// Workers is how many files are written at once, 0 for two.
	Workers int
	// OnError is told of what could not be copied, and the copy goes on. It is
	// not called twice at once. Without it the first error ends the copy.
	OnError func(path string, err error)
	// OnRename is told of each name that the host cannot have and the one that
	// the file got.
	OnRename func(path, name string)
	// Progress counts along, if it is not nil.
	Progress *CopyCount
}

// CopyCount counts what was copied. It may be read while the copy goes on.
type CopyCount struct {
	Files, Dirs, Links atomic.Int64 // regular files, directories, symbolic links
	HardLinks          atomic.Int64 // further names of a file that was copied
	Special            atomic.Int64 // device nodes, fifos and sockets
	Identical          atomic.Int64 // left alone, see CopyOptions.SkipIdentical
	Bytes              atomic.Int64 // of content that were written
	Failed             atomic.Int64 // files that were not copied
	// What the options or the host do not keep, by files.
	NoOwner, NoMode, NoXattrs, NoSpecial atomic.Int64
}

// A CopyItem is a file or tree and the name that it gets, one element, below
// the folder that Copy writes to. The name "." lays what is in a directory into
// the folder itself.
type CopyItem struct {
	Node *Node
	As   string
}

// maxCopyDepth bounds the nesting, and with it how many folders are open.
const maxCopyDepth = 1000

// Copy copies files and whole directories into a folder of the host: contents
// with their holes, modes, times, links as they are, hard links, extended
// attributes. Whatever the guest's names and links are, nothing outside root is
// written, and nothing through a link: a folder of the destination that is a
// link is an error, and a file that is there is replaced, not written to. A file
// whose copy fails is removed. The error is the first one without OnError, or
// one that ended the copy: of the context, a limit, or a disk that is full.
func Copy(ctx context.Context, root *os.Root, items []CopyItem, o *CopyOptions) error {
	c := &copier{first: map[FileID]string{}, top: root, folds: foldsNames(root)}
	if o != nil {
		c.o = *o
	}
	if c.count = c.o.Progress; c.count == nil {
		c.count = new(CopyCount)
	}
	if c.o.Workers <= 0 {
		c.o.Workers = 2
	}
	c.ctx, c.stop = context.WithCancelCause(ctx)
	defer c.stop(nil)
	c.jobs = make(chan copyJob, 4*c.o.Workers)
	var workers sync.WaitGroup
	for range c.o.Workers {
		workers.Go(func() {
			buf := make([]byte, copyPiece)
			for j := range c.jobs {
				c.file(j, buf)
				j.dir.done(c)
			}
		})
	}
	top := &hostDir{root: root, made: map[string]string{}}
	top.pending.Store(1)
	for _, it := range items {
		switch {
		case it.As == "." && it.Node.Stat().Mode.IsDir():
			top.path = "."
			c.fill(top, it.Node, 0)
		case it.As == "." || it.As == "" || it.As == ".." || strings.ContainsAny(it.As, "/"+string(os.PathSeparator)):
			c.fail(it.Node, &fs.PathError{Op: "copy", Path: it.As, Err: fs.ErrInvalid})
		default:
			c.copy(top, it.Node, it.As, 0)
		}
	}
	close(c.jobs)
	workers.Wait()
	return context.Cause(c.ctx)
}

type copier struct {
	ctx   context.Context
	stop  context.CancelCauseFunc
	o     CopyOptions
	count *CopyCount
	top   *os.Root
	begun int64 // files, of any type
	folds bool  // the host does not tell "A" from "a"
	jobs  chan copyJob
	first map[FileID]string // files of several names, and where the first was copied to

	mu sync.Mutex // of calls to OnError and OnRename
}

// A copyJob is a regular file to copy.
type copyJob struct {
	dir  *hostDir
	node *Node
	name string
}

// A hostDir is a folder that is being filled. It stays open until all that is in
// it is there; then it gets its own metadata.
type hostDir struct {
	root    *os.Root
	parent  *hostDir // nil for the destination, which stays as it is
	node    *Node
	path    string            // from the destination
	made    map[string]string // folded names that this copy made, and the name
	pending atomic.Int64      // what is on its way below, and 1 until all is listed
}

// done says that one thing in the folder is there.
func (d *hostDir) done(c *copier) {
	for d != nil && d.pending.Add(-1) == 0 && d.parent != nil {
		if err := c.finishDir(d); err != nil {
			c.fail(d.node, err)
		}
		d.root.Close()
		d = d.parent
	}
}

// fatal ends the copy.
func (c *copier) fatal(err error) { c.stop(err) }

// fail notes that a file was not copied.
func (c *copier) fail(n *Node, err error) {
	if err == nil || c.ctx.Err() != nil {
		return
	}
	c.count.Failed.Add(1)
	if c.o.OnError == nil || hostFull(err) || errors.Is(err, errBound) {
		c.fatal(err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.o.OnError(n.Path(), err)
}

var errBound = errors.New("the bound that was asked for is reached")

// charge counts a file and its bytes against the limits.
func (c *copier) charge(bytes int64) error {
	total := c.count.Bytes.Add(bytes)
	if c.o.MaxBytes > 0 && total > c.o.MaxBytes {
		return &block.Error{What: "copy", Off: -1, Err: fmt.Errorf("%w: %w", block.ErrLimit, errBound)}
	}
	return nil
}

// copy copies one file or tree into a folder.
func (c *copier) copy(d *hostDir, n *Node, name string, depth int) {
	if c.ctx.Err() != nil {
		return
	}
	if max := c.o.MaxFiles; max > 0 && c.begun >= max {
		c.fatal(block.Errorf("", "copy", -1, block.ErrLimit, "there are more than %d files", max))
		return
	}
	c.begun++
	name = c.place(d, n, name)
	st := n.Stat()
	switch {
	case st.Mode.IsDir():
		c.dir(d, n, name, depth)
	case st.Mode&fs.ModeSymlink != 0:
		c.fail(n, c.link(d, n, name))
	case st.Mode.IsRegular():
		id, linked := n.hardLinked()
		if !linked {
			d.pending.Add(1)
			select {
			case c.jobs <- copyJob{d, n, name}:
			case <-c.ctx.Done():
				d.done(c)
			}
			return
		}
		to := path.Join(d.path, name)
		if first, ok := c.first[id]; ok {
			c.fail(n, c.hardLink(d, n, name, first, to))
			return
		}
		if c.file(copyJob{d, n, name}, make([]byte, min(max(st.Size, 1), copyPiece))) {
			c.first[id] = to
		}
	default:
		c.fail(n, c.special(d, n, name))
	}
}

// dir copies a directory.
func (c *copier) dir(d *hostDir, n *Node, name string, depth int) {
	if depth >= maxCopyDepth {
		c.fail(n, n.fail("copy", block.Errorf("", "directory", -1, block.ErrLimit, "more than %d directories lie in each other", maxCopyDepth)))
		return
	}
	for m := n.parent; m != nil; m = m.parent {
		if st := n.Stat(); st.Ino != 0 && m.fsys == n.fsys && m.Stat().Ino == st.Ino && m.Stat().Ctime.Equal(st.Ctime) {
			c.fail(n, n.fail("copy", block.Errorf("", "directory", -1, block.ErrLoop, "it lies in itself")))
			return
		}
	}
	sub, err := makeDir(d.root, name)
	if err != nil {
		c.fail(n, err)
		return
	}
	c.count.Dirs.Add(1)
	e := &hostDir{root: sub, parent: d, node: n, path: path.Join(d.path, name), made: map[string]string{}}
	e.pending.Store(1)
	d.pending.Add(1)
	if !c.o.OneFilesystem || !n.Mounted() {
		c.fill(e, n, depth+1)
	}
	e.done(c)
}

// fill copies what is in a directory.
func (c *copier) fill(d *hostDir, n *Node, depth int) {
	children, err := n.Children()
	c.fail(n, err)
	for _, ch := range children {
		child, err := ch.Node()
		if err != nil {
			c.fail(n, err)
			continue
		}
		c.copy(d, child, child.Name(), depth)
	}
}

// makeDir makes a folder, or takes the one that is there, and opens it. A link
// is not taken for a folder.
func makeDir(root *os.Root, name string) (*os.Root, error) {
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, &fs.PathError{Op: "mkdir", Path: name, Err: errNotDir}
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	after, err := sub.Stat(".")
	if err == nil && !os.SameFile(before, after) {
		err = &fs.PathError{Op: "mkdir", Path: name, Err: errChanged}
	}
	if err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

var errChanged = errors.New("somebody else replaced it")

// place finds the name that a file gets in a folder of the host: its own,
// unless the host cannot have it, or another file of the copy has it on a host
// that does not tell cases apart.
func (c *copier) place(d *hostDir, n *Node, raw string) string {
	name := hostName(raw)
	if c.folds {
		for i := 1; ; i++ {
			fold := strings.ToLower(name)
			if _, taken := d.made[fold]; !taken {
				d.made[fold] = name
				break
			}
			name = hostName(raw) + "~" + strconv.Itoa(i)
		}
	}
	if name != raw && c.o.OnRename != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.o.OnRename(n.Path(), name)
	}
	return name
}

// foldsNames reports whether a folder of the host takes "A" and "a" for one name.
func foldsNames(root *os.Root) bool {
	const upper, lower = ".Guestkit-Case-Probe", ".guestkit-case-probe"
	if root.Mkdir(upper, 0o700) != nil {
		return false
	}
	defer root.Remove(upper)
	_, err := root.Lstat(lower)
	return err == nil
}
