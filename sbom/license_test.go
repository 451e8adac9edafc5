package sbom

import (
	"testing"

	"github.com/guestkit/guestkit/inspect"
)

// TestLicenseOf: an ID is one of the list of SPDX, and nothing else (CycloneDX 1.6,
// licenseChoice).
func TestLicenseOf(t *testing.T) {
	for text, want := range map[string][3]string{ // ID, expression, name
		"MIT":        {"MIT"},
		"(MIT)":      {"", "(MIT)"},
		"MIT OR ISC": {"", "MIT OR ISC"},
		"something":  {"", "", "something"},
		" \n ":       {},
		"":           {},
	} {
		var got [3]string
		if l := licenseOf(item{Package: inspect.Package{License: text}}); l != nil {
			got[1] = (*l)[0].Expression
			if one := (*l)[0].License; one != nil {
				got[0], got[2] = one.ID, one.Name
			}
		} else if want != got {
			t.Errorf("%q: none", text)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
