package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/guestkit/guestkit/diff"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/terminal"
)

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

// diffLine is a line of the list.
type diffLine struct {
	style terminal.Style
	text  string
}

// maxHeld bounds the memory for what comes behind the summary.
const maxHeld = 64 << 20

// add prints a line of JSON, or keeps one for people until the summary is known.
func (d *diffRun) add(doc diffDoc) error {
	if d.a.json {
		if err := d.a.line(doc); err != nil {
			return &outputError{err}
		}
		return nil
	}
	if d.a.quiet {
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
	text := vfs.Unescape(doc.Path)
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
		doc.Bytes = rawBytes(doc.Path, vfs.Unescape(doc.Path))
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
