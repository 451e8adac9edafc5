package sbom

import "strings"

// debianNames are the short names of Debian's copyright files whose meaning is that of
// one identifier of SPDX (copyright-format 1.0, 7.1), in lower case. Names with versions
// are in debianVersions. Not here is what stands for several: "MIT" (many licences),
// "Artistic" and "Perl" (Perl's has an identifier of its own), "BSD-4-clause" (as has
// that of the University of California), "GPL" without a version, "public-domain".
var debianNames = map[string]string{
	"expat": "MIT", "isc": "ISC", "zlib": "Zlib", "w3c": "W3C", "cpl": "CPL-1.0", "cc0": "CC0-1.0",
	"bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
}

// debianVersions are the names that a version follows, each with how SPDX writes it:
// %s is the version.
var debianVersions = map[string]struct {
	id       string
	orLater  string // of "+", empty where SPDX has none
	versions string
}{
	"gpl": {"GPL-%s-only", "GPL-%s-or-later", "1.0 2.0 3.0"}, "lgpl": {"LGPL-%s-only", "LGPL-%s-or-later", "2.0 2.1 3.0"},
	"gfdl":     {"GFDL-%s-only", "GFDL-%s-or-later", "1.1 1.2 1.3"},
	"gfdl-niv": {"GFDL-%s-no-invariants-only", "GFDL-%s-no-invariants-or-later", "1.1 1.2 1.3"},
	"apache":   {"Apache-%s", "", "1.0 1.1 2.0"}, "artistic": {"Artistic-%s", "", "2.0"},
	"cc-by": {"CC-BY-%s", "", "1.0 2.0 2.5 3.0"}, "cc-by-sa": {"CC-BY-SA-%s", "", "1.0 2.0 2.5 3.0"},
	"cc-by-nd": {"CC-BY-ND-%s", "", "1.0 2.0 2.5 3.0"}, "cc-by-nc": {"CC-BY-NC-%s", "", "1.0 2.0 2.5 3.0"},
	"cc-by-nc-sa": {"CC-BY-NC-SA-%s", "", "1.0 2.0 2.5 3.0"}, "cc-by-nc-nd": {"CC-BY-NC-ND-%s", "", "1.0 2.0 2.5 3.0"},
	"cc0": {"CC0-%s", "", "1.0"}, "cddl": {"CDDL-%s", "", "1.0"}, "cpl": {"CPL-%s", "", "1.0"}, "efl": {"EFL-%s", "", "1.0 2.0"},
	"lppl": {"LPPL-%s", "", "1.0 1.1 1.2 1.3c"}, "mpl": {"MPL-%s", "", "1.1"}, "qpl": {"QPL-%s", "", "1.0"}, "zope": {"ZPL-%s", "", "1.1 2.0 2.1"},
}

// debianID is the identifier of SPDX for a short name, "" if no one is certain. An
// identifier of SPDX stands for itself, but for "MIT".
func debianID(name string) string {
	lower := strings.ToLower(name)
	if id := debianNames[lower]; id != "" {
		return id
	}
	if licenses()[name] && name != "MIT" {
		return name
	}
	base, plus := strings.CutSuffix(lower, "+")
	i := strings.LastIndexByte(base, '-')
	if i < 0 {
		return ""
	}
	family, ok := debianVersions[base[:i]]
	if !ok {
		return ""
	}
	version := strings.TrimSuffix(strings.TrimSuffix(base[i+1:], ".0"), ".0") // "2.0.0" is "2"
	for v := range strings.FieldsSeq(family.versions) {
		if strings.TrimSuffix(v, ".0") != version {
			continue
		}
		form := family.id
		if plus {
			form = family.orLater
		}
		return strings.ReplaceAll(form, "%s", v)
	}
	return ""
}

// debianExpression is the expression of SPDX for the licences that a copyright file of
// Debian states: "and" binds closer than "or", but for one with a comma before it
// (copyright-format 1.0, 7.2). Words that have no certain equal are what ref makes of
// them; where it is nil, and where the text is not in the form, there is none.
func debianExpression(text string, ref func(words string) string) (string, bool) {
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ", ",", " , ").Replace(text))
	if len(words) > maxLicense {
		return "", false
	}
	p := debianParser{words: words, ref: ref}
	out := p.all()
	if p.bad || len(p.words) > 0 {
		return "", false
	}
	return out.text, true
}

// A debianParser takes words from the front.
type debianParser struct {
	words []string
	ref   func(words string) string
	bad   bool
}

// A term is a part of an expression, and whether an OR in it is not in parentheses.
type term struct {
	text string
	or   bool
}

func (p *debianParser) next(word string) bool {
	if len(p.words) == 0 || !strings.EqualFold(p.words[0], word) {
		return false
	}
	p.words = p.words[1:]
	return true
}

func join(a term, op string, b term) term {
	if op == "OR" {
		return term{a.text + " OR " + b.text, true}
	}
	for _, t := range []*term{&a, &b} {
		if t.or {
			t.text = "(" + t.text + ")"
		}
	}
	return term{a.text + " AND " + b.text, false}
}

// all reads parts that a comma and a conjunction join.
func (p *debianParser) all() term {
	out := p.ors()
	for !p.bad && p.next(",") {
		switch {
		case p.next("and"):
			out = join(out, "AND", p.ors())
		case p.next("or"):
			out = join(out, "OR", p.ors())
		default:
			p.bad = true
		}
	}
	return out
}

func (p *debianParser) ors() term {
	out := p.ands()
	for !p.bad && p.next("or") {
		out = join(out, "OR", p.ands())
	}
	return out
}

func (p *debianParser) ands() term {
	out := p.one()
	for !p.bad && p.next("and") {
		out = join(out, "AND", p.one())
	}
	return out
}

// one reads a name, with its exception, or what stands in parentheses.
func (p *debianParser) one() (out term) {
	if len(p.words) == 0 || p.bad {
		p.bad = true
		return out
	}
	if p.next("(") {
		out = p.all()
		p.bad = p.bad || !p.next(")")
		return out
	}
	said := p.words[0]
	if strings.ContainsAny(said, "(),") || strings.EqualFold(said, "and") || strings.EqualFold(said, "or") || strings.EqualFold(said, "with") {
		p.bad = true
		return out
	}
	out.text = debianID(said)
	p.words = p.words[1:]
	if p.next("with") {
		if len(p.words) < 2 || !strings.EqualFold(p.words[1], "exception") {
			p.bad = true
			return out
		}
		exception := p.words[0]
		said += " with " + exception + " exception"
		p.words = p.words[2:]
		if strings.EqualFold(exception, "font") && strings.HasPrefix(out.text, "GPL-") { // whose text the format has
			exception = "Font-exception-2.0"
		}
		if exceptions()[exception] && out.text != "" {
			out.text += " WITH " + exception
		} else {
			out.text = ""
		}
	}
	if out.text == "" && p.ref != nil {
		out.text = p.ref(said)
	}
	p.bad = out.text == ""
	return out
}
