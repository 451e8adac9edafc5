package sbom

import (
	"strings"
	"sync"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// licenses are the identifiers of the SPDX list that packages of distributions
// use most; what has another one is given in its own words, which is never wrong.
var licenses = set(`0BSD AFL-2.1 AGPL-3.0-only AGPL-3.0-or-later Apache-1.1 Apache-2.0 Artistic-1.0-Perl Artistic-2.0 BSD-1-Clause BSD-2-Clause BSD-3-Clause BSD-4-Clause
	BSD-4-Clause-UC BSD-Source-Code BSL-1.0 bzip2-1.0.6 CC-BY-3.0 CC-BY-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC0-1.0 CDDL-1.0 CDDL-1.1 CECILL-2.1 CPL-1.0 curl EPL-1.0 EPL-2.0
	FSFAP FSFUL FSFULLR FTL GFDL-1.1-or-later GFDL-1.2-or-later GFDL-1.3-only GFDL-1.3-or-later GPL-1.0-only GPL-1.0-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only
	GPL-3.0-or-later HPND HPND-sell-variant IJG ImageMagick Info-ZIP ISC JasPer-2.0 JSON LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only
	LGPL-3.0-or-later Libpng libpng-2.0 libtiff LPPL-1.3c MIT MIT-0 MIT-CMU MIT-Modern-Variant MIT-open-group MPL-1.1 MPL-2.0 NCSA NTP OFL-1.1 OLDAP-2.8 OpenSSL
	PHP-3.01 PostgreSQL PSF-2.0 Python-2.0 Python-2.0.1 Ruby Sleepycat SMLNJ TCL TCP-wrappers Unicode-3.0 Unicode-DFS-2016 Unlicense Vim W3C WTFPL X11 XFree86-1.1 Zlib ZPL-2.1`)

// exceptions follow WITH.
var exceptions = set(`Autoconf-exception-2.0 Autoconf-exception-3.0 Bison-exception-2.2 Classpath-exception-2.0 Font-exception-2.0 GCC-exception-2.0 GCC-exception-3.1
	Libtool-exception Linux-syscall-note LLVM-exception OCaml-LGPL-linking-exception OpenJDK-assembly-exception-1.0 openvpn-openssl-exception Qt-GPL-exception-1.0 u-boot-exception-2.0`)

// set is made when it is first asked for, which most runs of a program never do.
func set(text string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool {
		out := map[string]bool{}
		for _, w := range strings.Fields(text) {
			out[w] = true
		}
		return out
	})
}

// maxLicense bounds the words of an expression, and so how deep it is.
const maxLicense = 200

// isExpression reports whether text is an expression of SPDX, all identifiers of
// which are known.
func isExpression(text string) bool {
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
	if len(words) == 0 || len(words) > maxLicense {
		return false
	}
	open, operand := 0, true // what comes next
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case operand && w == "(":
			open++
		case operand && licenses()[w]:
			operand = false
			if i+2 < len(words) && words[i+1] == "WITH" && exceptions()[words[i+2]] {
				i += 2
			}
		case !operand && w == ")" && open > 0:
			open--
		case !operand && (w == "AND" || w == "OR"):
			operand = true
		default:
			return false
		}
	}
	return !operand && open == 0
}

// expressionOf is the expression of SPDX that the licence of a package is, "" if its words
// are no such; ref makes an identifier of those of Debian's that have none, if it is given.
func expressionOf(it item, ref func(words string) string) string {
	text := oneLine(it.License)
	if it.format == "deb" {
		text, _ = debianExpression(text, ref)
		return text
	}
	if !isExpression(text) {
		return ""
	}
	return text
}

// licenseOf is the licence of a package as CycloneDX has it, nil if none is said.
func licenseOf(it item) *cdx.Licenses {
	words, text := oneLine(it.License), expressionOf(it, nil)
	switch {
	case words == "":
		return nil
	case text == "":
		return &cdx.Licenses{{License: &cdx.License{Name: words}}}
	case licenses()[text]:
		return &cdx.Licenses{{License: &cdx.License{ID: text}}}
	}
	return &cdx.Licenses{{Expression: text}}
}
