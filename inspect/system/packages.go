package system

import "time"

// PackageStatus says how far a package database was read.
type PackageStatus string

// PackagesNone means that no package database was found. Only PackagesRead
// means that Items is all there is.
const (
	PackagesNone    PackageStatus = "none"
	PackagesRead    PackageStatus = "read"
	PackagesPartial PackageStatus = "partial"
	PackagesNotRead PackageStatus = "not_read"
)

// Packages is what one package database of a system holds.
type Packages struct {
	Status   PackageStatus `json:"status"`
	Reason   string        `json:"reason,omitempty"` // why it is partial or not read
	Format   string        `json:"format,omitempty"` // "deb", "rpm", "apk", "pacman" …
	Database string        `json:"database,omitempty"`
	Items    []Package     `json:"items,omitempty"` // in the order of the database
}

// A Package is an installed one.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"` // whole, as its manager prints it: "1:9.2p1-2+deb12u2"
	// Epoch, Upstream and Revision are the parts of Version.
	Epoch         int    `json:"epoch"`
	Upstream      string `json:"upstream"`
	Revision      string `json:"revision,omitempty"`
	Arch          string `json:"arch,omitempty"` // the package's own word: "amd64", "all"
	Source        string `json:"source,omitempty"`
	SourceVersion string `json:"source_version,omitempty"`
	SourceEpoch   int    `json:"source_epoch,omitempty"` // a part of SourceVersion
	Section       string `json:"section,omitempty"`
	Maintainer    string `json:"maintainer,omitempty"`
	Summary       string `json:"summary,omitempty"`
	// License is what the database says, in its own words: an SPDX expression in
	// newer packages, anything in older ones; empty where it says nothing. Of dpkg see
	// Options.PackageLicenses.
	License string `json:"license,omitempty"`
	// PURL is its package URL, empty for formats that have no type there.
	PURL string `json:"purl,omitempty"`
	// ID is the path in the store of Nix, or the name of the key that Windows keeps the program in: "7-Zip",
	// or a GUID in braces.
	ID string `json:"id,omitempty"`
	// SourceRPM, Vendor and Installed are what rpm keeps beside; Windows has
	// the last two as well.
	SourceRPM string     `json:"source_rpm,omitempty"`
	Vendor    string     `json:"vendor,omitempty"`
	Installed *time.Time `json:"installed,omitempty"`
	URL       string     `json:"url,omitempty"` // its page
	// Location and WinGet are what Windows keeps beside: where a program is installed,
	// and the ID that winget knows it by. User is set for what only that user has.
	Location string `json:"location,omitempty"`
	WinGet   string `json:"winget,omitempty"`
	User     string `json:"user,omitempty"`
	// Modularity is the label of the module that a package of rpm is of:
	// "nodejs:18:8090020231018070010:a75119d5".
	Modularity string `json:"modularity,omitempty"`
	// Files are its paths, if Options ask for them and the database has them.
	Files []string `json:"files,omitempty"`
	// State is set where the files are there and the package is not quite
	// installed: dpkg's "unpacked", "half-configured", "triggers-pending".
	State string `json:"state,omitempty"`
}

// Cost is what the list takes of Options.MaxAllPackages: each package counts once, and
// once more for each KiB of its text.
func (p *Packages) Cost() int {
	n := len(p.Items)
	for i := range p.Items {
		x := &p.Items[i]
		text := len(x.Name) + len(x.Version) + len(x.Upstream) + len(x.Source) + len(x.SourceVersion) + len(x.Section) + len(x.Maintainer) + len(x.Summary) +
			len(x.License) + len(x.PURL) + len(x.ID) + len(x.SourceRPM) + len(x.Vendor) + len(x.Location) + len(x.URL) + len(x.Modularity)
		for _, f := range x.Files {
			text += 16 + len(f)
		}
		n += text >> 10
	}
	return n
}
