package report

import (
	"cmp"
	"encoding/xml"
	"io"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/inspect"
)

// The elements of virt-inspector, in the order in which it writes them.
type xmlSystems struct {
	XMLName xml.Name    `xml:"operatingsystems"`
	Systems []xmlSystem `xml:"operatingsystem"`
}

type xmlSystem struct {
	Root       string   `xml:"root"`
	Name       string   `xml:"name"`
	Arch       string   `xml:"arch,omitempty"`
	Distro     string   `xml:"distro,omitempty"`
	Product    string   `xml:"product_name,omitempty"`
	Variant    string   `xml:"product_variant,omitempty"`
	Major      int      `xml:"major_version"`
	Minor      int      `xml:"minor_version"`
	Format     string   `xml:"package_format,omitempty"`
	Management string   `xml:"package_management,omitempty"`
	SystemRoot string   `xml:"windows_systemroot,omitempty"`
	ControlSet string   `xml:"windows_current_control_set,omitempty"`
	Hostname   string   `xml:"hostname,omitempty"`
	OSInfo     string   `xml:"osinfo,omitempty"`
	Mounts     xmlList  `xml:"mountpoints"`
	Volumes    xmlList  `xml:"filesystems"`
	Drives     *xmlList `xml:"drive_mappings"`
	Apps       *xmlList `xml:"applications"`
}

// An xmlList is an element of elements.
type xmlList struct {
	Mounts  []xmlMount  `xml:"mountpoint"`
	Volumes []xmlVolume `xml:"filesystem"`
	Drives  []xmlDrive  `xml:"drive_mapping"`
	Apps    []xmlApp    `xml:"application"`
}

type xmlMount struct {
	Dev  string `xml:"dev,attr"`
	Path string `xml:",chardata"`
}

type xmlVolume struct {
	Dev   string `xml:"dev,attr"`
	Type  string `xml:"type,omitempty"`
	Label string `xml:"label,omitempty"`
	UUID  string `xml:"uuid,omitempty"`
}

type xmlDrive struct {
	Name string `xml:"name,attr"`
	Dev  string `xml:",chardata"`
}

type xmlApp struct {
	Name        string `xml:"name"`
	DisplayName string `xml:"display_name,omitempty"`
	Epoch       int    `xml:"epoch,omitempty"`
	Version     string `xml:"version,omitempty"`
	Release     string `xml:"release,omitempty"`
	Arch        string `xml:"arch,omitempty"`
	Path        string `xml:"install_path,omitempty"`
	Publisher   string `xml:"publisher,omitempty"`
	URL         string `xml:"url,omitempty"`
	Source      string `xml:"source_package,omitempty"`
	Summary     string `xml:"summary,omitempty"`
	Description string `xml:"description,omitempty"`
}

// The words that the schema of virt-inspector has; what is none of them is left
// out, as virt-inspector leaves out what it does not know.
const (
	xmlTypes   = "dos freebsd hurd linux minix netbsd openbsd windows"
	xmlDistros = `alpinelinux altlinux archlinux buildroot centos cirros coreos debian fedora freebsd freedos frugalware gentoo kalilinux kylin linuxmint
		mageia mandriva meego msdos neokylin netbsd openbsd openmandriva opensuse oraclelinux pardus pldlinux redhat-based rhel scientificlinux slackware sles suse-based ttylinux ubuntu voidlinux windows`
	xmlFormats    = "apk deb ebuild pacman pisi pkgsrc rpm xbps"
	xmlManagement = "apk apt dnf pacman pisi portage up2date urpmi xbps yum zypper"
)

// distros are libguestfs's names of distributions that os-release calls otherwise.
var distros = map[string]string{
	"alpine": "alpinelinux", "arch": "archlinux", "kali": "kalilinux", "ol": "oraclelinux", "opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse",
	"opensuse-microos": "opensuse", "pld": "pldlinux", "scientific": "scientificlinux", "sled": "sles", "void": "voidlinux", "eopkg": "pisi",
}

// among is a word if the schema has it, else "".
func among(list, word string) string {
	if name, ok := distros[word]; ok {
		word = name
	}
	if slices.Contains(strings.Fields(list), word) {
		return word
	}
	return ""
}

func known(s string) string {
	if s == inspect.Unknown {
		return ""
	}
	return s
}

// distro is the name of a distribution. One that libguestfs has no name for is
// that of its family where the family has such a name.
func distro(s *inspect.System) string {
	if d := among(xmlDistros, s.Distro); d != "" {
		return d
	}
	switch s.Family {
	case inspect.FamilyRHEL:
		return "redhat-based"
	case inspect.FamilySUSE:
		return "suse-based"
	}
	return ""
}

// VirtInspector writes the XML that virt-inspector prints (its schema is
// virt-inspector.rng). Types of systems that the schema has no word for, and media,
// are left out; if none remains the error is ErrNoSystem.
func VirtInspector(w io.Writer, g *Guest) error {
	var doc xmlSystems
	for _, s := range g.Report.Systems {
		if x, ok := newXMLSystem(g.Report, s); ok {
			doc.Systems = append(doc.Systems, x)
		}
	}
	if len(doc.Systems) == 0 {
		return ErrNoSystem
	}
	return writeXML(w, `<?xml version="1.0"?>`, doc)
}

func newXMLSystem(rep *inspect.Report, s *inspect.System) (xmlSystem, bool) {
	x := xmlSystem{
		Root: deviceOfRoot(rep, s), Name: among(xmlTypes, string(s.Type)), Arch: known(s.Arch), Distro: distro(s), Product: known(s.ProductName),
		Major: s.Major, Minor: s.Minor, Format: among(xmlFormats, s.PackageFormat), Management: among(xmlManagement, cmp.Or(known(s.PackageManager), s.PackageManagerGuess)),
		Hostname: known(s.Hostname), OSInfo: known(s.OSInfo),
	}
	if x.Name == "" || s.Kind != inspect.KindInstalled {
		return x, false
	}
	if win := s.Windows; win != nil {
		x.Variant, x.Major, x.Minor = known(s.Variant), win.Major, win.Minor
		x.SystemRoot, x.ControlSet = s.SystemRoot, known(win.ControlSet)
		x.Format, x.Management = "", ""
	}
	x.mounts(rep, s)
	x.filesystems(rep, s)
	x.drives(rep, s)
	if s.Packages.Status == inspect.PackagesRead || s.Packages.Status == inspect.PackagesPartial {
		x.Apps = &xmlList{}
		for _, p := range s.Packages.Items {
			if p.User == "" { // virt-inspector has those of all users
				x.Apps.Apps = append(x.Apps.Apps, newXMLApp(s, p))
			}
		}
		slices.SortStableFunc(x.Apps.Apps, func(a, b xmlApp) int { return strings.Compare(a.Name, b.Name) }) // as virt-inspector has them
	}
	return x, true
}

// mounts lists what is mounted, the shortest path first.
func (x *xmlSystem) mounts(rep *inspect.Report, s *inspect.System) {
	seen := map[string]bool{}
	for _, m := range s.Mounts {
		if m.Volume == "" || m.Path == "" || seen[m.Path] {
			continue
		}
		seen[m.Path] = true
		x.Mounts.Mounts = append(x.Mounts.Mounts, xmlMount{deviceOfMount(rep, s, m), m.Path})
	}
	if !seen["/"] {
		x.Mounts.Mounts = append(x.Mounts.Mounts, xmlMount{x.Root, "/"})
	}
	slices.SortFunc(x.Mounts.Mounts, func(a, b xmlMount) int {
		return cmp.Or(len(a.Path)-len(b.Path), strings.Compare(a.Path, b.Path))
	})
}

// filesystems lists the volumes of a system: its root, what is mounted, and swap.
func (x *xmlSystem) filesystems(rep *inspect.Report, s *inspect.System) {
	seen := map[string]bool{}
	add := func(volume, dev string) {
		if v := volumeNamed(rep, volume); v != nil && !seen[dev] {
			seen[dev] = true
			x.Volumes.Volumes = append(x.Volumes.Volumes, xmlVolume{dev, known(v.Content), v.Label, v.UUID})
		}
	}
	add(s.Volume, x.Root)
	for _, m := range s.Mounts {
		add(m.Volume, deviceOfMount(rep, s, m))
	}
	if s.Windows != nil {
		for _, d := range s.Windows.Drives {
			add(d.Volume, deviceNamed(rep, d.Volume))
		}
	}
	if len(x.Volumes.Volumes) == 0 {
		x.Volumes.Volumes = []xmlVolume{{Dev: x.Root}}
	}
	slices.SortStableFunc(x.Volumes.Volumes, func(a, b xmlVolume) int { return strings.Compare(a.Dev, b.Dev) })
}

func (x *xmlSystem) drives(rep *inspect.Report, s *inspect.System) {
	if s.Windows == nil {
		return
	}
	var list xmlList
	for _, d := range s.Windows.Drives {
		if d.Volume != "" {
			list.Drives = append(list.Drives, xmlDrive{strings.TrimSuffix(d.Letter, ":"), deviceNamed(rep, d.Volume)})
		}
	}
	if len(list.Drives) > 0 {
		x.Drives = &list
	}
}

func newXMLApp(s *inspect.System, p inspect.Package) xmlApp {
	a := xmlApp{Name: p.Name, Epoch: p.Epoch, Version: p.Upstream, Release: p.Revision, Arch: p.Arch, Source: p.Source, Summary: p.Summary, URL: p.URL}
	if a.Version == "" {
		a.Version = known(p.Version)
	}
	if s.Windows != nil { // the key of the registry is the name there
		a.Name, a.DisplayName, a.Publisher, a.Path = cmp.Or(p.ID, p.Name), p.Name, p.Vendor, p.Location
	}
	if s.Windows != nil || s.PackageFormat == "pacman" || s.PackageFormat == "apk" { // which have one text
		a.Summary, a.Description = "", p.Summary
	}
	return a
}
