package sbom

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestDebianExpressions has the examples of copyright-format 1.0, and licences of packages
// of Debian 12.
func TestDebianExpressions(t *testing.T) {
	for text, want := range map[string]string{
		"GPL-2+": "GPL-2.0-or-later", "GPL-2.0.0": "GPL-2.0-only", "gpl-3.0+": "GPL-3.0-or-later", "LGPL-2.1+": "LGPL-2.1-or-later", "LGPL-2": "LGPL-2.0-only",
		"Expat": "MIT", "expat": "MIT", "BSD-3-Clause": "BSD-3-Clause", "BSD-2-clause": "BSD-2-Clause", "Apache-2": "Apache-2.0", "Apache-2.0": "Apache-2.0", "BSL-1.0": "BSL-1.0",
		"GFDL-NIV-1.3+": "GFDL-1.3-no-invariants-or-later", "CC-BY-SA-3.0": "CC-BY-SA-3.0", "CC0": "CC0-1.0", "Artistic-2.0": "Artistic-2.0", "LPPL-1.3c": "LPPL-1.3c", "Zope-2.1": "ZPL-2.1",
		"GPL-1+ or Artistic-2":                     "GPL-1.0-or-later OR Artistic-2.0",
		"GPL-2+ and BSD-3-clause":                  "GPL-2.0-or-later AND BSD-3-Clause",
		"GPL-2+ or Artistic-2.0, and BSD-3-clause": "(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause",
		"ISC or Zlib and W3C":                      "ISC OR Zlib AND W3C",
		"(LGPL-3+ or GPL-2+) and Expat":            "(LGPL-3.0-or-later OR GPL-2.0-or-later) AND MIT",
		"GPL-2+ with Font exception":               "GPL-2.0-or-later WITH Font-exception-2.0",
		"GPL-2 with Linux-syscall-note exception":  "GPL-2.0-only WITH Linux-syscall-note",
		// What has no certain equal keeps its words.
		"GPL": "", "LGPL": "", "Artistic": "", "GPL-1+ or Artistic": "", "Perl": "", "MIT": "", "public-domain": "", "BSD-4-clause": "", "BSD": "", "GPL-4+": "", "Apache-2+": "", "GFDL-1.0": "",
		"GPL-2+ with OpenSSL exception": "", "GPL-2+ with Autoconf exception": "", "Expat and X-special": "", "GPL-2+ with": "", "Expat and": "", "and Expat": "", "(Expat": "", "Expat)": "", "Expat, ISC": "",
		"Expat ISC": "", "": "", "(": "", ",": "", "with Font exception": "", "-": "", "gpl-": "", "Expat with Linux-syscall-note": "",
		strings.Repeat("(", 300): "", strings.Repeat("Expat and ", 300) + "ISC": "",
	} {
		if got, ok := debianExpression(text, nil); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t, want %q", text, got, ok, want)
		}
	}
}

// TestDebianReferences names what has no certain equal, and keeps what is not in the form.
func TestDebianReferences(t *testing.T) {
	for text, want := range map[string]string{
		"BSD-3-clause and public-domain or GPL-2+": "BSD-3-Clause AND <public-domain> OR GPL-2.0-or-later",
		"GPL-2+ with OpenSSL exception":            "<GPL-2+ with OpenSSL exception>",
		"(GPL-1+ or Artistic) and Expat":           "(GPL-1.0-or-later OR <Artistic>) AND MIT",
		"Permission to use, copy":                  "", "Expat and (Artistic": "", "or": "", "GPL-2+ with all": "",
	} {
		if got, _ := debianExpression(text, func(words string) string { return "<" + words + ">" }); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestDebianIdentifiers takes each name of the tables, in each version.
func TestDebianIdentifiers(t *testing.T) {
	var all []string
	for name, id := range debianNames {
		if got := debianID(strings.ToUpper(name)); got != id {
			t.Errorf("%s: %q", name, got)
		}
		all = append(all, id)
	}
	for name, family := range debianVersions {
		for v := range strings.FieldsSeq(family.versions) {
			for _, plus := range []string{"", "+"} {
				got := debianID(name + "-" + v + plus)
				if (got == "") != (plus != "" && family.orLater == "") {
					t.Errorf("%s-%s%s: %q", name, v, plus, got)
				}
				if got != "" {
					all = append(all, got)
				}
			}
		}
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n < 60 {
		t.Errorf("%d identifiers", n)
	}
	for id := range maps.Keys(debianNames) {
		if id != strings.ToLower(id) {
			t.Errorf("%s is not in lower case", id)
		}
	}
}
