package sbom_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/sbom"
)

func report(t *testing.T, name string) *inspect.Report {
	t.Helper()
	img, err := format.OpenFile("../testdata/images/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := inspect.Run(context.Background(), []block.Device{img}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rep.Close(); img.Close() })
	return rep
}

const nasty = "\x1b[31m<script>&\"' \u202e\u0085\x00 ../../etc (x) <a@b>\n=1+1 \ufffd\U000e0001 %zz#?@:"

// hostile has the same package twice, text of every bad kind, and all formats.
func hostile() *inspect.Report {
	rep := &inspect.Report{}
	for i, f := range []string{"deb", "rpm", "apk", "pacman", "xbps", "nix", "pkg", "ebuild", "pkgtools", "eopkg", "snap", "flatpak", "bottlerocket", "", nasty} {
		p := inspect.Package{Name: "p", Version: "1:2-3", Epoch: 1, Upstream: "2", Revision: "3", Arch: "x"}
		s := &inspect.System{Volume: fmt.Sprintf("gpt%d", i), Root: "/", Type: inspect.TypeLinux, Kind: inspect.KindInstalled, Distro: nasty, ProductName: nasty, VersionID: nasty, Version: nasty, PackageFormat: f,
			OSRelease: map[string]string{"CPE_NAME": nasty},
			Packages:  inspect.Packages{Status: inspect.PackagesPartial, Reason: nasty, Format: f, Items: []inspect.Package{p, p, {Name: "l", License: "GPL-2.0-or-later WITH GCC-exception-3.1 AND (MIT OR ISC)"}, {Name: "m", License: "MIT"}, {Name: "n", License: "GPLv2+ and custom:x"}, {Name: nasty, License: nasty, Version: nasty, Maintainer: nasty, Summary: nasty, Arch: nasty, Source: nasty, ID: nasty}, {Name: "", Version: inspect.Unknown}}}}
		rep.Systems = append(rep.Systems, s)
	}
	return rep
}

var forms = map[string]func(io.Writer, *inspect.Report, *sbom.Options) error{"cyclonedx": sbom.CycloneDX, "spdx": sbom.SPDX}

// A document is what both forms are looked at for.
type document struct {
	Components []struct {
		Ref  string `json:"bom-ref"`
		Type string
		Name, Version, PURL,
		CPE string
	}
	Dependencies []struct {
		Ref       string
		DependsOn []string
	}
	Compositions []struct {
		Aggregate  string
		Assemblies []string
	}
	SerialNumber string
	Packages     []struct {
		ID           string `json:"SPDXID"`
		Name         string
		Version      string `json:"versionInfo"`
		Supplier     string
		Purpose      string `json:"primaryPackagePurpose"`
		ExternalRefs []struct{ ReferenceType, ReferenceLocator string }
	}
	Relationships     []struct{ SpdxElementId, RelatedSpdxElement, RelationshipType string }
	DocumentNamespace string
}

func write(t *testing.T, form string, rep *inspect.Report) (string, document) {
	t.Helper()
	var b bytes.Buffer
	if err := forms[form](&b, rep, &sbom.Options{Name: "disk.qcow2", Version: "1.2", Created: time.Unix(1e9, 0)}); err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	return b.String(), d
}

// TestDocuments: IDs are unique and stay, what refers to something finds it, and no
// terminal obeys a document.
func TestDocuments(t *testing.T) {
	reports := map[string]func() *inspect.Report{"hostile": hostile, "none": func() *inspect.Report { return &inspect.Report{} }}
	for _, name := range []string{"debian12-bios.qcow2", "windows11.qcow2"} {
		reports[name] = func() *inspect.Report { return report(t, name) }
	}
	spdxID := regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	purl := regexp.MustCompile(`^pkg:[a-z0-9]+/([A-Za-z0-9.%_~:-]+/)?[A-Za-z0-9.%_~:-]+(@[A-Za-z0-9.%_~:-]+)?(\?[a-z_]+=[A-Za-z0-9.%_~:-]+(&[a-z_]+=[A-Za-z0-9.%_~:-]+)*)?$`)
	for name, get := range reports {
		for form := range forms {
			text, d := write(t, form, get())
			if again, _ := write(t, form, get()); again != text {
				t.Errorf("%s, %s: two documents of a report differ", name, form)
			}
			for line := range strings.Lines(text) {
				if terminal.Controls(strings.TrimSuffix(line, "\n")) {
					t.Errorf("%s, %s: a terminal obeys %q", name, form, line)
				}
			}
			ids := map[string]bool{"guest": true, "SPDXRef-DOCUMENT": true}
			add := func(id string) {
				if id == "" || ids[id] {
					t.Errorf("%s, %s: the id %q is there twice", name, form, id)
				}
				ids[id] = true
			}
			for _, c := range d.Components {
				add(c.Ref)
				if c.Type != "operating-system" && c.Name != "unknown" && !purl.MatchString(c.PURL) || c.Name == "" {
					t.Errorf("%s: %q has the purl %q", name, c.Name, c.PURL)
				}
			}
			for _, p := range d.Packages {
				add(p.ID)
				if !spdxID.MatchString(p.ID) || p.Name == "" {
					t.Errorf("%s: the id %q of %q", name, p.ID, p.Name)
				}
			}
			find := func(id string) {
				if !ids[id] {
					t.Errorf("%s, %s: nothing has the id %q", name, form, id)
				}
			}
			for _, x := range d.Dependencies {
				find(x.Ref)
				for _, id := range x.DependsOn {
					find(id)
				}
			}
			for _, x := range d.Compositions {
				for _, id := range x.Assemblies {
					find(id)
				}
				if name == "hostile" && x.Aggregate != "incomplete" {
					t.Errorf("a list that was cut is %s", x.Aggregate)
				}
			}
			for _, x := range d.Relationships {
				find(x.SpdxElementId)
				find(x.RelatedSpdxElement)
			}
		}
	}
}

// TestIdentity: a package more makes another document, the time does not.
func TestIdentity(t *testing.T) {
	rep := hostile()
	_, before := write(t, "cyclonedx", rep)
	_, spdxBefore := write(t, "spdx", rep)
	var b bytes.Buffer
	if err := sbom.CycloneDX(&b, rep, &sbom.Options{Name: "disk.qcow2"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), before.SerialNumber) || strings.Contains(b.String(), "timestamp") {
		t.Error("without a time the document has another number, or a time")
	}
	rep.Systems[0].Packages.Items = append(rep.Systems[0].Packages.Items, inspect.Package{Name: "more"})
	_, after := write(t, "cyclonedx", rep)
	_, spdxAfter := write(t, "spdx", rep)
	if before.SerialNumber == after.SerialNumber || spdxBefore.DocumentNamespace == spdxAfter.DocumentNamespace {
		t.Error("another document has the same number")
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(after.SerialNumber) {
		t.Errorf("the number %s is no UUID", after.SerialNumber)
	}
}

// TestSystem: what scanners go by.
func TestSystem(t *testing.T) {
	rep := report(t, "debian12-bios.qcow2")
	_, d := write(t, "cyclonedx", rep)
	if c := d.Components[0]; c.Type != "operating-system" || c.Name != "debian" || c.Version != "12" || len(d.Compositions) != 1 || d.Compositions[0].Aggregate != "complete" {
		t.Errorf("%+v, %+v", c, d.Compositions)
	}
	_, d = write(t, "spdx", rep)
	if p := d.Packages[1]; p.Name != "adduser" || p.Supplier != "Organization: Debian Adduser Developers (adduser@packages.debian.org)" || d.Packages[0].Purpose != "OPERATING-SYSTEM" {
		t.Errorf("%+v", p)
	}
	rep.Systems[0].OSRelease["CPE_NAME"] = "cpe:2.3:o:redhat:enterprise_linux:9:*:baseos:*:*:*:*:*"
	if _, d = write(t, "cyclonedx", rep); d.Components[0].CPE == "" {
		t.Error("the CPE is left out")
	}
	_, d = write(t, "spdx", rep)
	if refs := d.Packages[0].ExternalRefs; len(refs) != 1 || refs[0].ReferenceType != "cpe23Type" {
		t.Errorf("%+v", refs)
	}
}

// TestDpkg compares the packages with those that dpkg-query lists.
func TestDpkg(t *testing.T) {
	peers.Need(t, "dpkg-query")
	rep := report(t, "debian12-bios.qcow2")
	fsys, err := rep.Systems[0].FS()
	if err != nil {
		t.Fatal(err)
	}
	status, err := fs.ReadFile(fsys, "var/lib/dpkg/status")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "status"), status, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"info", "updates"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for line := range strings.Lines(peers.Run(t, "dpkg-query", "--admindir="+dir, "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n")) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "installed "); ok {
			want = append(want, rest)
		}
	}
	slices.Sort(want)
	for form := range forms {
		_, d := write(t, form, rep)
		var got []string
		for _, c := range d.Components[min(1, len(d.Components)):] {
			got = append(got, c.Name+" "+c.Version)
		}
		for _, p := range d.Packages[min(1, len(d.Packages)):] {
			got = append(got, p.Name+" "+p.Version)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || len(got) < 100 {
			t.Errorf("%s lists %d packages, and dpkg-query %d", form, len(got), len(want))
		}
	}
}

// TestLicenses: what is an expression is said as one, all else in its own words.
func TestLicenses(t *testing.T) {
	of := func(text string) (string, string) {
		rep := &inspect.Report{Systems: []*inspect.System{{Volume: "gpt1", Kind: inspect.KindInstalled, Packages: inspect.Packages{Status: inspect.PackagesRead, Items: []inspect.Package{{Name: "x", License: text}}}}}}
		var b, c bytes.Buffer
		if err := sbom.CycloneDX(&b, rep, nil); err != nil {
			t.Fatal(err)
		}
		if err := sbom.SPDX(&c, rep, nil); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Components []struct {
				Licenses []struct {
					License    struct{ ID, Name string }
					Expression string
				}
			}
		}
		var spdx struct {
			Packages []struct{ LicenseDeclared string }
			Texts    []struct{ ExtractedText string } `json:"hasExtractedLicensingInfos"`
		}
		if json.Unmarshal(b.Bytes(), &doc) != nil || json.Unmarshal(c.Bytes(), &spdx) != nil {
			t.Fatal("no JSON")
		}
		declared := spdx.Packages[1].LicenseDeclared
		if strings.HasPrefix(declared, "LicenseRef-") {
			declared = "text:" + spdx.Texts[0].ExtractedText
		}
		if len(doc.Components[1].Licenses) == 0 {
			return "", declared
		}
		l := doc.Components[1].Licenses[0]
		switch {
		case l.Expression != "":
			return "expression:" + l.Expression, declared
		case l.License.ID != "":
			return "id:" + l.License.ID, declared
		}
		return "name:" + l.License.Name, declared
	}
	for text, want := range map[string][2]string{
		"":    {"", "NOASSERTION"},
		"MIT": {"id:MIT", "MIT"},
		"GPL-2.0-or-later WITH GCC-exception-3.1 AND (MIT OR ISC)": {"expression:GPL-2.0-or-later WITH GCC-exception-3.1 AND (MIT OR ISC)", "GPL-2.0-or-later WITH GCC-exception-3.1 AND (MIT OR ISC)"},
		"GPLv2+ and MIT":                        {"name:GPLv2+ and MIT", "text:GPLv2+ and MIT"},
		"MIT AND":                               {"name:MIT AND", "text:MIT AND"},
		"(MIT":                                  {"name:(MIT", "text:(MIT"},
		"MIT)":                                  {"name:MIT)", "text:MIT)"},
		"MIT ISC":                               {"name:MIT ISC", "text:MIT ISC"},
		"MIT WITH x":                            {"name:MIT WITH x", "text:MIT WITH x"},
		"()":                                    {"name:()", "text:()"},
		"MIT\nand more":                         {"name:MIT and more", "text:MIT and more"},
		strings.Repeat("MIT AND ", 200) + "MIT": {"name:" + strings.Repeat("MIT AND ", 200) + "MIT", "text:" + strings.Repeat("MIT AND ", 200) + "MIT"},
	} {
		if a, b := of(text); a != want[0] || b != want[1] {
			t.Errorf("%q is %q and %q, want %q", text, a, b, want)
		}
	}
}
