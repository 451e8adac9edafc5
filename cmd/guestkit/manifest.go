package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// defaultMaxFile is how large a file may be to be hashed: a hole costs nothing on
// disk, and hashing it takes seconds for each gibibyte of zeros.
const defaultMaxFile = 256 << 30

// manifest is one run of the command.
type manifest struct {
	a       *app
	max     sizeFlag // of a file that is hashed
	visited vfs.Visited
	code    int // of the errors so far, which did not end it

	lines chan *manifestLine // in order
	work  chan *manifestLine
	links map[vfs.FileID]*manifestLine // files of several names are hashed once
}

// A manifestLine is a file whose line is made by a worker.
type manifestLine struct {
	n    *vfs.Node
	same *manifestLine // another name of the same file
	err  error         // of the walk: n could not be read or entered
	doc  fileDoc
	errs []error // of parts of the line
	done chan struct{}
}

func newManifest(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "manifest [flags] IMAGE [PATH]",
		Short: "Print a tree of files as JSON lines, with checksums",
		Long: `Prints every file of a tree as a line of JSON, sorted by path: type, mode, owner,
size, time, link target, SHA-256, extended attributes. Two manifests that are
equal prove that two guests hold the same files; docs/json.md has the fields.

What cannot be read has its line with the error, and makes the exit code 1.
'ls' lists for people, 'inspect' tells what system it is.`,
		Example: `  guestkit manifest disk.qcow2 > before.jsonl
  guestkit manifest disk.qcow2 /etc | jq -r .path
  guestkit manifest --volume gpt1 disk.qcow2`,
	}
	src := a.sourceFlags(cmd)
	volume := src.volumeFlag(cmd)
	required := completeFlag(cmd)
	m := &manifest{a: a, max: defaultMaxFile}
	cmd.Flags().Var(&m.max, "max-file-size", "do not hash larger files; their lines have an error")
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return src.onTree(splitImage(args), *volume, func(t *guestTree, paths []string) (int, error) {
			if len(paths) > 1 {
				return 0, usagef("one PATH at most; got %d", len(paths))
			}
			start, err := t.node(strings.Join(paths, ""), false)
			if err != nil {
				return 0, err
			}
			if err := m.run(start); err != nil {
				return 0, err
			}
			if m.code != exitDone {
				return exitFailed, nil
			}
			return exitDone, incomplete(t.report, *required)
		})
	}
	return cmd
}

// run walks, hashes on all cores, and prints in the order of the walk.
func (m *manifest) run(start *vfs.Node) error {
	ctx, cancel := context.WithCancel(m.a.ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	m.lines = make(chan *manifestLine, 32*workers)
	m.work = make(chan *manifestLine, 32*workers)
	m.links = map[vfs.FileID]*manifestLine{}
	running.Go(func() {
		defer close(m.lines)
		defer close(m.work)
		if m.add(ctx, &manifestLine{n: start}) && start.Stat().Mode.IsDir() {
			m.dir(ctx, start)
		}
	})
	for range workers {
		running.Go(func() {
			buf := make([]byte, 256<<10)
			for l := range m.work {
				m.fill(ctx, l, buf)
				close(l.done)
			}
		})
	}
	for l := range m.lines {
		select {
		case <-l.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := m.print(l); err != nil {
			return err
		}
	}
	return m.a.ctx.Err()
}

// add sends a file on its way; false means that the run is over.
func (m *manifest) add(ctx context.Context, l *manifestLine) bool {
	l.done = make(chan struct{})
	if id, ok := l.n.ID(); ok && l.err == nil && l.n.Stat().Mode.IsRegular() && l.n.Stat().Nlink > 1 {
		if first := m.links[id]; first != nil {
			l.same = first
		} else {
			m.links[id] = l
		}
	}
	for _, c := range []chan *manifestLine{m.lines, m.work} {
		select {
		case c <- l:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// dir adds what is below a directory, sorted by whole paths: "a", "a-b",
// "a/c". What is in a directory thus comes where its name and a slash sort,
// which may be later than its own line.
func (m *manifest) dir(ctx context.Context, d *vfs.Node) bool {
	if err := m.visited.Enter(d); err != nil {
		return m.add(ctx, &manifestLine{n: d, err: err})
	}
	children, err := d.Children()
	if err != nil && !m.add(ctx, &manifestLine{n: d, err: err}) {
		return false
	}
	type event struct {
		key   string
		n     *vfs.Node
		below bool
	}
	events := make([]event, 0, len(children))
	for _, c := range children {
		n, err := c.Node()
		if err != nil {
			if !m.add(ctx, &manifestLine{n: d, err: err, doc: fileDoc{Path: shownPath(d.Path()) + "/" + vfs.Escape(c.Name())}}) {
				return false
			}
			continue
		}
		events = append(events, event{n.Name(), n, false})
		if n.Stat().Mode.IsDir() {
			events = append(events, event{n.Name() + "/", n, true})
		}
	}
	slices.SortFunc(events, func(a, b event) int { return strings.Compare(a.key, b.key) })
	for _, e := range events {
		if e.below {
			if !m.dir(ctx, e.n) {
				return false
			}
		} else if !m.add(ctx, &manifestLine{n: e.n}) {
			return false
		}
	}
	return true
}

// fill makes the line of a file.
func (m *manifest) fill(ctx context.Context, l *manifestLine, buf []byte) {
	if l.err != nil {
		return
	}
	st := l.n.Stat()
	target := ""
	var err error
	if st.Mode&fs.ModeSymlink != 0 {
		target, err = l.n.ReadLink()
		l.errs = appendError(l.errs, err)
	}
	l.doc = newFileDoc(l.n.Path(), st, target)
	if l.same != nil { // which is before it in the queue of work
		select {
		case <-l.same.done:
			l.doc.SHA256, l.errs = l.same.doc.SHA256, l.same.errs
			m.xattrs(l) // what is wrong with them is among the errors
		case <-ctx.Done():
			l.errs = appendError(l.errs, ctx.Err())
		}
	} else {
		if st.Mode.IsRegular() {
			l.doc.SHA256, err = m.hash(ctx, l.n, buf)
			l.errs = appendError(l.errs, err)
		}
		l.errs = appendError(l.errs, m.xattrs(l))
	}
	if len(l.errs) > 0 {
		l.doc.Error = strings.Join(texts(l.errs), "; ")
	}
}

// maxLineXattrs bounds the values of extended attributes on a line, since many lines
// wait to be printed. Linux keeps up to 64 KiB in one.
const maxLineXattrs = 1 << 20

// xattrs adds the extended attributes to the line of a file.
func (m *manifest) xattrs(l *manifestLine) error {
	xattrs, err := l.n.Xattrs()
	size := 0
	for _, x := range xattrs {
		size += len(x.Value)
	}
	if size > maxLineXattrs {
		return block.Errorf("", "extended attributes", -1, block.ErrLimit, "they have %d bytes, at most %d are listed", size, maxLineXattrs)
	}
	l.doc.addXattrs(xattrs)
	return err
}

// print prints the line of a file.
func (m *manifest) print(l *manifestLine) error {
	if l.err == nil {
		if err := m.a.line(l.doc); err != nil {
			return err
		}
		l.doc.Xattrs = nil // it may be kept for further links
		for _, err := range l.errs {
			m.fail(guestError(l.n.Path(), err))
		}
		return nil
	}
	if l.doc.Path != "" { // a file of which only the name is known
		l.doc.Path = strings.Replace(l.doc.Path, "//", "/", 1)
		l.doc.PathBytes, l.doc.Error = rawBytes(l.doc.Path, rawPath(l.doc.Path)), inFlags(bare(l.err))
		if err := m.a.line(l.doc); err != nil {
			return err
		}
		m.fail(guestError(strings.TrimPrefix(l.doc.Path, "/"), l.err))
		return nil
	}
	m.fail(guestError(l.n.Path(), l.err))
	return nil
}

func appendError(errs []error, err error) []error {
	if err == nil {
		return errs
	}
	return append(errs, bare(err))
}

// hash is the SHA-256 of a file, "" if it cannot be read to its end. Holes are not
// read.
func (m *manifest) hash(ctx context.Context, n *vfs.Node, buf []byte) (string, error) {
	f, err := n.Open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	if f.Size() > int64(m.max) {
		return "", block.Errorf("", "file", -1, block.ErrLimit, "its %d bytes are not hashed; --max-file-size allows %d", f.Size(), int64(m.max))
	}
	h := sha256.New()
	for e, err := range block.Extents(f, 0, f.Size()) {
		if err != nil {
			return "", err
		}
		if e.Zero {
			clear(buf)
		}
		for off := e.Off; off < e.Off+e.Len; {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			b := buf[:min(int64(len(buf)), e.Off+e.Len-off)]
			if !e.Zero {
				if err := block.ReadFull(f, b, off); err != nil {
					return "", err
				}
			}
			h.Write(b)
			off += int64(len(b))
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fail says an error that does not end the manifest.
func (m *manifest) fail(err error) { m.code = m.a.sayError(err, m.code) }
