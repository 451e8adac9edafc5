package diff

import (
	"slices"
	"strings"

	"github.com/guestkit/guestkit/inspect/system"
)

// A PackageChange is a package that two systems do not have in the same version.
type PackageChange struct {
	Format string `json:"format"` // of its database: "deb", "rpm"
	Name   string `json:"name"`
	Arch   string `json:"arch,omitempty"`
	// From and To are the versions, several of a package that may be there in
	// several; empty where there is none.
	From []string `json:"from"`
	To   []string `json:"to"`
	// Change is "added", "removed", "upgraded", "downgraded", or "changed" where the
	// order of the versions is not known.
	Change string `json:"change"`
}

// Packages compares the packages of two systems. A database that was not read whole
// on one side is left out: unread says which.
func Packages(a, b []system.Packages) (changes []PackageChange, unread []string) {
	type id struct{ format, name, arch string }
	type sides struct{ a, b []*system.Package }
	have := map[id]*sides{}
	bad := map[string]bool{}
	for side, list := range [][]system.Packages{a, b} {
		for i := range list {
			p := &list[i]
			if p.Status != system.PackagesRead && p.Format != "" {
				bad[p.Format] = true
				unread = append(unread, p.Format+": "+p.Reason)
			}
			for k := range p.Items {
				item := &p.Items[k]
				key := id{p.Format, item.Name, item.Arch}
				if item.ID != "" && p.Format != "nix" {
					key.name = item.ID
				}
				s := have[key]
				if s == nil {
					s = new(sides)
					have[key] = s
				}
				if side == 0 {
					s.a = append(s.a, item)
				} else {
					s.b = append(s.b, item)
				}
			}
		}
	}
	for key, s := range have {
		if bad[key.format] {
			continue
		}
		from, to := versions(s.a), versions(s.b)
		if slices.Equal(from, to) {
			continue
		}
		c := PackageChange{Format: key.format, Name: slices.Concat(s.a, s.b)[0].Name, Arch: key.arch, From: from, To: to, Change: "changed"}
		switch {
		case len(from) == 0:
			c.Change = "added"
		case len(to) == 0:
			c.Change = "removed"
		case len(from) == 1 && len(to) == 1:
			if order, ok := compareVersions(key.format, s.a[0], s.b[0]); ok && order < 0 {
				c.Change = "upgraded"
			} else if ok && order > 0 {
				c.Change = "downgraded"
			}
		}
		changes = append(changes, c)
	}
	slices.SortFunc(changes, func(a, b PackageChange) int {
		for _, c := range []int{strings.Compare(a.Format, b.Format), strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), slices.Compare(a.From, b.From)} {
			if c != 0 {
				return c
			}
		}
		return slices.Compare(a.To, b.To)
	})
	return changes, unread
}

// versions are those of packages, sorted.
func versions(list []*system.Package) []string {
	out := []string{}
	for _, p := range list {
		out = append(out, p.Version)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
