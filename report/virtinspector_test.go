package report

import (
	"testing"

	"github.com/guestkit/guestkit/inspect"
)

// TestOneText has the text of a package where virt-inspector has it: as the description
// where the database keeps no summary beside it.
func TestOneText(t *testing.T) {
	for format, want := range map[string][2]string{"deb": {"text", ""}, "rpm": {"text", ""}, "apk": {"", "text"}, "pacman": {"", "text"}} {
		a := newXMLApp(&inspect.System{PackageFormat: format}, inspect.Package{Name: "a", Upstream: "1", Summary: "text", URL: "https://example.org"})
		if got := [2]string{a.Summary, a.Description}; got != want || a.URL != "https://example.org" {
			t.Errorf("%s: %q, %s", format, got, a.URL)
		}
	}
	if a := newXMLApp(&inspect.System{Windows: &inspect.Windows{}}, inspect.Package{Summary: "text"}); a.Description != "text" || a.Summary != "" {
		t.Errorf("%+v", a)
	}
}
