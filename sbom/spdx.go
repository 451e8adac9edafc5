package sbom

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/pattern"
)

const noAssertion = "NOASSERTION"

// SPDX writes a document of SPDX 2.3 in JSON. It describes the systems, each of which
// contains its packages.
func SPDX(w io.Writer, rep *inspect.Report, o *Options) error {
	o = o.withDefaults()
	cs := components(rep)
	created := o.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: o.Name,
		DocumentNamespace: "https://spdx.org/spdxdocs/" + url.PathEscape(name(o.Name)) + "-" + identity(o, cs),
		CreationInfo: &spdx.CreationInfo{Created: created.UTC().Format("2006-01-02T15:04:05Z"),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: strings.TrimSuffix(o.Tool+"-"+o.Version, "-")}}},
		Packages: []*spdx.Package{},
	}
	relate := func(a common.ElementID, kind string, b common.ElementID) {
		doc.Relationships = append(doc.Relationships, &spdx.Relationship{RefA: common.MakeDocElementID("", string(a)), RefB: common.MakeDocElementID("", string(b)), Relationship: kind})
	}
	texts := map[string]bool{}
	for _, c := range cs {
		s := c.sys
		p := newPackage(c.ref, systemName(s), systemVersion(s))
		p.PrimaryPackagePurpose = "OPERATING-SYSTEM"
		p.PackageSummary = known(s.ProductName)
		if cpe := s.OSRelease["CPE_NAME"]; isCPE(cpe) {
			kind := common.TypeSecurityCPE22Type
			if strings.HasPrefix(cpe, "cpe:2.3:") {
				kind = common.TypeSecurityCPE23Type
			}
			p.PackageExternalReferences = append(p.PackageExternalReferences, &spdx.PackageExternalReference{Category: common.CategorySecurity, RefType: kind, Locator: cpe})
		}
		if c.state != inspect.PackagesRead {
			p.PackageComment = "The list of its packages is not complete: " + string(c.state) + ". " + oneLine(s.Packages.Reason)
		}
		doc.Packages = append(doc.Packages, p)
		relate("DOCUMENT", common.TypeRelationshipDescribe, p.PackageSPDXIdentifier)
		for _, it := range c.items {
			q := newPackage(it.ref, it.Name, it.Version)
			if s.Windows != nil {
				q.PrimaryPackagePurpose = "APPLICATION"
			}
			if by := oneLine(it.Maintainer); by != "" {
				q.PackageSupplier = organization(by)
			} else if by := oneLine(it.Vendor); by != "" {
				q.PackageSupplier = organization(by)
			}
			q.PackageSummary = it.Summary
			if l := expressionOf(it, func(words string) string { return license(doc, texts, words) }); l != "" {
				q.PackageLicenseDeclared = l
			} else if l := oneLine(it.License); l != "" {
				q.PackageLicenseDeclared = license(doc, texts, l)
			}
			if it.Source != "" {
				q.PackageSourceInfo = "built from " + strings.TrimSpace(it.Source+" "+it.SourceVersion)
			} else if it.SourceRPM != "" {
				q.PackageSourceInfo = "built from " + it.SourceRPM
			}
			if it.purl != "" {
				q.PackageExternalReferences = append(q.PackageExternalReferences, &spdx.PackageExternalReference{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: it.purl})
			}
			doc.Packages = append(doc.Packages, q)
			relate(p.PackageSPDXIdentifier, common.TypeRelationshipContains, q.PackageSPDXIdentifier)
		}
	}
	return write(w, doc)
}

func newPackage(ref, name, version string) *spdx.Package {
	return &spdx.Package{PackageName: name, PackageSPDXIdentifier: id(ref), PackageVersion: version, PackageDownloadLocation: noAssertion, IsFilesAnalyzedTagPresent: true,
		PackageSupplier: &common.Supplier{Supplier: noAssertion, SupplierType: ""}, PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion}
}

// id is that of a component: letters and digits, by what it is.
func id(ref string) common.ElementID {
	sum := sha256.Sum256([]byte(ref))
	return common.ElementID("Package-" + hex.EncodeToString(sum[:10]))
}

// name is what of a name may stand in an address.
func name(s string) string {
	return regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(s, "-")
}

// email is an address at the end of a name.
var email = pattern.Of(`^(.*?)\s*<([^<>()\s]+@[^<>()\s]+)>$`)

// organization is a supplier as SPDX writes it: "name (address)".
func organization(by string) *common.Supplier {
	address := ""
	if m := email().FindStringSubmatch(by); m != nil && m[1] != "" {
		by, address = m[1], " ("+m[2]+")"
	}
	by = strings.NewReplacer("(", "[", ")", "]").Replace(by)
	return &common.Supplier{SupplierType: "Organization", Supplier: by + address}
}

// cpe is one of the two forms of a CPE, as their schemas have them.
var cpe = pattern.Of(`^(?:[c][pP][eE]:/[AHOaho]?(?::[A-Za-z0-9\._\-~%]*){0,6}|cpe:2\.3:[aho\*\-](?::(?:(?:[?]*|\*?)(?:[a-zA-Z0-9\-\._]|(?:\\[\\\*\?!"#$%&'()\+,/:;<=>@\[\]\^` + "`" + `{\|}~]))+(?:[?]*|\*?)|[\*\-])){5}:(?:[a-zA-Z]{2,3}(?:-(?:[a-zA-Z]{2}|[0-9]{3}))?|[\*\-])(?::(?:(?:[?]*|\*?)(?:[a-zA-Z0-9\-\._]|(?:\\[\\\*\?!"#$%&'()\+,/:;<=>@\[\]\^` + "`" + `{\|}~]))+(?:[?]*|\*?)|[\*\-])){4})$`)

func isCPE(s string) bool { return s != "" && len(s) < 1000 && cpe().MatchString(s) }

// license is the name by which a document knows a licence in words of its own,
// which it then has.
func license(doc *spdx.Document, has map[string]bool, text string) string {
	sum := sha256.Sum256([]byte(text))
	name := "LicenseRef-" + hex.EncodeToString(sum[:8])
	if has[name] {
		return name
	}
	has[name] = true
	doc.OtherLicenses = append(doc.OtherLicenses, &spdx.OtherLicense{LicenseIdentifier: name, ExtractedText: text, LicenseName: noAssertion})
	return name
}
