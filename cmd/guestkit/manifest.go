package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/fs/vfs"
)

// manifest is one run of the command.
type manifest struct {
	a    *app
	w    *walker
	code int // of the errors so far, which did not end it
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
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		disks, paths, err := src.one(args)
		if err != nil {
			return err
		}
		if len(paths) > 1 {
			return usagef("one PATH at most; got %d", len(paths))
		}
		t, err := src.tree(disks, *volume)
		if err != nil {
			return err
		}
		defer t.Close()
		p, err := t.path(strings.Join(paths, ""))
		if err != nil {
			return err
		}
		start := node{path: p}
		if start.stat, err = t.lstat(start.path); err != nil {
			return guestError(start.path, err)
		}
		m := &manifest{a: a, w: a.walker(t)}
		if err := m.line(start); err != nil {
			return err
		}
		if start.stat.Mode.IsDir() {
			if err := m.dir(start); err != nil {
				return err
			}
		}
		a.warn(t.Problems())
		a.noteTime()
		if m.code != exitDone {
			return exit(exitFailed)
		}
		return incomplete(t.report, *required)
	}
	return cmd
}

// dir prints what is below a directory, sorted by whole paths: "a", "a-b",
// "a/c". What is in a directory thus comes where its name and a slash sort,
// which may be later than its own line.
func (m *manifest) dir(d node) error {
	if err := m.w.enter(d); err != nil {
		m.fail(err)
		return nil
	}
	nodes, err := m.w.list(d.path)
	if cerr := m.a.ctx.Err(); cerr != nil {
		return cerr
	}
	if err != nil {
		m.fail(err)
	}
	type event struct {
		key   string
		n     *node
		below bool
	}
	events := make([]event, 0, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		events = append(events, event{n.name, n, false})
		if n.err == nil && n.stat.Mode.IsDir() {
			events = append(events, event{n.name + "/", n, true})
		}
	}
	slices.SortFunc(events, func(a, b event) int { return strings.Compare(a.key, b.key) })
	for _, e := range events {
		var err error
		if e.below {
			err = m.dir(*e.n)
		} else {
			err = m.line(*e.n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// line prints one file.
func (m *manifest) line(n node) error {
	if n.err != nil {
		d := fileDoc{Path: shownPath(n.path), Error: bare(n.err).Error()}
		d.PathBytes = rawBytes(d.Path, rawPath(d.Path))
		if err := m.a.line(d); err != nil {
			return err
		}
		m.fail(guestError(n.path, n.err))
		return nil
	}
	var target string
	var errs []error // of parts of the line
	t := m.w.tree
	if n.stat.Mode&fs.ModeSymlink != 0 {
		var err error
		target, err = t.ReadLinkRaw(n.path)
		errs = appendError(errs, err)
	}
	d := newFileDoc(n.path, n.stat, target)
	if n.stat.Mode.IsRegular() {
		var err error
		d.SHA256, err = m.hash(n.path)
		errs = appendError(errs, err)
	}
	xattrs, err := t.Xattrs(n.path)
	errs = appendError(errs, err)
	for _, x := range xattrs {
		if d.Xattrs == nil {
			d.Xattrs = map[string][]byte{}
		}
		d.Xattrs[vfs.EscapeTarget(x.Name)] = append([]byte{}, x.Value...)
	}
	if err := m.a.ctx.Err(); err != nil {
		return err
	}
	if len(errs) > 0 {
		d.Error = strings.Join(texts(errs), "; ")
	}
	if err := m.a.line(d); err != nil {
		return err
	}
	for _, err := range errs {
		m.fail(guestError(n.path, err))
	}
	return nil
}

func appendError(errs []error, err error) []error {
	if err == nil {
		return errs
	}
	return append(errs, bare(err))
}

// hash is the SHA-256 of a file, "" if it cannot be read to its end.
func (m *manifest) hash(p string) (string, error) {
	h := sha256.New()
	if err := m.a.copyFile(h, m.w.tree, p); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fail says an error that does not end the manifest.
func (m *manifest) fail(err error) { m.code = m.a.sayError(err, m.code) }
