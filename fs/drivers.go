package fs

import (
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/btrfs"
	"github.com/guestkit/guestkit/fs/erofs"
	"github.com/guestkit/guestkit/fs/exfat"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/fat"
	"github.com/guestkit/guestkit/fs/iso9660"
	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/fs/squashfs"
	"github.com/guestkit/guestkit/fs/udf"
	"github.com/guestkit/guestkit/fs/ufs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/fs/xfs"
)

// A Driver reads the filesystems of some types.
type Driver struct {
	// Types are those that it reads, as package probe names them. "" is what is
	// not known there: Open then gets all of that, and its error wraps
	// block.ErrFormat where the volume is not its own.
	Types []string
	// Open opens the filesystem on r. Options is never nil.
	Open func(r block.Reader, o *Options) (vfs.FS, error)
}

// drivers are all that this package can open.
var drivers = [...]Driver{
	{[]string{"btrfs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return btrfs.Open(append([]block.Reader{r}, o.Devices...), &btrfs.Options{CacheBytes: o.CacheBytes, NoReplay: o.NoReplay})
	}},
	{[]string{"ext2", "ext3", "ext4"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return ext4.Open(r, &ext4.Options{CacheBytes: o.CacheBytes, NoReplay: o.NoReplay, Journal: named(o.Log, func() block.Reader { return ext4.FindJournal(r, o.Devices) })})
	}},
	{[]string{"erofs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return erofs.Open(r, &erofs.Options{CacheBytes: o.CacheBytes, Devices: o.Blobs, Among: o.Devices})
	}},
	{[]string{"iso9660"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return iso9660.Open(r, &iso9660.Options{CacheBytes: o.CacheBytes})
	}},
	{[]string{"exfat"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return exfat.Open(r, &exfat.Options{CacheBytes: o.CacheBytes})
	}},
	{[]string{"squashfs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return squashfs.Open(r, &squashfs.Options{CacheBytes: o.CacheBytes})
	}},
	{[]string{"udf"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return udf.Open(r, &udf.Options{CacheBytes: o.CacheBytes})
	}},
	{[]string{"ufs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return ufs.Open(r, &ufs.Options{CacheBytes: o.CacheBytes})
	}},
	{[]string{"vfat"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return fat.Open(r, &fat.Options{CacheBytes: o.CacheBytes})
	}},
	{[]string{"ntfs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return ntfs.Open(r, &ntfs.Options{CacheBytes: o.CacheBytes, Drive: o.Drive})
	}},
	{[]string{"xfs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return xfs.Open(r, &xfs.Options{CacheBytes: o.CacheBytes, IgnoreLog: o.NoReplay,
			Log:      named(o.Log, func() block.Reader { return xfs.FindLog(r, o.Devices) }),
			Realtime: named(o.Realtime, func() block.Reader { return xfs.FindRealtime(r, o.Devices) })})
	}},
}

// named is the device that the caller names, or else the one that is found.
func named(r block.Reader, find func() block.Reader) block.Reader {
	if r != nil {
		return r
	}
	return find()
}

// Types are the types that this package has drivers for, sorted.
func Types() []string {
	var out []string
	for _, d := range drivers {
		out = append(out, d.Types...)
	}
	slices.Sort(out)
	return out
}

// driverOf returns the driver of a type: the caller's own before those of this
// package.
func (o *Options) driverOf(typ string) *Driver {
	for _, ds := range [][]Driver{o.Drivers, drivers[:]} {
		if i := slices.IndexFunc(ds, func(d Driver) bool { return slices.Contains(d.Types, typ) }); i >= 0 {
			return &ds[i]
		}
	}
	return fallbackDriver(typ)
}
