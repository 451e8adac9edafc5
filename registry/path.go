package registry

import (
	"errors"
	"fmt"
	"strings"
)

// The roots of the registry that a disk has. The others are views of them, or
// exist only while Windows runs.
const (
	LocalMachine = "HKEY_LOCAL_MACHINE"
	Users        = "HKEY_USERS"
)

// ErrPath is wrapped by the error for a path that is none of a key on a disk.
var ErrPath = errors.New("no path of a key")

// pathFault is an error of a path in words that need no class before them.
type pathFault string

func (p pathFault) Error() string { return string(p) }
func (p pathFault) Unwrap() error { return ErrPath }

// A Path is where a key is in the registry: a root and the names below it, of
// which the first is that of a hive.
type Path struct {
	Root  string // LocalMachine or Users
	Names []string
}

// String writes the path with its long root.
func (p Path) String() string { return strings.Join(append([]string{p.Root}, p.Names...), `\`) }

// ParsePath reads the path of a key in a short or a long form, as regedit, reg
// and PowerShell write it: `HKLM\SYSTEM\Select`, `HKLM:\SOFTWARE`,
// `Computer\HKEY_USERS\.DEFAULT`. HKEY_CLASSES_ROOT is taken for the part of it
// that all users share. The error wraps [ErrPath].
func ParsePath(s string) (Path, error) {
	names := SplitPath(s)
	if len(names) > 1 && strings.EqualFold(names[0], "Computer") {
		names = names[1:]
	}
	if len(names) == 0 {
		return Path{}, pathFault("the KEY is empty")
	}
	switch root := strings.ToUpper(strings.TrimSuffix(names[0], ":")); root {
	case "HKLM", LocalMachine:
		return Path{LocalMachine, names[1:]}, nil
	case "HKU", Users:
		return Path{Users, names[1:]}, nil
	case "HKCR", "HKEY_CLASSES_ROOT":
		return Path{LocalMachine, append([]string{"SOFTWARE", "Classes"}, names[1:]...)}, nil
	case "HKCU", "HKEY_CURRENT_USER":
		return Path{}, pathFault(`nobody is logged on to a disk: name the user, as in HKU\USER`)
	}
	return Path{}, pathFault(fmt.Sprintf(`KEY begins with HKLM\SOFTWARE, HKLM\SYSTEM, HKLM\SAM, HKLM\SECURITY or HKU\USER; got %q`, s))
}

// SplitPath parts the names of a key: at backslashes, or at slashes where there
// is no backslash, for a name may hold a slash.
func SplitPath(s string) []string {
	sep := `\`
	if !strings.Contains(s, sep) {
		sep = "/"
	}
	var out []string
	for name := range strings.SplitSeq(s, sep) {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}
