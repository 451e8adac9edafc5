package ntfs

import "strings"

// guestTarget turns the target of a junction or symbolic link of Windows into
// one that resolves inside this volume.
//
//   - A relative target has its separators changed.
//   - `\??\C:\x` becomes "/x" if C is the letter of this volume, and "/C:/x" if
//     it has another. A volume does not know its own letter: unless the options
//     tell it, the target is taken as one of this volume if it exists here, as
//     nearly all are.
//   - Everything else stays a Windows path, without the prefix `\??\`, which
//     as a path of this volume leads nowhere: `D:\x`, `\\server\share`,
//     `\\?\Volume{…}\`.
func (v *volume) guestTarget(l windowsLink) string {
	t := l.substitute
	if l.flags&linkRelative != 0 {
		return slashes(t)
	}
	for _, prefix := range []string{`\??\`, `\\?\`, `\\.\`} {
		if s, ok := strings.CutPrefix(t, prefix); ok {
			return v.absoluteTarget(s)
		}
	}
	if strings.HasPrefix(t, `\`) && !strings.HasPrefix(t, `\\`) {
		return slashes(t)
	}
	return v.absoluteTarget(t)
}

// absoluteTarget is guestTarget for a target after its prefix.
func (v *volume) absoluteTarget(t string) string {
	if len(t) >= 2 && t[1] == ':' && letter(t[0]) != 0 && (len(t) == 2 || t[2] == '\\') {
		path := strings.TrimLeft(slashes(t[2:]), "/")
		switch {
		case v.drive == letter(t[0]) || v.drive == 0 && v.exists(path):
			return "/" + path
		case v.drive != 0:
			return "/" + string(letter(t[0])) + ":/" + path
		}
		return t
	}
	if s, ok := strings.CutPrefix(t, `UNC\`); ok {
		return `\\` + s
	}
	if strings.HasPrefix(t, "Volume{") {
		return `\\?\` + t
	}
	return t
}

// letter returns a drive letter in upper case, or 0.
func letter(c byte) byte {
	if c|0x20 >= 'a' && c|0x20 <= 'z' {
		return c &^ 0x20
	}
	return 0
}

func slashes(s string) string { return strings.ReplaceAll(s, `\`, "/") }

// exists reports whether a path other than the root leads to a file of this
// volume, or through one of its links, which are not followed.
func (v *volume) exists(path string) bool {
	n, err := v.inode(recRoot)
	seen := false
	for name := range strings.SplitSeq(path, "/") {
		switch {
		case name == "" || name == ".":
			continue
		case err != nil || name == "..":
			return false
		case n.link.tag == tagMountPoint || n.link.tag == tagSymlink:
			return true
		case !n.isDir():
			return false
		}
		n, err = n.child(name)
		seen = true
	}
	return err == nil && seen
}
