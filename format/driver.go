package format

import (
	"context"
	"io"

	"github.com/guestkit/guestkit/block"
)

// A driver opens one format. To add one: a row in the table below, and a file
// with its two functions that is about as long as qcow2.go. Probe knows the
// format already; a format without a row is one that is known and not read.
type driver struct {
	name string
	// aliases are other names by which users and images call it.
	aliases []string
	// endings are those of file names that promise the format, in lower case.
	endings []string
	// open opens the image in r. It sets the Info's own fields; Open sets
	// those that every format has.
	open func(r block.Reader, o *Options) (opened, *Info, error)
	// openAll opens the disks of a format that may hold several, and hands each
	// to take, which owns it from then on. Nil where there is one.
	openAll func(r block.Reader, o *Options, take func(opened, *Info)) error
	// describe reads what the image says about itself, without opening any
	// file that it names. Nil where open opens none.
	describe func(r block.Reader, o *Options) (*Info, []error, error)
	// check checks the metadata of the image in r. Nil where there is nothing
	// to check.
	check func(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error)
}

// opened is what a driver opens.
type opened interface {
	block.Device
	io.Closer
	Problems() []error
}

func drivers() []driver {
	return append([]driver{
		{name: "raw", aliases: []string{"file", "host_device"}, open: openRaw},
		{name: "qcow2", endings: []string{".qcow2", ".qcow"}, open: openQcow2, describe: describeQcow2, check: checkQcow2},
		{name: "vdi", endings: []string{".vdi"}, open: openVDI, describe: describeVDI, check: checkVDI},
		{name: "vhd", aliases: []string{"vpc"}, endings: []string{".vhd", ".avhd", ".vpc"}, open: openVHD, describe: describeVHD, check: checkVHD},
		{name: "vhdx", endings: []string{".vhdx", ".avhdx"}, open: openVHDX, describe: describeVHDX, check: checkVHDX},
		{name: "vmdk", endings: []string{".vmdk"}, open: openVMDK, describe: describeVMDK, check: checkVMDK},
		{name: "qed", endings: []string{".qed"}, open: openQED, describe: describeQED, check: checkQED},
		{name: "luks", open: openLUKS, describe: describeLUKS},
		{name: "ova", endings: []string{".ova"}, open: openPackage, openAll: openPackageDisks, describe: describePackage, check: checkPackage},
		{name: "ovf", endings: []string{".ovf"}, open: openPackage, openAll: openPackageDisks, describe: describePackage, check: checkPackage},
		{name: "tar", open: openPackage, openAll: openPackageDisks, describe: describePackage, check: checkPackage},
		{name: "zip", open: openPackage, openAll: openPackageDisks, describe: describePackage, check: checkPackage},
		{name: "xva", open: openPackage, openAll: openPackageDisks, describe: describePackage, check: checkPackage},
		{name: "vma", open: openPackage, openAll: openPackageDisks, describe: describePackage, check: checkPackage},
	}, fallbackDrivers()...)
}

// find returns the driver of that name or alias.
func find(name string) (driver, bool) {
	for _, d := range drivers() {
		if d.name == name {
			return d, true
		}
		for _, a := range d.aliases {
			if a == name {
				return d, true
			}
		}
	}
	return driver{}, false
}

// Endings returns the endings of file names that promise a format that can be opened,
// such as ".qcow2". Raw disks have none of their own.
func Endings() []string {
	var out []string
	for _, d := range drivers() {
		out = append(out, d.endings...)
	}
	return out
}

// Names returns the names of the formats that can be opened.
func Names() []string {
	var out []string
	for _, d := range drivers() {
		out = append(out, d.name)
	}
	return out
}

// Known reports whether Options.Format may be this name: one of Names, or
// another that a format goes by.
func Known(name string) bool {
	_, ok := find(name)
	return ok
}
