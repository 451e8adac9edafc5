//go:build !linux

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// hostName is the name that a file of the guest gets on the host. Characters
// that Windows reserves become private ones, as WSL and Cygwin have it, and names
// of its devices get an underscore.
func hostName(raw string) string {
	name := raw
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || !utf8.ValidString(name) {
		name = Escape(name)
	}
	if runtime.GOOS != "windows" {
		return name
	}
	const private = 0xF000
	name = strings.Map(func(r rune) rune {
		if r < 0x20 || strings.ContainsRune(`<>:"|?*\`, r) {
			return private + r
		}
		return r
	}, name)
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		name = name[:len(name)-1] + string(rune(private+int(last)))
	}
	stem, _, _ := strings.Cut(name, ".")
	switch stem = strings.ToUpper(strings.TrimRight(stem, " ")); {
	case stem == "CON", stem == "PRN", stem == "AUX", stem == "NUL", stem == "CONIN$", stem == "CONOUT$",
		(strings.HasPrefix(stem, "COM") || strings.HasPrefix(stem, "LPT")) && len([]rune(stem)) == 4 && strings.ContainsAny(stem[3:], "0123456789¹²³"):
		name = "_" + name
	}
	return name
}

// hostFull reports whether an error means that nothing more can be written.
func hostFull(err error) bool {
	const errorDiskFull = syscall.Errno(112) // of Windows
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EROFS) || runtime.GOOS == "windows" && errors.Is(err, errorDiskFull)
}

func setXattr(*os.File, Xattr) error { return errors.ErrUnsupported }

func setXattrAt(*os.Root, string, Xattr) error { return errors.ErrUnsupported }

func setTimesAt(*os.Root, string, time.Time, time.Time) error { return errors.ErrUnsupported }

func makeNode(_ *os.Root, name string, _ *Stat) error {
	return &fs.PathError{Op: "mknod", Path: name, Err: errors.ErrUnsupported}
}
