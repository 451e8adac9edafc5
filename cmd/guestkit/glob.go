package main

import (
	"context"
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

// glob finds the files that a PATH names, which may have wildcards: "*", "?" and
// "[a-z]" within an element as path.Match has them, "**" for any number of
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
	for _, e := range elements[fixed:] {
		if _, err := path.Match(e, ""); err != nil {
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
