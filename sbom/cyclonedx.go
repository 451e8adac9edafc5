package sbom

import (
	"io"
	"strconv"
	"time"

	"github.com/guestkit/guestkit/inspect"
)

// CycloneDX writes a document of CycloneDX 1.6 in JSON. The systems are components
// of the type operating-system that depend on their packages; what could not be read
// whole is said as a composition that is incomplete.
func CycloneDX(w io.Writer, rep *inspect.Report, o *Options) error {
	o = o.withDefaults()
	cs := components(rep)
	const root = "guest"
	bom := cdxBOM{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", SerialNumber: "urn:uuid:" + identity(o, cs), Version: 1,
		Components: []cdxComponent{}, Dependencies: []cdxDependency{{Ref: root}},
	}
	if !o.Created.IsZero() {
		bom.Metadata.Timestamp = o.Created.UTC().Format(time.RFC3339)
	}
	bom.Metadata.Tools.Components = []cdxComponent{{Type: cdxApplication, Name: o.Tool, Version: o.Version}}
	bom.Metadata.Component = cdxComponent{BOMRef: root, Type: "device", Name: o.Name, Description: "a virtual machine's disks"}
	for _, c := range cs {
		bom.Dependencies[0].DependsOn = append(bom.Dependencies[0].DependsOn, c.ref)
		bom.Components = append(bom.Components, systemComponent(c))
		dep := cdxDependency{Ref: c.ref}
		for _, it := range c.items {
			bom.Components = append(bom.Components, packageComponent(c.sys, it))
			dep.DependsOn = append(dep.DependsOn, it.ref)
		}
		bom.Dependencies = append(bom.Dependencies, dep)
		state := cdxComposition{Aggregate: "complete", Assemblies: []string{c.ref}}
		switch c.state {
		case inspect.PackagesPartial:
			state.Aggregate = "incomplete"
		case inspect.PackagesNotRead, inspect.PackagesNone:
			state.Aggregate = "unknown"
		}
		bom.Compositions = append(bom.Compositions, state)
	}
	return write(w, bom)
}

// The objects of CycloneDX, with the properties that are written.
type (
	cdxBOM struct {
		Schema       string `json:"$schema"`
		Format       string `json:"bomFormat"`
		SpecVersion  string `json:"specVersion"`
		SerialNumber string `json:"serialNumber"`
		Version      int    `json:"version"`
		Metadata     struct {
			Timestamp string `json:"timestamp,omitempty"`
			Tools     struct {
				Components []cdxComponent `json:"components"`
			} `json:"tools"`
			Component cdxComponent `json:"component"`
		} `json:"metadata"`
		Components   []cdxComponent   `json:"components"`
		Dependencies []cdxDependency  `json:"dependencies"`
		Compositions []cdxComposition `json:"compositions,omitempty"`
	}
	cdxComponent struct {
		BOMRef      string        `json:"bom-ref,omitempty"`
		Type        string        `json:"type"`
		Supplier    *cdxSupplier  `json:"supplier,omitempty"`
		Name        string        `json:"name"`
		Version     string        `json:"version,omitempty"`
		Description string        `json:"description,omitempty"`
		Licenses    []cdxLicense  `json:"licenses,omitempty"`
		CPE         string        `json:"cpe,omitempty"`
		PURL        string        `json:"purl,omitempty"`
		Properties  cdxProperties `json:"properties,omitempty"`
	}
	cdxSupplier struct {
		Name string `json:"name"`
	}
	// A cdxLicense has either field.
	cdxLicense struct {
		License    *cdxNamed `json:"license,omitempty"`
		Expression string    `json:"expression,omitempty"`
	}
	cdxNamed struct { // by the SPDX list, or in words of its own
		ID   string `json:"id,omitempty"`
		Name string `json:"name,omitempty"`
	}
	cdxProperties []cdxProperty
	cdxProperty   struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	cdxDependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
	cdxComposition struct {
		Aggregate  string   `json:"aggregate"`
		Assemblies []string `json:"assemblies"`
	}
)

const cdxApplication = "application"

// add adds a further fact, in a namespace of its own.
func (p *cdxProperties) add(name, value string) {
	if value != "" {
		*p = append(*p, cdxProperty{Name: "guestkit:" + name, Value: value})
	}
}

func systemComponent(c component) cdxComponent {
	s := c.sys
	out := cdxComponent{BOMRef: c.ref, Type: "operating-system", Name: systemName(s), Version: systemVersion(s), Description: known(s.ProductName)}
	if cpe := s.OSRelease["CPE_NAME"]; isCPE(cpe) {
		out.CPE = cpe
	}
	p := &out.Properties
	p.add("architecture", known(s.Arch))
	p.add("codename", known(s.Codename))
	p.add("exact version", known(s.Version))
	p.add("package format", known(s.PackageFormat))
	p.add("volume", s.Volume)
	return out
}

func packageComponent(s *inspect.System, it item) cdxComponent {
	out := cdxComponent{BOMRef: it.ref, Type: "library", Name: it.Name, Version: it.Version, PURL: it.purl, Description: it.Summary}
	if s.Windows != nil {
		out.Type = cdxApplication
	}
	if it.Maintainer != "" {
		out.Supplier = &cdxSupplier{Name: oneLine(it.Maintainer)}
	} else if it.Vendor != "" {
		out.Supplier = &cdxSupplier{Name: oneLine(it.Vendor)}
	}
	out.Licenses = licenseOf(it.License)
	p := &out.Properties
	p.add("architecture", it.Arch)
	if it.Epoch != 0 {
		p.add("epoch", strconv.Itoa(it.Epoch))
	}
	p.add("format", it.format)
	p.add("id", it.ID)
	if it.Installed != nil {
		p.add("installed", it.Installed.UTC().Format(time.RFC3339))
	}
	p.add("source", it.Source)
	p.add("source rpm", it.SourceRPM)
	p.add("source version", it.SourceVersion)
	p.add("state", it.State)
	return out
}
