package vfs

import (
	"path"
	"strings"
	"unicode/utf8"
)

// Path turns a path that somebody typed, "/etc//hosts" or "etc/hosts", into one
// of io/fs: "etc/hosts", and "." for the root. It takes the bytes of the guest
// as well as names that Escape made.
func Path(typed string) string {
	elements := strings.Split(path.Clean("/"+typed), "/")
	if !utf8.ValidString(typed) {
		for i, e := range elements {
			elements[i] = Escape(e)
		}
	}
	if p := strings.Join(elements[1:], "/"); p != "" {
		return p
	}
	return "."
}
