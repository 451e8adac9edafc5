package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io/fs"
	"path"
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

	lines chan *manifestBatch // in order
	work  chan *manifestBatch
	next  *manifestBatch // is being filled
	links map[vfs.FileID]*manifestSum
}

// A manifestBatch is files whose lines one worker makes: small ones are handed over
// several at a time.
type manifestBatch struct {
	lines []manifestLine
	bytes int64 // in the files
	err   error // no lines could be made
	done  chan struct{}
}

// What a batch has at most: files, and bytes in all but the last.
const (
	batchFiles = 16
	batchBytes = 1 << 20
)

// A manifestLine is a file, and its line when a worker has made it.
type manifestLine struct {
	n    *vfs.Node
	path string       // of a file of which only the name is known, n is its directory
	sum  *manifestSum // what its other names share, nil if it has none
	same bool         // it has such a name that came before
	err  error        // of the walk: n could not be read or entered
	errs []error      // of parts of the line
	text []byte
}

// A manifestSum is what a file of several names is hashed to, once.
type manifestSum struct {
	sha256 string
	errs   []error
	done   chan struct{}
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
	m.lines = make(chan *manifestBatch, 4*workers)
	m.work = make(chan *manifestBatch, 4*workers)
	m.next = new(manifestBatch)
	m.links = map[vfs.FileID]*manifestSum{}
	running.Go(func() {
		defer close(m.lines)
		defer close(m.work)
		if m.tree(ctx, start) {
			m.send(ctx)
		}
	})
	for range workers {
		running.Go(func() {
			w := manifestWorker{manifest: m, buf: make([]byte, 256<<10), hash: sha256.New()}
			for b := range m.work {
				w.fill(ctx, b)
				close(b.done)
			}
		})
	}
	for b := range m.lines {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := m.print(b); err != nil {
			return err
		}
	}
	return m.a.ctx.Err()
}

// add sends a line on its way; false means that the run is over.
func (m *manifest) add(ctx context.Context, l manifestLine) bool {
	if l.err == nil {
		st := l.n.Stat()
		if id, ok := l.n.ID(); ok && st.Mode.IsRegular() && st.Nlink > 1 {
			if l.sum, l.same = m.links[id]; !l.same {
				l.sum = &manifestSum{done: make(chan struct{})}
				m.links[id] = l.sum
			}
		}
		if st.Mode.IsRegular() && !l.same {
			m.next.bytes += min(st.Size, batchBytes)
		}
	}
	m.next.lines = append(m.next.lines, l)
	return len(m.next.lines) < batchFiles && m.next.bytes < batchBytes || m.send(ctx)
}

// send sends the lines that were added on their way.
func (m *manifest) send(ctx context.Context) bool {
	b := m.next
	b.done = make(chan struct{})
	for _, c := range []chan *manifestBatch{m.lines, m.work} {
		select {
		case c <- b:
		case <-ctx.Done():
			return false
		}
	}
	m.next = &manifestBatch{lines: make([]manifestLine, 0, batchFiles)}
	return true
}

// tree adds a file and, of a directory, what is below it.
func (m *manifest) tree(ctx context.Context, n *vfs.Node) bool {
	return m.add(ctx, manifestLine{n: n}) && (!n.Stat().Mode.IsDir() || m.dir(ctx, n))
}

// dir adds what is below a directory, sorted by whole paths: "a", "a-b",
// "a/c". What is in a directory thus comes where its name and a slash sort,
// which may be later than its own line.
func (m *manifest) dir(ctx context.Context, d *vfs.Node) bool {
	if err := m.visited.Enter(d); err != nil {
		return m.add(ctx, manifestLine{n: d, err: err})
	}
	children, err := d.Children()
	if err != nil && !m.add(ctx, manifestLine{n: d, err: err}) {
		return false
	}
	var later []*vfs.Node // directories of which only the line was added: the last comes first
	for _, c := range children {
		for k := len(later) - 1; k >= 0 && later[k].Name()+"/" < c.Name(); k-- {
			if !m.dir(ctx, later[k]) {
				return false
			}
			later = later[:k]
		}
		n, err := c.Node()
		l := manifestLine{n: n, err: err}
		if err != nil {
			l.n, l.path = d, path.Join(d.Path(), vfs.Escape(c.Name()))
		} else if n.Stat().Mode.IsDir() {
			later = append(later, n)
		}
		if !m.add(ctx, l) {
			return false
		}
	}
	for _, n := range slices.Backward(later) {
		if !m.dir(ctx, n) {
			return false
		}
	}
	return true
}

// A manifestWorker makes lines.
type manifestWorker struct {
	*manifest
	buf  []byte
	hash hash.Hash
}

// fill makes the lines of a batch.
func (w *manifestWorker) fill(ctx context.Context, b *manifestBatch) {
	for i := range b.lines {
		l := &b.lines[i]
		var doc fileDoc
		switch {
		case l.err == nil:
			doc = w.doc(ctx, l)
		case l.path != "":
			doc = fileDoc{Path: shownPath(l.path), Error: inFlags(bare(l.err))}
			doc.PathBytes = rawBytes(doc.Path, vfs.Unescape(doc.Path))
		default:
			continue
		}
		if l.text, b.err = marshal(doc, "", ""); b.err != nil {
			return
		}
	}
}

// doc says all of a file.
func (w *manifestWorker) doc(ctx context.Context, l *manifestLine) fileDoc {
	st := l.n.Stat()
	target := ""
	var err error
	if st.Mode&fs.ModeSymlink != 0 {
		target, err = l.n.ReadLink()
		l.errs = appendError(l.errs, err)
	}
	doc := newFileDoc(l.n.Path(), st, target)
	if l.same { // which is before it in the queue of work
		select {
		case <-l.sum.done:
			doc.SHA256, l.errs = l.sum.sha256, l.sum.errs
			doc.listXattrs(l.n) // what is wrong with them is among the errors
		case <-ctx.Done():
			l.errs = appendError(l.errs, ctx.Err())
		}
	} else {
		if st.Mode.IsRegular() {
			doc.SHA256, err = w.sha256(ctx, l.n)
			l.errs = appendError(l.errs, err)
		}
		l.errs = appendError(l.errs, doc.listXattrs(l.n))
		if l.sum != nil {
			l.sum.sha256, l.sum.errs = doc.SHA256, l.errs
			close(l.sum.done)
		}
	}
	if len(l.errs) > 0 {
		doc.Error = strings.Join(texts(l.errs), "; ")
	}
	return doc
}

// maxLineXattrs bounds the values of extended attributes on a line, since many lines
// wait to be printed. Linux keeps up to 64 KiB in one.
const maxLineXattrs = 1 << 20

// listXattrs adds the extended attributes of a file.
func (d *fileDoc) listXattrs(n *vfs.Node) error {
	xattrs, err := n.Xattrs()
	size := 0
	for _, x := range xattrs {
		size += len(x.Value)
	}
	if size > maxLineXattrs {
		return block.Errorf("", "extended attributes", -1, block.ErrLimit, "they have %d bytes, at most %d are listed", size, maxLineXattrs)
	}
	d.addXattrs(xattrs)
	return err
}

// print prints the lines of a batch, and says what is wrong with each behind it.
func (m *manifest) print(b *manifestBatch) error {
	if b.err != nil {
		return b.err
	}
	for _, l := range b.lines {
		if _, err := m.a.raw.Write(l.text); err != nil {
			return err
		}
		switch {
		case l.path != "":
			m.fail(guestError(l.path, l.err))
		case l.err != nil:
			m.fail(guestError(l.n.Path(), l.err))
		}
		for _, err := range l.errs {
			m.fail(guestError(l.n.Path(), err))
		}
	}
	return nil
}

func appendError(errs []error, err error) []error {
	if err == nil {
		return errs
	}
	return append(errs, bare(err))
}

// sha256 is the SHA-256 of a file, "" if it cannot be read to its end. Holes of a
// long one are not read.
func (w *manifestWorker) sha256(ctx context.Context, n *vfs.Node) (string, error) {
	f, err := n.Open()
	if err != nil {
		return "", err
	}
	defer f.Close()
	if f.Size() > int64(w.max) {
		return "", block.Errorf("", "file", -1, block.ErrLimit, "its %d bytes are not hashed; --max-file-size allows %d", f.Size(), int64(w.max))
	}
	w.hash.Reset()
	if f.Size() <= int64(len(w.buf)) {
		b := w.buf[:f.Size()]
		if err := block.ReadFull(f, b, 0); err != nil {
			return "", err
		}
		w.hash.Write(b)
		return hex.EncodeToString(w.hash.Sum(nil)), nil
	}
	for e, err := range block.Extents(f, 0, f.Size()) {
		if err != nil {
			return "", err
		}
		if e.Zero {
			clear(w.buf)
		}
		for off := e.Off; off < e.Off+e.Len; {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			b := w.buf[:min(int64(len(w.buf)), e.Off+e.Len-off)]
			if !e.Zero {
				if err := block.ReadFull(f, b, off); err != nil {
					return "", err
				}
			}
			w.hash.Write(b)
			off += int64(len(b))
		}
	}
	return hex.EncodeToString(w.hash.Sum(nil)), nil
}

// fail says an error that does not end the manifest.
func (m *manifest) fail(err error) { m.code = m.a.sayError(err, m.code) }
