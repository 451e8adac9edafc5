package vfs

import (
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/block"
)

// An FS is a guest filesystem, or a guest's whole tree. It is immutable and
// safe for concurrent use.
type FS interface {
	fs.ReadDirFS
	fs.StatFS
	fs.ReadLinkFS
	// Info describes the filesystem; of a tree that Join made, that of its root.
	Info() Info
	// Xattrs returns the extended attributes of the named file, sorted by
	// name; it does not follow a link in the last element.
	Xattrs(name string) ([]Xattr, error)
	// ReadLinkRaw returns the target of a symbolic link as the bytes that
	// the guest holds; ReadLink escapes what is not UTF-8.
	ReadLinkRaw(name string) (string, error)
	// Problems lists the recoverable faults met so far, each an error that
	// says where. It grows while the filesystem is read.
	Problems() []error
	// Close frees what the driver holds; the volume stays open. From then on
	// names are not resolved, and errors wrap fs.ErrClosed. Trees that Join and
	// Sub made are views: to close one leaves what it shows open, and to close
	// what it shows ends it. It may be called again.
	Close() error
}

// Info describes a filesystem as a whole.
type Info struct {
	Type      string // "ext4", "xfs", "ntfs", "vfat" …, as blkid names it
	ReadBy    string // "guestfish" where that reads it (build tag libguestfs), "" where guestkit does
	Version   string // of the on-disk format, where it has one: "3.1", "FAT32"
	Label     string // as stored, may hold any bytes
	UUID      string // as blkid prints it, or the serial number
	BlockSize int    // bytes; the cluster size where that is the unit
	Size      int64  // bytes
	Free      int64  // bytes, -1 if not known
	// Overhead is what of Size can never hold files, and df leaves out: the tables
	// and the journal that mkfs made.
	Overhead int64
	// Inodes is how many there are, or may be where the filesystem makes them as it
	// needs them, InodesFree how many of them are free; both are 0 if it does not tell.
	Inodes, InodesFree int64
	Features           []string
	// Dirty says that the journal or log was not clean when the image was
	// taken; Replayed, that its changes are part of what is read here.
	Dirty, Replayed bool
	Hibernated      bool // NTFS: a hibernated or fast-started system owns it
	CaseInsensitive bool
	// Devices are the further ones that the filesystem lies on, of those that
	// it was given: the rest of a Btrfs of several, an external log.
	Devices []block.Reader
}

// Stat is what a guest's filesystem says of a file: see [StatOf]. A time that the
// filesystem does not keep is the zero Time.
//
// [fs.FileInfo.Sys] has of it what the system that the program runs on knows, in
// the type that package os gives there: a *syscall.Stat_t on Unix, so that
// [archive/tar.FileInfoHeader] and scanners see owners, links and devices; a
// *syscall.Win32FileAttributeData on Windows; elsewhere a *Stat.
type Stat struct {
	// Dev tells filesystems of a tree apart that have the same inode numbers,
	// subvolumes included: the driver's number of one, 0 in what has none, and
	// above 32 bits the number of the filesystem, from 1, which what StatOf
	// returns has.
	Dev                        uint64
	Ino                        uint64
	Nlink                      uint64
	Mode                       fs.FileMode // type and permission bits
	UID, GID                   uint32
	Size                       int64 // bytes
	Allocated                  int64 // bytes that the file occupies, -1 if not known
	Atime, Mtime, Ctime, Btime time.Time
	Major, Minor               uint32 // of a device node
	Native                     any    // what else the driver tells, its own type
}

// Xattr is one extended attribute. Name has its namespace: "user.x",
// "system.posix_acl_access", "security.selinux".
type Xattr struct {
	Name  string
	Value []byte
}

// An Entry is one name in a directory. Name is raw: the bytes of the guest.
type Entry struct {
	Name string
	Type fs.FileMode // type bits only
	// Ino and Aux are the driver's: enough for Child to find the inode
	// without a search. HasType is false where the directory does not say
	// the type and Child must be asked.
	Ino, Aux uint64
	HasType  bool
}

// An Inode is one object of a filesystem: what a driver implements. All
// methods are safe for concurrent use. Names and link targets are raw bytes.
type Inode interface {
	// Stat returns the metadata. The caller does not change it.
	Stat() *Stat
	// ReadDir lists a directory in the order of the disk, without "." and
	// "..". What could be read comes together with the error that stopped it.
	ReadDir() ([]Entry, error)
	// Lookup finds one name, by the filesystem's own rule of case and
	// without reading the whole directory where it has an index. A missing
	// name wraps fs.ErrNotExist.
	Lookup(name string) (Inode, error)
	// Child gives the inode of an entry that ReadDir of this inode returned.
	Child(e Entry) (Inode, error)
	// ReadLink returns the target of a symbolic link.
	ReadLink() (string, error)
	// Content returns the bytes of a regular file. Holes and unwritten runs
	// are extents that are Zero.
	Content() (block.Device, error)
	// Xattrs lists the extended attributes.
	Xattrs() ([]Xattr, error)
}

// A Driver is what New needs beside the root. One with a method Close has it
// called once, when the filesystem is closed.
type Driver interface {
	// Root is the directory where all paths begin.
	Root() (Inode, error)
	// Info describes the filesystem.
	Info() Info
	// Problems lists the recoverable faults met so far.
	Problems() []error
}
