package inspect

import (
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/volume"
)

// What bounds an inspection where Options do not say.
const (
	DefaultMaxConfig   = system.DefaultMaxConfig   // bytes
	DefaultMaxDatabase = system.DefaultMaxDatabase // bytes
	DefaultMaxPackages = system.DefaultMaxPackages
)

// Options says how disks are inspected. The zero value, or nil, is safe with
// hostile disks.
type Options struct {
	Volume *volume.Options
	FS     *fs.Options
	// Type states of which type a volume's filesystem is, as package probe names
	// it, whatever is found there; "" leaves it to what is found. The volume has
	// its name, place and content. Nil states nothing.
	Type func(v *Volume) string

	// Devices name the devices of filesystems that lie on several, where what is on
	// these does not tell whose they are. A name that no volume has, or several, and a
	// filesystem that has no such device are errors of Run that wrap block.ErrOption.
	Devices []DeviceOf

	// Progress is told how far Run, or Volumes, is: by their own goroutine, so
	// that it may ask for nothing of what is being inspected. Nil is told nothing.
	Progress func(Progress)

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
}
