package vfs

import "io/fs"

// UnixMode turns the st_mode of a Unix inode, as most filesystems keep it on disk,
// into Go's form. It reports false for a type that no Unix has.
func UnixMode(m uint32) (fs.FileMode, bool) {
	mode := fs.FileMode(m & 0o777)
	switch m & 0o170000 {
	case 0o010000:
		mode |= fs.ModeNamedPipe
	case 0o020000:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case 0o040000:
		mode |= fs.ModeDir
	case 0o060000:
		mode |= fs.ModeDevice
	case 0o100000:
	case 0o120000:
		mode |= fs.ModeSymlink
	case 0o140000:
		mode |= fs.ModeSocket
	default:
		return 0, false
	}
	if m&0o4000 != 0 {
		mode |= fs.ModeSetuid
	}
	if m&0o2000 != 0 {
		mode |= fs.ModeSetgid
	}
	if m&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	return mode, true
}

// ModeToUnix is the way back; a type that no Unix has leaves that of the mode out.
func ModeToUnix(mode fs.FileMode) uint32 {
	m := uint32(mode.Perm())
	switch mode.Type() {
	case 0:
		m |= 0o100000
	case fs.ModeDir:
		m |= 0o040000
	case fs.ModeSymlink:
		m |= 0o120000
	case fs.ModeNamedPipe:
		m |= 0o010000
	case fs.ModeSocket:
		m |= 0o140000
	case fs.ModeDevice:
		m |= 0o060000
	case fs.ModeDevice | fs.ModeCharDevice:
		m |= 0o020000
	}
	if mode&fs.ModeSetuid != 0 {
		m |= 0o4000
	}
	if mode&fs.ModeSetgid != 0 {
		m |= 0o2000
	}
	if mode&fs.ModeSticky != 0 {
		m |= 0o1000
	}
	return m
}

// entryTypes are the types in directory entries, as fs_types.h of Linux numbers them
// for what is on disk. 0 is unknown, 8 a whiteout, of which the inode says what it is.
var entryTypes = [...]fs.FileMode{1: 0, fs.ModeDir, fs.ModeDevice | fs.ModeCharDevice, fs.ModeDevice, fs.ModeNamedPipe, fs.ModeSocket, fs.ModeSymlink}

// SetType takes the type that a directory entry states, as ext4, XFS, Btrfs and EROFS
// number it: what states none leaves the entry without.
func (e *Entry) SetType(t uint8) {
	if t > 0 && int(t) < len(entryTypes) {
		e.Type, e.HasType = entryTypes[t], true
	}
}

// EntryType is the number by which a directory entry states the type of a mode, 0 if
// there is none.
func EntryType(mode fs.FileMode) uint8 {
	for t := 1; t < len(entryTypes); t++ {
		if entryTypes[t] == mode.Type() {
			return uint8(t)
		}
	}
	return 0
}
