package sbom

import (
	"io"
	"strconv"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/guestkit/guestkit/inspect"
)

// CycloneDX writes a document of CycloneDX 1.6 in JSON. The systems are components
// of the type operating-system that depend on their packages; what could not be read
// whole is said as a composition that is incomplete.
func CycloneDX(w io.Writer, rep *inspect.Report, o *Options) error {
	o = o.withDefaults()
	cs := components(rep)
	const root = "guest"
	list, deps, comps := []cdx.Component{}, []cdx.Dependency{}, []cdx.Composition{}
	var systems []string
	for _, c := range cs {
		systems = append(systems, c.ref)
		list = append(list, systemComponent(c))
		var refs []string
		for _, it := range c.items {
			list = append(list, packageComponent(c.sys, it))
			refs = append(refs, it.ref)
		}
		dep := cdx.Dependency{Ref: c.ref}
		if len(refs) > 0 {
			dep.Dependencies = &refs
		}
		deps = append(deps, dep)
		state := cdx.Composition{Aggregate: cdx.CompositionAggregateComplete, Assemblies: &[]cdx.BOMReference{cdx.BOMReference(c.ref)}}
		switch c.state {
		case inspect.PackagesPartial:
			state.Aggregate = cdx.CompositionAggregateIncomplete
		case inspect.PackagesNotRead, inspect.PackagesNone:
			state.Aggregate = cdx.CompositionAggregateUnknown
		}
		comps = append(comps, state)
	}
	rootDep := cdx.Dependency{Ref: root}
	if len(systems) > 0 {
		rootDep.Dependencies = &systems
	}
	deps = append([]cdx.Dependency{rootDep}, deps...)

	bom := cdx.NewBOM()
	bom.SpecVersion = cdx.SpecVersion1_6
	bom.JSONSchema = "http://cyclonedx.org/schema/bom-1.6.schema.json"
	bom.SerialNumber = "urn:uuid:" + identity(o, cs)
	bom.Metadata = &cdx.Metadata{
		Component: &cdx.Component{BOMRef: root, Type: cdx.ComponentTypeDevice, Name: o.Name, Description: "a virtual machine's disks"},
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: o.Tool, Version: o.Version}}},
	}
	if !o.Created.IsZero() {
		bom.Metadata.Timestamp = o.Created.UTC().Format(time.RFC3339)
	}
	bom.Components, bom.Dependencies = &list, &deps
	if len(comps) > 0 {
		bom.Compositions = &comps
	}
	return write(w, bom)
}

func systemComponent(c component) cdx.Component {
	s := c.sys
	out := cdx.Component{BOMRef: c.ref, Type: cdx.ComponentTypeOS, Name: systemName(s), Version: systemVersion(s), Description: known(s.ProductName)}
	if cpe := s.OSRelease["CPE_NAME"]; isCPE(cpe) {
		out.CPE = cpe
	}
	var p properties
	p.add("architecture", known(s.Arch))
	p.add("codename", known(s.Codename))
	p.add("exact version", known(s.Version))
	p.add("package format", known(s.PackageFormat))
	p.add("volume", s.Volume)
	out.Properties = p.list()
	return out
}

func packageComponent(s *inspect.System, it item) cdx.Component {
	out := cdx.Component{BOMRef: it.ref, Type: cdx.ComponentTypeLibrary, Name: it.Name, Version: it.Version, PackageURL: it.purl, Description: it.Summary}
	if s.Windows != nil {
		out.Type = cdx.ComponentTypeApplication
	}
	if it.Maintainer != "" {
		out.Supplier = &cdx.OrganizationalEntity{Name: oneLine(it.Maintainer)}
	} else if it.Vendor != "" {
		out.Supplier = &cdx.OrganizationalEntity{Name: oneLine(it.Vendor)}
	}
	out.Licenses = licenseOf(it)
	var p properties
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
	out.Properties = p.list()
	return out
}

// properties are further facts, in a namespace of their own.
type properties []cdx.Property

func (p *properties) add(name, value string) {
	if value != "" {
		*p = append(*p, cdx.Property{Name: "guestkit:" + name, Value: value})
	}
}

func (p *properties) list() *[]cdx.Property {
	if len(*p) == 0 {
		return nil
	}
	return (*[]cdx.Property)(p)
}
