package inspect

import (
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/volume"
)

// What bounds an inspection where Options do not say.
const (
	DefaultMaxConfig   = 1 << 20  // bytes
	DefaultMaxDatabase = 64 << 20 // bytes
	DefaultMaxPackages = 100000
)

// Options says how disks are inspected. The zero value, or nil, is safe with
// hostile disks.
type Options struct {
	Volume *volume.Options
	FS     *fs.Options

	// NoPackages leaves the package databases unread; they are listed as
	// not read.
	NoPackages bool
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

func (o *Options) maxConfig() int64 {
	if o.MaxConfig == 0 {
		return DefaultMaxConfig
	}
	return o.MaxConfig
}

func (o *Options) maxDatabase() int64 {
	if o.MaxDatabase == 0 {
		return DefaultMaxDatabase
	}
	return o.MaxDatabase
}

func (o *Options) maxPackages() int {
	if o.MaxPackages == 0 {
		return DefaultMaxPackages
	}
	return o.MaxPackages
}
