package main

import "io/fs"

// typeLetter is the letter of ls for a type of file, with f for a plain one.
func typeLetter(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "d"
	case m&fs.ModeSymlink != 0:
		return "l"
	case m&fs.ModeNamedPipe != 0:
		return "p"
	case m&fs.ModeSocket != 0:
		return "s"
	case m&fs.ModeCharDevice != 0:
		return "c"
	case m&fs.ModeDevice != 0:
		return "b"
	}
	return "f"
}

// unixMode is the permission bits of a mode as Unix has them: 07777.
func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range []struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}

// typeName is a type of file in words.
func typeName(m fs.FileMode) string {
	switch typeLetter(m) {
	case "d":
		return "directory"
	case "l":
		return "symbolic link"
	case "p":
		return "fifo"
	case "s":
		return "socket"
	case "c":
		return "character device"
	case "b":
		return "block device"
	}
	return "regular file"
}
