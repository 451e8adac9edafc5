package diff

import (
	"cmp"
	"strings"

	"github.com/guestkit/guestkit/inspect/system"
)

// compareVersions orders two versions of a package by the rule of its manager. ok is
// false where that is not known.
func compareVersions(format string, a, b *system.Package) (order int, ok bool) {
	part := debPart
	switch format {
	case "deb":
	case "rpm":
		part = rpmPart
	case "pacman":
		part = pacmanPart
	default:
		return 0, false
	}
	if c := cmp.Compare(a.Epoch, b.Epoch); c != 0 {
		return c, true
	}
	if c := part(a.Upstream, b.Upstream); c != 0 {
		return c, true
	}
	if format == "pacman" && (a.Revision == "" || b.Revision == "") {
		return 0, true // a release counts where both have one
	}
	return part(a.Revision, b.Revision), true
}

// debPart compares a part of a version as deb-version(7) says: what is no number by
// characters, of which "~" is before everything and letters are before others, and
// numbers by their value, in turn.
func debPart(a, b string) int {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	rank := func(s string) int {
		switch {
		case s == "" || digit(s[0]):
			return 0
		case s[0] == '~':
			return -1
		case s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z':
			return int(s[0])
		}
		return int(s[0]) + 256
	}
	for a != "" || b != "" {
		for a != "" && !digit(a[0]) || b != "" && !digit(b[0]) {
			if c := cmp.Compare(rank(a), rank(b)); c != 0 {
				return c
			}
			a, b = a[min(1, len(a)):], b[min(1, len(b)):]
		}
		var x, y string
		x, a = number(a)
		y, b = number(b)
		if c := compareNumbers(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// number cuts a number off the start of s.
func number(s string) (n, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// compareNumbers compares decimal numbers of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// rpmPart compares a part of a version as rpm does: runs of digits and of letters in
// turn, a number after letters, "~" before and "^" after the end.
func rpmPart(a, b string) int {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	other := func(r rune) bool {
		return r > 0x7f || !digit(byte(r)) && !letter(byte(r)) && r != '~' && r != '^'
	}
	for {
		a, b = strings.TrimLeftFunc(a, other), strings.TrimLeftFunc(b, other)
		for _, mark := range []struct {
			c     string
			first int // the order if only a has it
		}{{"~", -1}, {"^", 1}} {
			x, y := strings.HasPrefix(a, mark.c), strings.HasPrefix(b, mark.c)
			switch {
			case x && y:
				return rpmPart(a[1:], b[1:])
			case mark.c == "^" && x && b != "" || mark.c == "^" && y && a != "": // "^" is before what goes on
				return map[bool]int{true: -1, false: 1}[x]
			case x:
				return mark.first
			case y:
				return -mark.first
			}
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		kind := letter
		if digit(a[0]) {
			kind = digit
		}
		run := func(s string) (string, string) {
			i := 0
			for i < len(s) && kind(s[i]) {
				i++
			}
			return s[:i], s[i:]
		}
		var x, y string
		x, a = run(a)
		y, b = run(b)
		if y == "" { // of another kind: numbers are later
			if digit(x[0]) {
				return 1
			}
			return -1
		}
		c := strings.Compare(x, y)
		if digit(x[0]) {
			c = compareNumbers(x, y)
		}
		if c != 0 {
			return c
		}
	}
}

// pacmanPart compares a part of a version as vercmp(8) of pacman does: as rpm did
// before it knew "~" and "^", but that letters behind the end of the other part are
// before it (1.0rc is before 1.0), and that more signs between runs are later.
func pacmanPart(a, b string) int {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	skip := func(s string, kind func(byte) bool) (string, string) {
		i := 0
		for i < len(s) && kind(s[i]) {
			i++
		}
		return s[:i], s[i:]
	}
	sign := func(c byte) bool { return !digit(c) && !letter(c) }
	for a != "" && b != "" {
		var x, y string
		x, a = skip(a, sign)
		y, b = skip(b, sign)
		if a == "" || b == "" {
			break
		}
		if c := cmp.Compare(len(x), len(y)); c != 0 {
			return c
		}
		kind, compare, other := letter, strings.Compare, -1
		if digit(a[0]) {
			kind, compare, other = digit, compareNumbers, 1
		}
		x, a = skip(a, kind)
		y, b = skip(b, kind)
		if y == "" { // of another kind: numbers are later
			return other
		}
		if c := compare(x, y); c != 0 {
			return c
		}
	}
	switch {
	case a == "" && b == "":
		return 0
	case a == "" && !letter(b[0]), a != "" && letter(a[0]):
		return -1
	}
	return 1
}
