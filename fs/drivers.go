package fs

import (
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/fat"
	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/fs/squashfs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/fs/xfs"
)

// A driver reads the filesystems of some types.
type driver struct {
	types []string
	open  func(r block.Reader, o *Options) (vfs.FS, error)
}

// drivers are all that this package can open.
var drivers = [...]driver{
	{[]string{"ext2", "ext3", "ext4"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return ext4.Open(r, &ext4.Options{CacheBytes: o.CacheBytes, NoReplay: o.NoReplay})
	}},
	{[]string{"squashfs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return squashfs.Open(r, &squashfs.Options{CacheBytes: o.CacheBytes})
	}},
	{[]string{"vfat"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return fat.Open(r, &fat.Options{CacheBytes: o.CacheBytes})
	}},
	{[]string{"ntfs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return ntfs.Open(r, &ntfs.Options{CacheBytes: o.CacheBytes, Drive: o.Drive})
	}},
	{[]string{"xfs"}, func(r block.Reader, o *Options) (vfs.FS, error) {
		return xfs.Open(r, &xfs.Options{CacheBytes: o.CacheBytes, IgnoreLog: o.NoReplay})
	}},
}

func driverOf(typ string) *driver {
	for i := range drivers {
		if slices.Contains(drivers[i].types, typ) {
			return &drivers[i]
		}
	}
	return fallbackDriver(typ)
}
