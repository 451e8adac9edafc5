package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/diff"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/internal/terminal"
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

// diffLine is a line of the list.
type diffLine struct {
	style terminal.Style
	text  string
}

// maxHeld bounds the memory for what comes behind the summary.
const maxHeld = 64 << 20

// maxText bounds a file whose text is compared.
const maxText = 1 << 20

// diffDoc is a line of diff --json. What kind it is, Kind tells: "file", "package",
// "registry", "text" or, last, "summary".
type diffDoc struct {
	Kind    string              `json:"kind"`
	Change  string              `json:"change,omitempty"` // "added", "removed", "changed"; of packages "upgraded" and "downgraded" too
	Path    string              `json:"path,omitempty"`   // of a file
	Bytes   string              `json:"path_bytes,omitempty"`
	Content *bool               `json:"content,omitempty"`  // of a changed file: whether its content differs
	Meta    []string            `json:"metadata,omitempty"` // what else does
	A       *fileDoc            `json:"a,omitempty"`
	B       *fileDoc            `json:"b,omitempty"`
	Package *diff.PackageChange `json:"package,omitempty"`
	Key     string              `json:"key,omitempty"`
	Value   *string             `json:"value,omitempty"` // of a key of the registry; absent for the key itself
	Old     string              `json:"old,omitempty"`   // data of the value
	New     string              `json:"new,omitempty"`
	Text    string              `json:"text,omitempty"` // the unified difference of the file at path
	Summary *diffSumDoc         `json:"summary,omitempty"`
}

// diffSumDoc is the summary of diff --json.
type diffSumDoc struct {
	Schema   string           `json:"schema"`
	Same     bool             `json:"same"`
	Files    map[string]int64 `json:"files"`
	Packages map[string]int64 `json:"packages"`
	Registry map[string]int64 `json:"registry"`
	Read     int64            `json:"read_bytes"`   // of contents, of each side
	Shared   int64            `json:"shared_bytes"` // that both hold in one place, and were not read
	Errors   []string         `json:"errors"`
}

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

// maxData bounds how much of a value is shown.
const maxData = 256

// dataText is the data of a value with its type, cut if it is long.
func dataText(v *diff.RegistryData) string {
	if v == nil {
		return ""
	}
	text := ""
	switch {
	case v.Text != nil:
		text = *v.Text
	case v.Strings != nil:
		text = strings.Join(v.Strings, " | ")
	case v.Number != nil:
		text = fmt.Sprintf("%#x", *v.Number)
	default:
		text = fmt.Sprintf("%x", v.Bytes[:min(len(v.Bytes), maxData)])
	}
	if len(text) > maxData {
		text = strings.ToValidUTF8(text[:maxData], "") + "…"
	}
	return v.Type.String() + " " + text
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
		doc.Bytes = rawBytes(doc.Path, rawPath(doc.Path))
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

// add prints a line of JSON, or keeps one for people until the summary is known.
func (d *diffRun) add(doc diffDoc) error {
	if d.a.json {
		if err := d.a.line(doc); err != nil {
			return &outputError{err}
		}
		return nil
	}
	l := lineOf(&doc)
	if d.size += int64(len(l.text)) + 32; d.size <= maxHeld {
		d.held = append(d.held, l)
		return nil
	}
	// There is too much to be held: the summary comes last.
	if err := d.flush(); err != nil {
		return err
	}
	return d.print(l)
}

func (d *diffRun) flush() error {
	for _, l := range d.held {
		if err := d.print(l); err != nil {
			return err
		}
	}
	d.held = nil
	return nil
}

func (d *diffRun) print(l diffLine) error {
	d.a.out.Printf("%s\n", l.style.In(l.text))
	if err := d.a.out.Err(); err != nil {
		return &outputError{err}
	}
	return nil
}

// lineOf is a line for people.
func lineOf(doc *diffDoc) diffLine {
	mark, style := "M", terminal.Yellow
	switch doc.Change {
	case "added":
		mark, style = "+", terminal.Green
	case "removed":
		mark, style = "-", terminal.Red
	}
	switch doc.Kind {
	case "package":
		p := doc.Package
		text := mark + " package " + p.Name
		if p.Arch != "" {
			text += " (" + p.Arch + ")"
		}
		switch versions := [2]string{strings.Join(p.From, ", "), strings.Join(p.To, ", ")}; {
		case versions[0] == "" || versions[1] == "":
			text += " " + versions[0] + versions[1]
		default:
			text += " " + versions[0] + " -> " + versions[1] + " (" + p.Change + ")"
		}
		return diffLine{style, text}
	case "registry":
		text := mark + " " + doc.Key
		if doc.Value == nil {
			return diffLine{style, text}
		}
		name := *doc.Value
		if name == "" {
			name = "(default)"
		}
		text += " : " + name
		switch {
		case doc.Old != "" && doc.New != "":
			text += ": " + doc.Old + " -> " + doc.New
		default:
			text += ": " + doc.Old + doc.New
		}
		return diffLine{style, text}
	}
	text := rawPath(doc.Path)
	var what []string
	if doc.Content != nil {
		if !*doc.Content {
			mark, style = "m", terminal.Cyan
		}
		for _, m := range doc.Meta {
			what = append(what, metaText(m, doc.A, doc.B))
		}
		switch {
		case doc.A.Target != nil && doc.B.Target != nil && *doc.Content:
			what = append(what, "target "+*doc.A.Target+" -> "+*doc.B.Target)
		case *doc.Content && doc.A.Size != doc.B.Size && doc.A.Type == "f" && doc.B.Type == "f":
			what = append(what, fmt.Sprintf("size %d -> %d", doc.A.Size, doc.B.Size))
		}
	}
	if len(what) > 0 {
		text += "  " + strings.Join(what, ", ")
	}
	return diffLine{style, mark + " " + text}
}

// metaText says what differs in metadata.
func metaText(name string, a, b *fileDoc) string {
	switch name {
	case "type":
		return "type " + a.Type + " -> " + b.Type
	case "mode":
		return "mode " + a.Mode + " -> " + b.Mode
	case "owner":
		return fmt.Sprintf("owner %d:%d -> %d:%d", a.UID, a.GID, b.UID, b.GID)
	case "mtime":
		return "mtime " + a.Mtime + " -> " + b.Mtime
	}
	return name
}

// finish prints the summary, what was kept behind it, and the texts.
func (d *diffRun) finish(nameA, nameB string) error {
	d.sum.ReadBytes, d.sum.SharedBytes = d.o.Count.Read.Load(), d.o.Count.Shared.Load()
	s := &d.sum
	if !d.a.json && !d.a.quiet {
		d.a.out.Printf("files: %d added, %d removed, %d changed in content, %d in metadata alone\n", s.Added, s.Removed, s.Content, s.Metadata)
		if s.PackagesAdded+s.PackagesRemoved+s.PackagesChanged > 0 {
			d.a.out.Printf("packages: %d added, %d removed, %d in another version\n", s.PackagesAdded, s.PackagesRemoved, s.PackagesChanged)
		}
		if s.RegAdded+s.RegRemoved+s.RegChanged > 0 {
			d.a.out.Printf("registry: %d keys and values added, %d removed, %d changed\n", s.RegAdded, s.RegRemoved, s.RegChanged)
		}
		if len(d.held) > 0 {
			d.a.out.Printf("\n")
		}
		if err := d.flush(); err != nil {
			return err
		}
	}
	d.a.note("compared %s of contents; %s lie in the same place of both and were not read", terminal.Size(s.ReadBytes), terminal.Size(s.SharedBytes))
	for _, c := range d.texted {
		if d.a.quiet && !d.a.json {
			break
		}
		if err := d.text(c, nameA, nameB); err != nil {
			return err
		}
	}
	if !d.a.json {
		return nil
	}
	doc := diffSumDoc{Schema: schema("diff"), Same: d.same(), Read: s.ReadBytes, Shared: s.SharedBytes, Errors: texts(d.errs.All()),
		Files:    map[string]int64{"added": s.Added, "removed": s.Removed, "content": s.Content, "metadata": s.Metadata},
		Packages: map[string]int64{"added": s.PackagesAdded, "removed": s.PackagesRemoved, "changed": s.PackagesChanged},
		Registry: map[string]int64{"added": s.RegAdded, "removed": s.RegRemoved, "changed": s.RegChanged}}
	if err := d.a.line(diffDoc{Kind: "summary", Summary: &doc}); err != nil {
		return &outputError{err}
	}
	return nil
}

// text prints how the text of a file changed.
func (d *diffRun) text(c diff.Change, nameA, nameB string) error {
	var sides [2][]byte
	for i, n := range []*vfs.Node{c.A, c.B} {
		f, err := n.Open()
		if err != nil {
			d.errs.Add(guestError(c.Path, err))
			return nil
		}
		sides[i], err = io.ReadAll(io.LimitReader(f, maxText+1))
		f.Close()
		if err != nil {
			d.errs.Add(guestError(c.Path, err))
			return nil
		}
		if bytes.IndexByte(sides[i], 0) >= 0 || !utf8.Valid(sides[i]) {
			return nil // it is no text
		}
	}
	// An image's name may hold what ends the name in a head.
	name := func(image string) string { return terminal.Escape(image + ":" + shownPath(c.Path)) }
	text := diff.Unified(name(nameA), name(nameB), sides[0], sides[1])
	if d.a.json {
		doc := diffDoc{Kind: "text", Path: shownPath(c.Path), Text: string(text)}
		doc.Bytes = rawBytes(doc.Path, rawPath(doc.Path))
		if err := d.a.line(doc); err != nil {
			return &outputError{err}
		}
		return nil
	}
	d.a.out.Printf("\n")
	for line := range strings.Lines(string(text)) {
		style := terminal.Plain
		switch line[0] {
		case '+':
			style = terminal.Green
		case '-':
			style = terminal.Red
		case '@':
			style = terminal.Cyan
		}
		line = strings.TrimSuffix(line, "\n")
		// A tab is no danger, and a patch needs it.
		for i, part := range strings.Split(line, "\t") {
			if i > 0 {
				d.a.raw.WriteByte('\t')
			}
			d.a.out.Printf("%s", style.In(part))
		}
		d.a.out.Printf("\n")
	}
	if err := d.a.out.Err(); err != nil {
		return &outputError{err}
	}
	return nil
}
