package system

// What bounds a detector where Options do not say.
const (
	DefaultMaxConfig   = 1 << 20  // bytes
	DefaultMaxDatabase = 64 << 20 // bytes
	DefaultMaxPackages = 100000
)

// Options says how a detector reads a guest. The zero value, or nil, is safe
// with hostile guests.
type Options struct {
	// NoPackages leaves the package databases unread; they are listed as
	// not read.
	NoPackages bool
	// Initramfs unpacks the initramfs of each kernel, to say which drivers are in
	// it. That may take seconds.
	Initramfs bool
	// PackageFiles lists the files of each package, where the database has them.
	PackageFiles bool
	// PackageLicenses reads the licences of Debian packages out of the copyright file
	// of each; the databases of others have them.
	PackageLicenses bool
	// MaxConfig bounds a configuration file in bytes; 0 means
	// DefaultMaxConfig. A larger one is reported and ignored.
	MaxConfig int64
	// MaxDatabase bounds the file of a package database in bytes; 0 means
	// DefaultMaxDatabase. A larger one is listed as not read.
	MaxDatabase int64
	// MaxPackages bounds the packages of one database; 0 means
	// DefaultMaxPackages. The list of a larger one is partial.
	MaxPackages int
	// MaxAllPackages bounds the packages of all databases together, by what
	// Packages.Cost counts; 0 means four times MaxPackages, and less than 0 that none
	// is read.
	MaxAllPackages int
	// Problem takes what is wrong with a file of the guest, each with its
	// name; the file counts as not there. Nil ignores it.
	Problem func(error)
}

// WithDefaults returns the options with no field left open.
func (o *Options) WithDefaults() *Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.MaxConfig == 0 {
		out.MaxConfig = DefaultMaxConfig
	}
	if out.MaxDatabase == 0 {
		out.MaxDatabase = DefaultMaxDatabase
	}
	if out.MaxPackages == 0 {
		out.MaxPackages = DefaultMaxPackages
	}
	if out.MaxAllPackages == 0 {
		out.MaxAllPackages = AllPackages(out.MaxPackages)
	}
	if out.Problem == nil {
		out.Problem = func(error) {}
	}
	return &out
}

// AllPackages is how many packages all databases together may have, where one may have
// that many: a guest may have thousands of databases, which may be one file.
func AllPackages(ofOne int) int { return 4 * ofOne }
