package report

import (
	"bufio"
	"fmt"
	"html"
)

// A markup is HTML that is being written. The program has no other templates, and with
// html/template the linker would have to keep every exported method of every type, since
// a template may call them by name.
type markup struct{ *bufio.Writer }

// put writes HTML in which each %v is text: it is escaped, and stays text in an element
// and in an attribute between quotes.
func (m markup) put(format string, text ...any) {
	for i, t := range text {
		text[i] = html.EscapeString(fmt.Sprint(t))
	}
	fmt.Fprintf(m, format, text...)
}

// chip is text that may be set off as what its class says.
func (m markup) chip(class, text string) {
	if class == "" {
		m.put("%v", text)
		return
	}
	m.put(`<span class="chip %v">%v</span>`, class, text)
}

// cards are facts beside each other.
func (m markup) cards(facts []pageFact) {
	m.put(`<dl class="cards">` + "\n")
	for _, f := range facts {
		m.put("<div><dt>%v</dt><dd>", f.Name)
		m.chip(f.Class, f.Value)
		m.put("</dd></div>\n")
	}
	m.put("</dl>\n")
}

// table is one of plain cells; it may have an id.
func (m markup) table(id string, head []string, rows [][]string) {
	m.put(`<div class="wide"><table`)
	if id != "" {
		m.put(` id="%v"`, id)
	}
	m.put("><thead><tr>")
	for _, h := range head {
		m.put("<th>%v</th>", h)
	}
	m.put("</tr></thead>\n<tbody>")
	for _, row := range rows {
		m.put("<tr>")
		for _, cell := range row {
			m.put("<td>%v</td>", cell)
		}
		m.put("</tr>\n")
	}
	m.put("</tbody></table></div>")
}

// page is the whole of it.
func (m markup) page(p *page) {
	m.put(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '%v'; script-src '%v'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="guestkit %v">
<title>%v</title>
<style>`, hash(pageStyle), hash(pageScript), p.Version, p.Title)
	m.WriteString(pageStyle)
	m.put(`</style>
</head>
<body>
<header>
<h1>%v</h1>
`, p.Title)
	for _, i := range p.Images {
		m.put(`<p class="sub"><span class="mono">%v</span> · %v · %v`, i.Name, i.Format, i.Size)
		if i.Note != "" {
			m.put(" · %v", i.Note)
		}
		m.put("</p>\n")
	}
	m.put(`<nav><a href="#concerns">Concerns</a><a href="#disks">Disks</a>`)
	for _, s := range p.Systems {
		m.put(`<a href="#system%v">%v</a>`, s.Index, s.Name)
	}
	if len(p.Problems) > 0 {
		m.put(`<a href="#problems">Problems</a>`)
	}
	m.put(`</nav>
</header>
<main>
<section aria-label="Summary">
`)
	m.cards(p.Summary)
	m.put("</section>\n\n")
	m.concerns(p)
	m.disks(p)
	for _, s := range p.Systems {
		m.system(s)
	}
	if len(p.Problems) > 0 {
		m.put(`<section id="problems">
<h2>Problems</h2>
<ul>`)
		for _, text := range p.Problems {
			m.put("<li>%v</li>\n", text)
		}
		m.put("</ul>\n</section>\n")
	}
	m.put(`</main>
<footer>Made by guestkit %v from the disks alone; nothing of the guest was run or changed.</footer>
<script>`, p.Version)
	m.WriteString(pageScript)
	m.put("</script>\n</body>\n</html>\n")
}

func (m markup) concerns(p *page) {
	m.put(`<section id="concerns">
<h2>Concerns</h2>
`)
	if len(p.Concerns) == 0 {
		m.put(`<p class="soft">Nothing is known that stands against %v.</p>`+"\n", p.Against)
	}
	for _, c := range p.Concerns {
		m.put(`<div class="concern of-%v">
<p><span class="chip %v">%v</span> <strong>%v</strong> <code class="soft">%v</code></p>
<p>%v</p>
<p class="soft">%v</p>
<details><summary class="soft">against %v`, c.Severity, c.Severity, c.Severity, c.Label, c.ID, c.Message, c.Remedy, c.Targets)
		if c.System != "" {
			m.put(", on %v", c.System)
		}
		m.put("; evidence</summary>\n<ul>")
		for _, e := range c.Evidence {
			m.put(`<li class="mono">%v</li>`, e)
		}
		m.put("</ul></details>\n</div>\n")
	}
	m.put("</section>\n\n")
}

func (m markup) disks(p *page) {
	m.put(`<section id="disks">
<h2>Disks</h2>
`)
	for _, d := range p.Disks {
		m.put(`<h3>%v · %v</h3>
<svg class="disk" viewBox="0 0 1000 %v" role="img" aria-label="%v">
<rect class="free" x="0" y="0.5" width="1000" height="44" rx="3"/>
`, d.Name, d.Size, d.Height, d.Label)
		for _, b := range d.Boxes {
			m.put(`<g><title>%v</title><rect class="box %v" x="%v" y="%v" width="%v" height="%v" rx="2"/>`, b.Title, b.Class, b.X, b.Y, b.W, b.H)
			if b.Used != 0 {
				m.put(`<rect class="used" x="%v" y="%v" width="%v" height="7" rx="2"/>`, b.X, b.UsedY, b.Used)
			}
			if b.Text != "" {
				m.put(`<text x="%v" y="%v">%v</text>`, b.TextX, b.TextY, b.Text)
			}
			m.put("</g>\n")
		}
		m.put("</svg>\n")
	}
	m.put(`<p class="legend">to scale:`)
	for _, l := range p.Legend {
		m.put(`<svg viewBox="0 0 10 10" aria-hidden="true"><rect class="%v" width="10" height="10" rx="2"/></svg>%v`, l.Class, l.Name)
	}
	m.put(`</p>
<div class="wide"><table>
<thead><tr><th>Volume</th><th class="n">Size</th><th class="n">Used</th><th class="n">Free</th><th>Holds</th><th>Label</th><th>UUID</th><th>State</th></tr></thead>
<tbody>`)
	for _, v := range p.Volumes {
		m.put(`<tr><td class="tree">%v%v</td><td class="n">%v</td><td class="n">%v</td><td class="n">%v</td><td>%v</td><td>%v</td><td class="mono">%v</td><td>`,
			v.Tree, v.Name, v.Size, v.Used, v.Free, v.Holds, v.Label, v.UUID)
		m.chip(v.Class, v.State)
		m.put(` <span class="soft">%v</span></td></tr>`+"\n", v.Reason)
	}
	m.put("</tbody></table></div>\n</section>\n\n")
}

func (m markup) system(s pageSystem) {
	m.put(`<section id="system%v">
<h2>%v</h2>
`, s.Index, s.Name)
	m.cards(s.Facts)
	for _, t := range s.Tables {
		m.put("<h3>%v</h3>\n", t.Name)
		m.table("", t.Head, t.Rows)
		m.put("\n")
	}
	for _, t := range s.Packages {
		n := len(t.Rows)
		m.put(`<h3><span id="%v-count">%v</span> %v`, t.ID, n, t.Name)
		if t.Note != "" {
			m.put(" ")
			m.chip("warning", t.Note)
		}
		m.put("</h3>\n")
		if n > 0 {
			open := ""
			if n < 500 {
				open = " open"
			}
			m.put(`<input class="search" type="search" hidden placeholder="Search in %v" aria-label="Search" data-of="%v">
<details%v><summary class="soft">%v</summary>
`, n, t.ID, open, t.Source)
			m.table(t.ID, t.Head, t.Rows)
			m.put("</details>")
		}
		m.put("\n")
	}
	if len(s.Evidence) > 0 {
		m.put(`<details><summary class="soft">Where all this is said: %v places</summary>
<div class="wide"><table><thead><tr><th>Field</th><th>Place</th></tr></thead>
<tbody>`, len(s.Evidence))
		for _, e := range s.Evidence {
			m.put(`<tr><td class="k">%v</td><td class="mono">%v</td></tr>`+"\n", e[0], e[1])
		}
		m.put("</tbody></table></div></details>")
	}
	m.put("\n</section>\n")
}
