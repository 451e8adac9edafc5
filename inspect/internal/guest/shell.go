package guest

import "strings"

// An Assignment is one NAME=value of a file of shell variables: os-release,
// lsb-release, /etc/sysconfig and /etc/conf.d.
type Assignment struct {
	Name, Value string
	Line        int  // where it starts
	Open        bool // its quote does not close; the value is the rest of the line
}

// Assignments reads shell variables by the rules of os-release(5): one on a
// line, values in single or double quotes or none, a backslash before the
// characters that are special. A quoted value may span lines. Beyond those
// rules it takes what real files have: "export" before a name, and values
// with spaces that nobody quoted. What is no assignment is passed over.
func Assignments(b []byte) []Assignment {
	var out []Assignment
	s := string(b)
	for line := 1; s != ""; {
		text, rest, _ := strings.Cut(s, "\n")
		name, val, ok := strings.Cut(strings.TrimLeft(text, " \t"), "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "export "))
		if !ok || !IsVariable(name) {
			s = rest
			line++
			continue
		}
		a := Assignment{Name: name, Line: line}
		valAt := len(text) - len(val)
		n := 0
		a.Value, n, a.Open = shellValue(s[valAt:])
		if a.Open {
			a.Value = strings.TrimLeft(strings.TrimSpace(val), `"'`)
			n = len(val)
		}
		out = append(out, a)
		line += strings.Count(s[:valAt+n], "\n")
		// The rest of the line on which the value ends is no assignment.
		if _, s, ok = strings.Cut(s[valAt+n:], "\n"); ok {
			line++
		}
	}
	return out
}

// IsVariable reports whether a name can be that of a variable.
func IsVariable(name string) bool {
	for i, c := range []byte(name) {
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// shellValue reads a value up to the end of its line, quotes respected. It
// returns how many bytes that took; open says that a quote does not close.
func shellValue(s string) (value string, n int, open bool) {
	var b strings.Builder
	end := 0 // of what trailing space does not count for
	i := 0
	for i < len(s) && s[i] != '\n' {
		switch c := s[i]; c {
		case '\'', '"':
			n, ok := quoted(&b, s[i:])
			if !ok {
				return "", 0, true
			}
			i += n
			end = b.Len()
			continue
		case '\\':
			if i+1 < len(s) && s[i+1] != '\n' {
				i++
				b.WriteByte(s[i])
			}
			end = b.Len()
		case '#':
			if i > 0 && (s[i-1] == ' ' || s[i-1] == '\t') { // a comment
				for i < len(s) && s[i] != '\n' {
					i++
				}
				return b.String()[:end], i, false
			}
			b.WriteByte(c)
			end = b.Len()
		case ' ', '\t', '\r':
			if b.Len() > 0 {
				b.WriteByte(c)
			}
		default:
			b.WriteByte(c)
			end = b.Len()
		}
		i++
	}
	return b.String()[:end], i, false
}

// quoted appends the content of the quotes that s starts with, and returns
// how long they are with both quotes.
func quoted(b *strings.Builder, s string) (int, bool) {
	q := s[0]
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == q:
			return i + 1, true
		case c == '\\' && q == '"' && i+1 < len(s) && strings.IndexByte("\\\"$`", s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return 0, false
}

// IsVersion reports whether s is made of numbers and dots.
func IsVersion(s string) bool { return s != "" && strings.Trim(s, "0123456789.") == "" }

// Parenthesised returns what the first parentheses of s hold.
func Parenthesised(s string) string {
	_, s, _ = strings.Cut(s, "(")
	s, _, ok := strings.Cut(s, ")")
	if !ok {
		return ""
	}
	return s
}
