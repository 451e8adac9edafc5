package main

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/guestkit/guestkit/fs/vfs"
)

// node finds the file of the guest that a PATH names; a link in the last element
// is followed if follow is true.
func (t *guestTree) node(arg string, follow bool) (*vfs.Node, error) {
	p, err := t.path(arg)
	if err != nil {
		return nil, err
	}
	n, err := vfs.Find(t.FS, p, follow)
	if err != nil {
		return nil, guestError(p, err)
	}
	return n, nil
}

// hasWildcard reports whether a PATH is a pattern.
func hasWildcard(arg string) bool { return strings.ContainsAny(arg, "*?[") }

// charClasses are the characters of ASCII in a class, "[[:digit:]]", without the
// slash, which is in no name.
var charClasses = map[string]string{"alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \t", "cntrl": "\x00-\x1f\x7f", "digit": "0-9",
	"graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-.:-@[-`{-~", "space": " \t-\r", "upper": "A-Z", "xdigit": "0-9A-Fa-f"}

// shellPattern makes of a pattern as a shell has it (POSIX, 2.14.3) one for path.Match,
// which knows "[^a]" and not "[!a]", no classes, and takes "]" and "-" in brackets only
// behind a backslash. Collating symbols are refused.
func shellPattern(pattern string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		b.WriteByte(pattern[i])
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
			b.WriteByte(pattern[i])
			continue
		}
		if pattern[i] != '[' {
			continue
		}
		i++
		if i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^') {
			b.WriteByte('^')
			i++
		}
		for first := i; i < len(pattern) && (pattern[i] != ']' || i == first); i++ {
			rest := pattern[i:]
			name, _, class := strings.Cut(strings.TrimPrefix(rest, "[:"), ":]")
			switch {
			case (strings.HasPrefix(rest, "[.") || strings.HasPrefix(rest, "[=")) && strings.Contains(rest[2:], rest[1:2]+"]"):
				return "", fmt.Errorf("collating symbols, [.a.] and [=a=], are not read")
			case strings.HasPrefix(rest, "[:") && class:
				chars, ok := charClasses[name]
				if !ok {
					return "", fmt.Errorf("there is no class [:%s:]", name)
				}
				b.WriteString(chars)
				i += len(name) + 3
			case rest[0] == ']', rest[0] == '-' && (i == first || strings.HasPrefix(rest, "-]")):
				b.WriteString(`\` + rest[:1])
			case rest[0] == '\\' && len(rest) > 1:
				b.WriteString(rest[:2])
				i++
			default:
				b.WriteByte(rest[0])
			}
		}
		if i < len(pattern) {
			b.WriteByte(']')
		}
	}
	_, err := path.Match(b.String(), "")
	return b.String(), err
}

// glob finds the files that a PATH names, which may have wildcards: "*", "?" and
// "[a-z]" within an element as a shell has them, "**" for any number of
// elements. A file of that very name comes first. Links are not
// followed.
func (t *guestTree) glob(ctx context.Context, arg string) ([]*vfs.Node, error) {
	n, err := t.node(arg, strings.HasSuffix(arg, "/"))
	if err == nil || !hasWildcard(arg) {
		if err != nil {
			return nil, err
		}
		return []*vfs.Node{n}, nil
	}
	elements := strings.Split(strings.Trim(strings.ReplaceAll(arg, `\`, "/"), "/"), "/")
	fixed := 0
	for fixed < len(elements) && !hasWildcard(elements[fixed]) {
		fixed++
	}
	for i, e := range elements[fixed:] {
		if elements[fixed+i], err = shellPattern(e); err != nil {
			return nil, usagef("%s: %v", arg, err)
		}
	}
	base, err := t.node("/"+strings.Join(elements[:fixed], "/"), true)
	if err != nil {
		return nil, err
	}
	var found []*vfs.Node
	var walkErr error
	match(ctx, base, elements[fixed:], &found, &walkErr, 0)
	if len(found) == 0 && walkErr == nil {
		return nil, nothingf("%s: no file in the guest matches", arg)
	}
	return found, walkErr
}

// match adds the files below dir that the rest of a pattern names.
func match(ctx context.Context, dir *vfs.Node, pattern []string, found *[]*vfs.Node, failed *error, depth int) {
	if depth > vfs.MaxDepth || ctx.Err() != nil {
		return
	}
	if !dir.Stat().Mode.IsDir() {
		return
	}
	if pattern[0] == "**" && len(pattern) > 1 {
		match(ctx, dir, pattern[1:], found, failed, depth)
	}
	children, err := dir.Children()
	if err != nil && *failed == nil {
		*failed = guestError(dir.Path(), err)
	}
	for _, c := range children {
		any := pattern[0] == "**"
		if ok, _ := path.Match(pattern[0], c.Name()); !ok && !any {
			continue
		}
		n, err := c.Node()
		if err != nil {
			if *failed == nil {
				*failed = guestError(path.Join(dir.Path(), vfs.Escape(c.Name())), err)
			}
			continue
		}
		switch {
		case any:
			if len(pattern) == 1 {
				*found = append(*found, n)
			} else if n.Stat().Mode.IsDir() {
				match(ctx, n, pattern, found, failed, depth+1)
			}
		case len(pattern) == 1:
			*found = append(*found, n)
		case n.Stat().Mode.IsDir():
			match(ctx, n, pattern[1:], found, failed, depth+1)
		}
	}
}
