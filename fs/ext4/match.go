package ext4

import (
	"strings"
	"unicode/utf8"
)

// A matcher tells whether an entry of a directory has the name that is looked
// for.
type matcher struct {
	match     func(stored []byte) bool
	hashed    []byte // what the index has the hash of
	indexable bool   // the index finds all that match accepts
}

func (n *inode) matcher(name string) matcher {
	switch {
	case n.flags&flagEncrypt != 0:
		// The names that are shown are made from those that are stored.
		return matcher{match: func(s []byte) bool { return string(s) == name || n.noKeyName(s) == name }}
	case n.flags&flagCasefold != 0 && n.fs.sb.featureIncompat&incompatCasefold != 0:
		return matcher{match: func(s []byte) bool { return sameFolded(string(s), name) },
			hashed: []byte(strings.ToLower(name)), indexable: ascii(name)}
	}
	// Where nothing says how bytes above 127 count, the index of another
	// machine could be read in a wrong way.
	sure := n.fs.sb.flags&(flagSignedHash|flagUnsignedHash) != 0
	return matcher{match: func(s []byte) bool { return string(s) == name }, hashed: []byte(name), indexable: sure || ascii(name)}
}

// sameFolded reports whether two names are one in a directory that ignores
// case. The kernel compares canonical decompositions under full case folding;
// here it is simple folding, character by character, without decomposition: "É"
// is "é", but not "e" with a combining accent, and "ß" is not "ss". A name
// always is its exact self. Names that are not UTF-8 compare by their bytes.
func sameFolded(a, b string) bool {
	return a == b || strings.EqualFold(a, b) && utf8.ValidString(a) && utf8.ValidString(b)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
