package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/diff"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/registry"
)

// The exit codes of diff, which are those of diff(1).
const (
	diffDiffer = 1
	diffFailed = 2
)

// diffRun is one run of the command.
type diffRun struct {
	a                                       *app
	src                                     *source
	formatB                                 string
	volume                                  string
	o                                       diff.Options
	texts                                   []string // folders whose changed files are shown
	noPackages, noRegistry, noText, noFiles bool

	ta, tb *guestTree
	sum    diffSum
	held   []diffLine // until the summary is printed
	size   int64
	texted []diff.Change // whose text is shown
	errs   problem.List
}

// diffSum counts what differs.
type diffSum struct {
	Added, Removed, Content, Metadata int64 // files
	PackagesAdded, PackagesRemoved    int64
	PackagesChanged                   int64
	RegAdded, RegRemoved, RegChanged  int64
	ReadBytes, SharedBytes            int64
}

// maxText bounds a file whose text is compared.
const maxText = 1 << 20

func newDiff(a *app) *cobra.Command {
	d := &diffRun{a: a}
	cmd := &cobra.Command{
		Use:   "diff [flags] IMAGE1 IMAGE2 [PATH]",
		Short: "Show what differs between the guests of two images",
		Long: `Compares two guests: their files in content and in metadata (mode, owner, extended
attributes, devices; times with --times), their packages, the texts of files in /etc
that changed, and the registries of two Windows. A summary comes first.

  + added   - removed   M content changed   m metadata changed

An image may be a snapshot of a qcow2: disk.qcow2@NAME. What two snapshots, or two
images with one backing file, hold in the same place is the same and is not read.
With a PATH, or --volume, files alone are compared. 'compare' compares disks, byte
by byte.

Exit codes: 0 nothing differs, 1 something does, 2 the comparison was not finished.`,
		Example: `  guestkit diff before.qcow2 after.qcow2
  guestkit diff disk.qcow2@monday disk.qcow2
  guestkit diff --json a.vmdk b.vmdk | jq -r 'select(.kind == "file") | .path'
  guestkit diff a.qcow2 b.qcow2 /etc`,
		Args: args(2, 3, "two images, and a PATH"),
	}
	d.src = a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := d.src.volumeFlag(cmd)
	f := cmd.Flags()
	for _, name := range []string{"add", "image", "source"} { // there are two
		f.MarkHidden(name)
	}
	f.VarP((*formatFlag)(&d.formatB), "second-format", "F", "take the second image to be of this `FORMAT`")
	f.BoolVar(&d.o.Times, "times", false, "compare times of change of files too")
	f.BoolVar(&d.o.MetadataOnly, "metadata-only", false, "compare no contents: files of one size are taken to hold the same")
	f.BoolVarP(&d.o.OneFilesystem, "one-file-system", "x", false, "leave out what other filesystems hold")
	f.StringArrayVar(&d.texts, "text", []string{"/etc"}, "show how texts in this `FOLDER` changed; repeatable")
	f.BoolVar(&d.noText, "no-text", false, "do not show how texts changed")
	f.BoolVar(&d.noFiles, "no-files", false, "compare no files")
	f.BoolVar(&d.noPackages, "no-packages", false, "compare no packages")
	f.BoolVar(&d.noRegistry, "no-registry", false, "compare no registries")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if d.src.image != "" || len(d.src.disks) > 0 {
			return usagef("diff takes two images as its arguments, without --image and --add")
		}
		d.volume = *volume
		path := ""
		if len(args) > 2 {
			path = args[2]
		}
		err := d.run(args[0], args[1], path)
		var e *exitError
		var out *outputError
		if err == nil || errors.As(err, &out) || errors.As(err, &e) && (e.usage || e.err == nil) {
			return err
		}
		return &exitError{code: diffFailed, err: err}
	}
	return cmd
}

// splitSnapshot takes IMAGE@SNAPSHOT apart where that is no file and IMAGE is one.
func splitSnapshot(name string) (image, snapshot string) {
	if _, err := os.Lstat(name); err == nil {
		return name, ""
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '@' && i+1 < len(name) {
			if fi, err := os.Stat(name[:i]); err == nil && !fi.IsDir() {
				return name[:i], name[i+1:]
			}
		}
	}
	return name, ""
}

// open opens one of the guests.
func (d *diffRun) open(name string, packages bool) (*guestTree, error) {
	if err := d.src.check(); err != nil {
		return nil, err
	}
	image, snapshot := splitSnapshot(name)
	d.src.snapshot = snapshot
	g, err := d.src.open([]string{image}, &inspect.Options{NoPackages: !packages})
	if err != nil {
		return nil, err
	}
	t, err := d.src.treeOf(g, d.volume)
	if err != nil {
		g.Close()
		return nil, pathError(name, err)
	}
	return t, nil
}

func (d *diffRun) run(nameA, nameB, path string) error {
	if err := knownFormat(d.formatB); err != nil {
		return err
	}
	whole := d.volume == "" && path == ""
	packages := whole && !d.noPackages
	var err error
	if d.ta, err = d.open(nameA, packages); err != nil {
		return err
	}
	defer d.ta.Close()
	if d.formatB != "" {
		d.src.format = d.formatB
	}
	if d.tb, err = d.open(nameB, packages); err != nil {
		return err
	}
	defer d.tb.Close()
	d.o.Count = new(diff.Count)
	if packages {
		if err := d.packages(); err != nil {
			return err
		}
	}
	if whole && !d.noRegistry && d.ta.windows() && d.tb.windows() {
		if err := d.registries(); err != nil {
			return err
		}
	}
	if !d.noFiles {
		if err := d.files(path); err != nil {
			return err
		}
	}
	if err := d.finish(nameA, nameB); err != nil {
		return err
	}
	for _, t := range []*guestTree{d.ta, d.tb} {
		d.a.warn(t.Problems())
	}
	d.src.noteRemote()
	d.a.noteTime()
	code := exitDone
	if !d.same() {
		code = diffDiffer
	}
	if errs := d.errs.All(); len(errs) > 0 {
		for _, err := range errs {
			d.a.sayError(err, code)
		}
		code = diffFailed
	}
	return exit(code)
}

func (d *diffRun) same() bool {
	s := d.sum
	s.ReadBytes, s.SharedBytes = 0, 0
	return s == diffSum{}
}

// packages compares those of two systems.
func (d *diffRun) packages() error {
	if d.ta.system == nil || d.tb.system == nil {
		return nil
	}
	changes, unread := diff.Packages(databases(d.ta.system), databases(d.tb.system))
	for _, what := range unread {
		d.errs.Add(fmt.Errorf("packages are not compared: %s", what))
	}
	for i := range changes {
		c := &changes[i]
		switch c.Change {
		case "added":
			d.sum.PackagesAdded++
		case "removed":
			d.sum.PackagesRemoved++
		default:
			d.sum.PackagesChanged++
		}
		if err := d.add(diffDoc{Kind: "package", Change: c.Change, Package: c}); err != nil {
			return err
		}
	}
	return nil
}

// databases are all databases of packages of a system.
func databases(s *inspect.System) []inspect.Packages {
	return append([]inspect.Packages{s.Packages}, s.OtherPackages...)
}

// registries compares those of two Windows.
func (d *diffRun) registries() error {
	var machines [2]*registry.Machine
	for i, t := range []*guestTree{d.ta, d.tb} {
		m, err := registry.OpenMachine(t, &registry.MachineOptions{Hive: hiveOptions, Path: t.system.Path, Root: strings.Trim(t.system.SystemRoot, "/")})
		if err != nil {
			d.errs.Add(err)
			return nil
		}
		machines[i] = m
	}
	return diff.Registry(d.a.ctx, machines[0], machines[1], func(c diff.RegistryChange) error {
		switch c.Change {
		case "added":
			d.sum.RegAdded++
		case "removed":
			d.sum.RegRemoved++
		default:
			d.sum.RegChanged++
		}
		doc := diffDoc{Kind: "registry", Change: c.Change, Key: c.Key, Old: dataText(c.A), New: dataText(c.B)}
		if !c.IsKey {
			doc.Value = &c.Value
		}
		return d.add(doc)
	}, d.errs.Add)
}

// files compares those of two trees.
func (d *diffRun) files(path string) error {
	var nodes [2]*vfs.Node
	for i, t := range []*guestTree{d.ta, d.tb} {
		n, err := t.node(path, true)
		if err != nil {
			return err
		}
		nodes[i] = n
	}
	return diff.Trees(d.a.ctx, nodes[0], nodes[1], &d.o, func(c diff.Change) error {
		doc := diffDoc{Kind: "file", Path: shownPath(c.Path)}
		doc.Bytes = rawBytes(doc.Path, vfs.Unescape(doc.Path))
		switch {
		case c.Err != nil:
			d.errs.Add(guestError(c.Path, c.Err))
			return nil
		case c.Added():
			d.sum.Added++
			doc.Change = "added"
		case c.Removed():
			d.sum.Removed++
			doc.Change = "removed"
		default:
			doc.Change, doc.Content, doc.Meta = "changed", &c.Content, c.Metadata
			if c.Content {
				d.sum.Content++
			} else {
				d.sum.Metadata++
			}
			if c.Content && d.isText(c) {
				d.texted = append(d.texted, c)
			}
		}
		doc.A, doc.B = d.file(c.A), d.file(c.B)
		return d.add(doc)
	})
}

// file is the metadata of one side.
func (d *diffRun) file(n *vfs.Node) *fileDoc {
	if n == nil {
		return nil
	}
	target := ""
	if n.Stat().Mode&fs.ModeSymlink != 0 {
		var err error
		if target, err = n.ReadLink(); err != nil {
			d.errs.Add(guestError(n.Path(), err))
		}
	}
	doc := newFileDoc(n.Path(), n.Stat(), target)
	return &doc
}

// isText reports whether the text of a file that changed is to be shown.
func (d *diffRun) isText(c diff.Change) bool {
	if d.noText || !c.A.Stat().Mode.IsRegular() || !c.B.Stat().Mode.IsRegular() || max(c.A.Stat().Size, c.B.Stat().Size) > maxText {
		return false
	}
	return slices.ContainsFunc(d.texts, func(folder string) bool {
		folder = strings.TrimSuffix(vfs.Path(folder), "/")
		return folder == "." || c.Path == folder || strings.HasPrefix(c.Path, folder+"/")
	})
}
