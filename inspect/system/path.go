package system

import (
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/fs/vfs"
)

// Path turns a path as the guest's users write it into a name of FS: "/etc/fstab"
// into "etc/fstab". That of the root is ".".
//
// In Windows, slashes and backslashes part elements, and a letter leads to its
// drive: `C:\Windows\win.ini` is "Windows/win.ini" if Windows is on C, and
// `D:\x` is "D:/x". Without a letter a path counts from the drive of Windows,
// as does one that has the letter and no backslash after it. A stream is a part
// of the last element, `C:\x.txt:stream`. The prefixes `\\?\`, `\\.\` and `\??\`
// are taken off; what then names no drive, a share or a volume by its GUID, is
// an error, a *fs.PathError that wraps fs.ErrInvalid. In other systems a
// backslash is a character like others.
//
// The result need not exist.
func (s *System) Path(name string) (string, error) {
	if s.Type != TypeWindows {
		return vfs.Path(name), nil
	}
	rest := strings.ReplaceAll(name, `\`, "/")
	device := false
	for _, prefix := range []string{"//?/", "//./", "/??/"} {
		if text, ok := strings.CutPrefix(rest, prefix); ok {
			rest, device = text, true
			break
		}
	}
	drive := ""
	if text := strings.TrimLeft(rest, "/"); len(text) >= 2 && text[1] == ':' && Letter(text[0]) != 0 {
		drive, rest = string(Letter(text[0]))+":", text[2:]
	} else if device || strings.HasPrefix(name, `\\`) {
		return "", &fs.PathError{Op: "path", Path: name, Err: errNoDrive}
	}
	p := vfs.Path(rest)
	if drive == "" || s.isRoot(drive) {
		return p, nil
	}
	return path.Join(drive, p), nil
}

var errNoDrive = noDrive{}

// noDrive is the error for a path that is not on a drive.
type noDrive struct{}

func (noDrive) Error() string { return "it names no drive of the guest" }
func (noDrive) Unwrap() error { return fs.ErrInvalid }

// isRoot reports whether a drive is that of Windows.
func (s *System) isRoot(drive string) bool {
	for _, d := range s.Windows.drives() {
		if d.Letter == drive {
			return d.Volume == s.Volume
		}
	}
	return false
}

func (w *Windows) drives() []Drive {
	if w == nil {
		return nil
	}
	return w.Drives
}

// Letter returns a letter of A to Z in upper case, 0 for all else.
func Letter(c byte) byte {
	if c |= 0x20; c < 'a' || c > 'z' {
		return 0
	}
	return c &^ 0x20
}
