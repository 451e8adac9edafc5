package linux

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// blscfg adds the entries of the Boot Loader Specification, as Fedora's GRUB and GRUB
// since 2.14 list them: by the names of their files, the highest first.
func (g *grub) blscfg() {
	if !g.isList {
		f := g.r.typeOne(g.dir)
		if f.why != "" {
			g.stop("%s", f.why)
		}
		g.listed = slices.SortedStableFunc(slices.Values(f.entries), func(a, b blsEntry) int { return compareBLS(b.ID, a.ID) })
		g.isList = true
	}
	for _, e := range g.listed {
		if g.full() || g.spent() {
			return
		}
		e.ID = strings.TrimSuffix(e.ID, ".conf")
		e.Options = g.text(e.Options)
		for _, w := range e.initrd {
			g.r.addInitrds(&e.BootEntry, strings.Fields(g.text(w)), g.find)
		}
		g.add(e.BootEntry, e.Title)
	}
}

// text replaces the variables in a text of an entry.
func (g *grub) text(s string) string {
	g.work += len(s)
	if !strings.Contains(s, "$") {
		return s
	}
	b := []byte(s)
	var out []byte
	for i := 0; i < len(b); i++ {
		if b[i] != '$' {
			out = append(out, b[i])
			continue
		}
		name, next := grubVariable(b, i)
		if name == "" {
			out = append(out, '$')
			continue
		}
		if len(out)+len(g.env[name]) > maxGrubText {
			g.stop("a text of an entry has more than %d bytes", maxGrubText)
			return ""
		}
		out = append(out, g.env[name]...)
		i = next
	}
	g.work += len(out)
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(out), "\uFFFD")), " ")
}

// choose marks the entry that the variable default names, as grub-core/normal/menu.c
// does: by number, id or title, with those of submenus before it; the first if there
// is no such entry; none if the script was not followed to its end.
func (g *grub) choose(config string) (reason string) {
	if g.cut != "" {
		return g.r.notWhole(config, g.cut)
	}
	if len(g.entries) == 0 {
		return ""
	}
	want := g.env["default"]
	top := 0 // entries and submenus of the main menu
	for _, k := range g.keys {
		top = max(top, k[0]+1)
	}
	for _, m := range g.subs {
		top = max(top, m.key[0]+1)
	}
	found := g.lookup(want, nil)
	if found == nil || found[0] >= top {
		found = []int{0}
	}
	for i, k := range g.keys {
		if slices.Equal(k, found) {
			g.entries[i].Default = true
			return ""
		}
	}
	return "the default is a submenu, which waits for a choice"
}

// lookup finds the entry that a default means in the menu at the end of the path.
func (g *grub) lookup(want string, at []int) []int {
	if want == "" || len(at) > maxGrubMenus {
		return nil
	}
	first, rest, more := cutSubmenu(want)
	if n, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && n >= 0 {
		at = append(at, n)
	} else if k := g.named(first, at); k != nil {
		at = k
	} else {
		return nil
	}
	if !more {
		return at
	}
	return g.lookup(rest, at)
}

// named finds an entry or a submenu by its id or its title, in the menu at the path.
func (g *grub) named(name string, at []int) []int {
	fits := func(key []int, title, id string) bool {
		return len(key) == len(at)+1 && slices.Equal(key[:len(at)], at) && (title == name || id == name && id != "")
	}
	for i, k := range g.keys {
		if fits(k, g.titles[i], g.entries[i].ID) {
			return slices.Clone(k)
		}
	}
	for _, m := range g.subs {
		if fits(m.key, m.title, m.id) {
			return slices.Clone(m.key)
		}
	}
	return nil
}

// cutSubmenu parts "A>B" at the first ">", unless it is doubled, which stands for one.
func cutSubmenu(s string) (first, rest string, more bool) {
	for i := 0; i < len(s); i++ {
		if s[i] != '>' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '>' {
			i++
			continue
		}
		return strings.ReplaceAll(s[:i], ">>", ">"), s[i+1:], true
	}
	return strings.ReplaceAll(s, ">>", ">"), "", false
}

// grubConfigs are where the configuration of GRUB 2 may be; a "*" stands for the
// folder of a vendor.
var grubConfigs = [...]struct{ dir, path string }{
	{"boot", "boot/grub2/grub.cfg"}, {"boot", "boot/grub/grub.cfg"}, {".", "grub2/grub.cfg"}, {".", "grub/grub.cfg"},
	{"boot/efi", "boot/efi/EFI/*/grub.cfg"}, {"efi", "efi/EFI/*/grub.cfg"}, {"boot", "boot/EFI/*/grub.cfg"}, {".", "EFI/*/grub.cfg"},
}

// grub2 reads the configurations of GRUB 2. That of an EFI system partition mostly
// only names the one in /boot.
func (r *root) grub2() {
	seen := map[string]bool{}
	for _, c := range grubConfigs {
		for _, name := range r.glob(c.path) {
			real := r.Real(name)
			if real == "" || seen[real] {
				continue
			}
			seen[real] = true
			if r.enoughLoaders(name) {
				return
			}
			g := r.newGrub(c.dir, name)
			if !g.source(name) {
				continue
			}
			again := len(g.entries) == 0 && len(g.files) == 1
			for _, f := range g.files[1:] {
				again = again || seen[r.Real(f)]
			}
			if again && len(r.Sys.BootLoaders) > 0 {
				continue
			}
			for _, f := range g.files {
				seen[r.Real(f)] = true
			}
			b := system.BootLoader{Name: "grub", Path: guest.Shown(name), Entries: g.entries, Reason: g.choose(guest.Shown(name))}
			if g.setFile != "" {
				r.Because("boot_loaders", g.setFile, g.setLine, "default="+r.Value(g.env["default"], g.setFile, g.setLine))
			}
			if g.saved != "" {
				r.Because("boot_loaders", g.saved, 0, "the environment of GRUB")
			}
			r.bootLoader(b)
		}
	}
	r.grubWithoutConfig()
}

// grubWithoutConfig reads the entries that GRUB lists by itself where its
// configuration is on a volume that is not here: the environment block tells that it
// does.
func (r *root) grubWithoutConfig() {
	if len(r.Sys.BootLoaders) > 0 || !r.IsDir("boot/loader/entries") {
		return
	}
	name, ok := r.FirstFile("boot/grub2/grubenv", "boot/grub/grubenv")
	if !ok {
		return
	}
	g := r.newGrub("boot", name)
	g.loadEnv(nil)
	g.env["default"] = cmp.Or(g.env["next_entry"], g.env["saved_entry"])
	if g.blscfg(); len(g.entries) > 0 {
		r.bootLoader(system.BootLoader{Name: "grub", Path: guest.Shown(name), Entries: g.entries, Reason: g.choose(guest.Shown(name))})
	}
}
