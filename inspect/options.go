package inspect

import (
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/volume"
)

// Options says how disks are inspected. The zero value, or nil, is safe with
// hostile disks.
type Options struct {
	Volume *volume.Options
	FS     *fs.Options

	// NoPackages leaves the package databases unread; they are listed as
	// not read.
	NoPackages bool
	// MaxConfig bounds a configuration file in bytes; 0 means 1 MiB. A
	// larger one is reported and ignored.
	MaxConfig int64
	// MaxDatabase bounds the file of a package database in bytes; 0 means
	// 64 MiB. A larger one is listed as not read.
	MaxDatabase int64
	// MaxPackages bounds the packages of one database; 0 means 100000. The
	// list of a larger one is partial.
	MaxPackages int
}

func (o *Options) maxConfig() int64 {
	if o.MaxConfig == 0 {
		return 1 << 20
	}
	return o.MaxConfig
}

func (o *Options) maxDatabase() int64 {
	if o.MaxDatabase == 0 {
		return 64 << 20
	}
	return o.MaxDatabase
}

func (o *Options) maxPackages() int {
	if o.MaxPackages == 0 {
		return 100000
	}
	return o.MaxPackages
}
