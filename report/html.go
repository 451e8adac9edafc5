package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/guestkit/guestkit/concern"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// A page is what the template shows. All text in it is escaped: no control
// character and nothing that reorders text is left, so that a guest cannot make a
// page say something else to its reader; markup is the template's affair.
type page struct {
	Title, Version        string
	Style                 template.CSS
	Script                template.JS
	StyleHash, ScriptHash string
	Images                []pageImage
	Summary               []pageFact
	Concerns              []pageConcern
	Against               string
	Disks                 []pageDisk
	Legend                []pageFact
	Volumes               []pageVolume
	Systems               []pageSystem
	Problems              []string
}

type pageImage struct{ Name, Format, Size, Note string }

type pageFact struct{ Name, Value, Class string }

type pageConcern struct {
	ID, Severity, Label, Message, Remedy, Targets, System string
	Evidence                                              []string
}

type pageSystem struct {
	Index    int
	Name     string
	Facts    []pageFact
	Tables   []pageTable
	Packages []pageTable
	Evidence [][]string
}

type pageTable struct {
	ID, Name, Note, Source string
	Head                   []string
	Rows                   [][]string
}

// HTML writes a page to hand to somebody: one file that needs nothing else, no
// network and no script (one searches the packages, where scripts run). Its policy
// (CSP) allows that script and the style by their hashes, and nothing else. against
// names what the concerns were narrowed to, version the program.
func HTML(w io.Writer, g *Guest, version, against string) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	p := &page{Version: esc(version), Style: template.CSS(pageStyle), Script: template.JS(pageScript), StyleHash: hash(pageStyle), ScriptHash: hash(pageScript)}
	p.Against = "moving this guest"
	if against != "" {
		p.Against = esc(against)
	}
	p.head(g)
	p.concerns(g.Concerns)
	p.disks(g)
	p.volumes(g)
	for i, s := range g.Report.Systems {
		p.Systems = append(p.Systems, newPageSystem(i+1, s))
	}
	for _, err := range g.Problems {
		p.Problems = append(p.Problems, esc(err.Error()))
	}
	return t.Execute(w, p)
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func esc(s string) string { return terminal.Escape(s) }

// say is text that is known, escaped.
func say(s string) string { return esc(known(s)) }

func systemTitle(s *inspect.System) string {
	if n := known(s.ProductName); n != "" {
		return esc(n)
	}
	return esc(strings.TrimSpace(string(s.Type) + " " + known(s.Version)))
}

func (p *page) head(g *Guest) {
	p.Title = "A guest without a system"
	if len(g.Report.Systems) > 0 {
		var names []string
		for _, s := range g.Report.Systems[:min(len(g.Report.Systems), 4)] {
			names = append(names, systemTitle(s))
		}
		p.Title = strings.Join(names, ", ")
		if h := known(g.Report.Systems[0].Hostname); h != "" {
			p.Title = esc(h) + " – " + p.Title
		}
	}
	for _, i := range g.Images {
		img := pageImage{Name: esc(i.Name), Format: esc(strings.TrimSpace(i.Format + " " + i.Subformat)), Size: terminal.Size(i.VirtualSize)}
		var notes []string
		if i.Wrapper != "" {
			notes = append(notes, "in "+i.Wrapper)
		}
		for _, below := range i.Chain {
			notes = append(notes, "on "+below.Name)
		}
		img.Note = esc(strings.Join(notes, ", "))
		p.Images = append(p.Images, img)
	}
	fact := func(name, value, class string) {
		if value != "" {
			p.Summary = append(p.Summary, pageFact{name, value, class})
		}
	}
	for _, s := range g.Report.Systems {
		fact("System", systemTitle(s), "")
		fact("Architecture", say(s.Arch), "")
		fact("Firmware", say(string(s.Firmware)), "")
		if n := len(s.Packages.Items); n > 0 {
			fact("Packages", fmt.Sprintf("%d %s", n, say(s.PackageFormat)), "")
		}
	}
	switch worst := concern.Worst(g.Concerns); worst {
	case "":
		fact("Concerns", "none", "good")
	default:
		fact("Concerns", fmt.Sprintf("%d, the worst is %s", len(g.Concerns), worst), string(worst))
	}
	if g.Report.Complete() {
		fact("Coverage", "all volumes were read", "good")
	} else {
		fact("Coverage", fmt.Sprintf("not complete: %d volumes were not read", len(g.Report.Unread())), "warning")
	}
}

func (p *page) concerns(list []concern.Concern) {
	for _, c := range list {
		x := pageConcern{ID: c.ID, Severity: string(c.Severity), Label: c.Label, Message: esc(c.Message), Remedy: c.Remedy, System: esc(c.System), Targets: "all platforms"}
		if len(c.Targets) > 0 {
			x.Targets = strings.Join(c.Targets, ", ")
		}
		for _, e := range c.Evidence {
			if text := place(e); text != "" {
				x.Evidence = append(x.Evidence, text)
			}
		}
		p.Concerns = append(p.Concerns, x)
	}
}

// place is evidence in a line.
func place(e inspect.Evidence) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if e.Volume != "" {
		add("%s", e.Volume)
	}
	switch {
	case e.Path != "" && e.Line > 0:
		add("%s:%d", e.Path, e.Line)
	case e.Path != "" && e.Offset > 0:
		add("%s at %#x", e.Path, e.Offset)
	case e.Path != "":
		add("%s", e.Path)
	}
	if e.Key != "" {
		add("%s", strings.TrimSpace(e.Key+" "+e.Value))
	}
	if e.Detail != "" {
		add("%s", e.Detail)
	}
	return esc(strings.Join(parts, " – "))
}
