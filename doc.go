// Package guestkit reads the disks of virtual machines: which volumes are on
// them, which operating systems, and the files of those. It needs no root, no
// kernel mount, no QEMU and no libguestfs, and it never changes a disk.
//
//	g, err := guestkit.Open("disk.qcow2", nil)
//	…
//	defer g.Close()
//	report, err := g.Inspect(ctx)
//	for _, sys := range report.Systems {
//		fmt.Println(sys.ProductName, sys.Arch)
//		files, err := sys.FS() // an fs.FS, with the guest's mounts
//		…
//	}
//
// This package holds the calls that most programs need. Those that need more
// use the packages below it, each of which stands on its own:
//
//	block      bytes at an offset, and which of them are data
//	format     disk images of all formats
//	partition  partition tables
//	volume     the volumes of several disks
//	fs         filesystems, and fs/vfs what they add to io/fs
//	inspect    operating systems
//
// # Trust
//
// Images are taken to be hostile. No other file that an image names (a backing
// file, a data file) is opened unless [format.Options] allow it. All text that
// comes from a guest may hold control characters: escape it before it is
// printed on a terminal.
package guestkit
