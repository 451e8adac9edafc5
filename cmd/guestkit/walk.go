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
