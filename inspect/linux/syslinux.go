package linux

import (
	"fmt"
	"path"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// syslinuxConfigs are where the members of the family look; U-Boot reads extlinux.conf
// as well.
var syslinuxConfigs = [...]struct{ name, dir, path string }{
	{"extlinux", "boot", "boot/extlinux/extlinux.conf"}, {"extlinux", "boot", "boot/extlinux.conf"}, {"extlinux", ".", "extlinux/extlinux.conf"}, {"extlinux", ".", "extlinux.conf"},
	{"syslinux", "boot", "boot/syslinux/syslinux.cfg"}, {"syslinux", ".", "syslinux/syslinux.cfg"}, {"syslinux", ".", "syslinux.cfg"}, {"syslinux", "boot", "boot/syslinux.cfg"},
	{"isolinux", ".", "isolinux/isolinux.cfg"}, {"isolinux", ".", "boot/isolinux/isolinux.cfg"}, {"isolinux", ".", "boot/x86_64/loader/isolinux.cfg"}, {"isolinux", ".", "isolinux.cfg"},
	{"syslinux", "boot/efi", "boot/efi/EFI/syslinux/syslinux.cfg"}, {"syslinux", ".", "EFI/syslinux/syslinux.cfg"},
}

// maxIncludes bounds the files that a configuration includes.
const maxIncludes = 64

// A syslinuxMenu is a configuration of SYSLINUX while it is read.
type syslinuxMenu struct {
	r           *root
	dir, config string
	l           system.BootLoader
	def         string // the label that DEFAULT names
	defLine     int
	defFile     string
	marked      int    // the entry with MENU DEFAULT, -1 if there is none
	append      string // for all entries
	entry       *system.BootEntry
	files       map[string]bool
	includes    int
	cut         string // why no more is read
}

// syslinux reads the configurations of the family of SYSLINUX (SYSLINUX wiki,
// "Config" and "Menu"; U-Boot, doc/develop/distro.rst).
func (r *root) syslinux() {
	seen := map[string]bool{}
	for _, c := range syslinuxConfigs {
		if !r.IsFile(c.path) {
			continue
		}
		real := r.Real(c.path)
		if seen[real] {
			continue
		}
		seen[real] = true
		if r.enoughLoaders(c.path) {
			return
		}
		m := &syslinuxMenu{r: r, dir: c.dir, config: path.Dir(c.path), marked: -1, files: map[string]bool{}}
		m.l = system.BootLoader{Name: c.name, Path: guest.Shown(c.path)}
		m.read(c.path)
		m.choose()
		r.bootLoader(m.l)
	}
}

// find is the file that a path means: from the volume, or beside the configuration.
func (m *syslinuxMenu) find(name string) string {
	if !strings.HasPrefix(name, "/") {
		if at := path.Join(m.config, guest.Name(path.Clean("/" + name)[1:])); m.r.Stat(at) != nil {
			return at
		}
		if strings.HasPrefix(name, "../") { // u-boot-menu writes them so
			if at := path.Join(m.config, name); m.r.Stat(at) != nil && !strings.HasPrefix(at, "..") {
				return at
			}
		}
	}
	return m.r.bootFile(m.dir, name)
}

// include reads a file that another names.
func (m *syslinuxMenu) include(name string) {
	if m.includes++; m.includes > maxIncludes {
		m.cut = fmt.Sprintf("it includes more than %d files", maxIncludes)
		return
	}
	m.read(m.find(name))
}

func (m *syslinuxMenu) read(name string) {
	if m.files[name] {
		return
	}
	m.files[name] = true
	b, ok := m.r.textIf(name)
	if !ok {
		return
	}
	for line, text := range guest.Entries(b) {
		key, arg := text, ""
		if i := strings.IndexAny(text, " \t"); i > 0 {
			key, arg = text[:i], strings.TrimSpace(text[i:])
		}
		if m.keyword(strings.ToLower(key), m.r.Value(arg, name, line), name, line); m.cut != "" {
			return
		}
	}
}

func (m *syslinuxMenu) keyword(key, arg, name string, line int) {
	e := m.entry
	switch key {
	case "include":
		m.include(arg)
	case "default":
		m.def, m.defFile, m.defLine = arg, name, line
	case "label":
		if len(m.l.Entries) == maxBootEntries {
			m.cut = tooManyEntries
			return
		}
		m.l.Entries = append(m.l.Entries, system.BootEntry{ID: arg, Path: guest.Shown(name), Line: line, Options: m.append})
		m.entry = &m.l.Entries[len(m.l.Entries)-1]
	case "kernel", "linux", "localboot", "com32", "boot", "fit":
		if e != nil && e.Kernel == "" && key != "localboot" && arg != "" {
			f := strings.Fields(arg)
			e.Kernel = m.r.shownBoot(m.find(f[0]))
			if len(f) > 1 {
				m.options(e, strings.Join(f[1:], " "))
			}
		}
	case "initrd":
		if e != nil {
			m.initrd(e, arg)
		}
	case "append":
		switch {
		case e == nil:
			m.append = arg
		case arg == "-":
			e.Options = ""
		default:
			m.options(e, arg)
		}
	case "menu":
		word, rest, _ := strings.Cut(arg, " ")
		switch rest = strings.TrimSpace(rest); strings.ToLower(word) {
		case "label":
			if e != nil {
				e.Title = strings.ReplaceAll(rest, "^", "")
			}
		case "default":
			if e != nil && len(m.l.Entries) > 0 {
				m.marked = len(m.l.Entries) - 1
			}
		case "include":
			f, _, _ := strings.Cut(rest, " ")
			m.include(f)
		}
	}
}

// options takes the line of APPEND, in which initrd= names files too.
func (m *syslinuxMenu) options(e *system.BootEntry, line string) {
	e.Options = line
	for _, w := range strings.Fields(line) {
		if v, ok := strings.CutPrefix(w, "initrd="); ok {
			m.initrd(e, v)
		}
	}
}

func (m *syslinuxMenu) initrd(e *system.BootEntry, list string) {
	m.r.addInitrds(e, strings.FieldsFunc(list, func(c rune) bool { return c == ',' }), m.find)
}

// choose marks the entry that starts: MENU DEFAULT, else the label of DEFAULT, else,
// if that is the program of a menu or there is none, the first.
func (m *syslinuxMenu) choose() {
	entries := m.l.Entries
	if m.defFile != "" {
		m.r.Because("boot_loaders", m.defFile, m.defLine, "default "+m.def)
	}
	if m.cut != "" {
		m.l.Reason = m.r.notWhole(m.l.Path, m.cut)
		return
	}
	if len(entries) == 0 {
		m.l.Reason = "it has no entries"
		return
	}
	if m.marked >= 0 {
		entries[m.marked].Default = true
		return
	}
	first, _, _ := strings.Cut(m.def, " ")
	for i := range entries {
		if entries[i].ID == m.def || entries[i].ID == first {
			entries[i].Default = true
			return
		}
	}
	if m.def != "" && !strings.HasSuffix(strings.ToLower(first), ".c32") {
		m.l.Reason = "its default is " + m.def + ", which no entry is called"
		return
	}
	entries[0].Default = true
}
