package linux

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// A blsEntry is an entry of the Boot Loader Specification, with what it is sorted by.
type blsEntry struct {
	system.BootEntry
	sortKey, machine string
	left             int      // attempts that are left, -1 if they are not counted
	dir              string   // of the volume that it is on
	program          string   // what it calls the file that starts
	linux            bool     // that is a kernel
	initrd           []string // what it calls them; GRUB replaces variables
}

// A blsFolder holds the entries of type 1 of a folder, and why these are not all.
type blsFolder struct {
	entries []blsEntry
	why     string
}

// typeOne reads the entries of type 1 of a folder, once: a text file each, in
// loader/entries.
func (r *root) typeOne(dir string) blsFolder {
	out, ok := r.entries[dir]
	if !ok {
		out = r.readFolder(dir)
		r.entries[dir] = out
	}
	return out
}

func (r *root) readFolder(dir string) (out blsFolder) {
	at := path.Join(dir, "loader/entries")
	if !r.IsDir(at) {
		return out
	}
	files, more := r.ListAll(at, guest.MaxEntries)
	if more {
		out.why = fmt.Sprintf("/%s has more than %d files", at, guest.MaxEntries)
	}
	for _, f := range files {
		name := path.Join(at, f.Name())
		if !strings.HasSuffix(f.Name(), ".conf") || !r.IsFile(name) {
			continue
		}
		if len(out.entries) == maxBootEntries || r.Ctx.Err() != nil {
			out.why = tooManyEntries
			break
		}
		b, ok := r.Text(name)
		if !ok {
			out.why = "/" + name + " is not read"
			continue
		}
		e := readTypeOne(&r.Tree, b, name)
		e.dir = dir
		if e.program != "" {
			e.Kernel = r.shownBoot(r.bootFile(dir, e.program))
		}
		out.entries = append(out.entries, e)
	}
	return out
}

// readTypeOne reads an entry of type 1: lines of a key and a value.
func readTypeOne(t *guest.Tree, b []byte, name string) blsEntry {
	var e blsEntry
	e.ID, e.left = attempts(path.Base(name))
	e.ID, e.Path = t.Fit(e.ID, "/"+name), guest.Shown(name)
	options, long := 0, false
	for line, text := range guest.Entries(b) {
		i := strings.IndexAny(text, " \t")
		if i < 0 {
			continue
		}
		key, text := text[:i], strings.TrimSpace(text[i:])
		if key == "options" { // a part of them would be another command line
			options += len(text) + 1
			if long = long || len(text) > guest.MaxValue || options > maxOptions; !long {
				e.Options = strings.TrimSpace(e.Options + " " + t.Value(text, name, line))
			}
			continue
		}
		val := t.Value(text, name, line)
		switch key {
		case "title":
			e.Title = val
		case "version":
			e.Version = val
		case "machine-id":
			e.machine = val
		case "sort-key":
			e.sortKey = val
		case "linux", "efi", "uki":
			e.program, e.linux = val, key == "linux"
		case "initrd":
			for w := range strings.FieldsSeq(val) {
				if len(e.initrd) <= maxEntryRAMDisks {
					e.initrd = append(e.initrd, w)
				}
			}
		}
	}
	if long {
		e.Options = ""
		t.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "options of %d bytes are ignored", options))
	}
	return e
}

// attempts parts the name of a file that counts its attempts: "NAME+LEFT[-DONE].conf".
func attempts(name string) (id string, left int) {
	ext := path.Ext(name)
	base := strings.TrimSuffix(name, ext)
	i := strings.LastIndexByte(base, '+')
	if i <= 0 {
		return name, -1
	}
	n, done, ok := strings.Cut(base[i+1:], "-")
	left, err := strconv.Atoi(n)
	if err != nil || left < 0 || strings.Trim(n, "0123456789") != "" {
		return name, -1
	}
	if ok && (done == "" || strings.Trim(done, "0123456789") != "") {
		return name, -1
	}
	return base[:i] + ext, left
}

// compareBLS orders versions and names by the UAPI Version Format Specification.
func compareBLS(a, b string) int {
	valid := func(c byte) bool {
		return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '~' || c == '-' || c == '^' || c == '.'
	}
	at := func(s string) byte {
		if s == "" {
			return 0
		}
		return s[0]
	}
	digits := func(s string) int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	letters := func(s string) int {
		n := 0
		for n < len(s) && s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' {
			n++
		}
		return n
	}
	for {
		for a != "" && !valid(a[0]) {
			a = a[1:]
		}
		for b != "" && !valid(b[0]) {
			b = b[1:]
		}
		if at(a) == '~' || at(b) == '~' {
			if c := cmp.Compare(boolInt(at(a) != '~'), boolInt(at(b) != '~')); c != 0 {
				return c
			}
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			return cmp.Compare(boolInt(a != ""), boolInt(b != ""))
		}
		again := false
		for _, sep := range []byte("-^.") {
			if a[0] != sep && b[0] != sep {
				continue
			}
			if c := cmp.Compare(boolInt(a[0] != sep), boolInt(b[0] != sep)); c != 0 {
				return c
			}
			a, b, again = a[1:], b[1:], true
			break
		}
		if again {
			continue
		}
		if x, y := digits(a), digits(b); x > 0 || y > 0 {
			m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), strings.Compare(m, n)); c != 0 {
				return c
			}
			if x == 0 || y == 0 {
				return cmp.Compare(x, y)
			}
			a, b = a[x:], b[y:]
			continue
		}
		x, y := letters(a), letters(b)
		if c := strings.Compare(a[:x], b[:y]); c != 0 {
			return c
		}
		a, b = a[x:], b[y:]
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareEntries orders entries as systemd-boot does
// (systemd, src/boot/efi/boot.c, config_entry_compare).
func compareEntries(a, b blsEntry) int {
	if c := cmp.Compare(boolInt(a.left == 0), boolInt(b.left == 0)); c != 0 {
		return c
	}
	if c := cmp.Compare(boolInt(a.sortKey == ""), boolInt(b.sortKey == "")); c != 0 {
		return c
	}
	if a.sortKey != "" {
		if c := cmp.Or(strings.Compare(a.sortKey, b.sortKey), strings.Compare(a.machine, b.machine), compareBLS(b.Version, a.Version)); c != 0 {
			return c
		}
	}
	return compareBLS(b.ID, a.ID)
}

// loaderDirs are where an EFI system partition, and the partition for further
// entries, may be mounted.
var loaderDirs = [...]string{"efi", "boot/efi", "boot", "."}

// systemdBoot reads the entries that systemd-boot lists: files, and unified kernel
// images, of the EFI system partition and of that beside it; loader.conf says which
// starts.
func (r *root) systemdBoot() {
	var dirs []string
	seen := map[string]bool{}
	binary, config := "", ""
	for _, dir := range loaderDirs {
		if !r.IsDir(path.Join(dir, "loader")) && !r.IsDir(path.Join(dir, "EFI")) {
			continue
		}
		if real := r.Real(dir); seen[real] {
			continue
		} else {
			seen[real] = true
		}
		dirs = append(dirs, dir)
		if name := path.Join(dir, "loader/loader.conf"); config == "" && r.IsFile(name) {
			config = name
		}
		if at := path.Join(dir, "EFI/systemd"); binary == "" && r.IsDir(at) {
			for _, e := range r.List(at) {
				if strings.HasPrefix(e.Name(), "systemd-boot") {
					binary = path.Join(at, e.Name())
				}
			}
		}
	}
	grubs := map[string]bool{} // the folders that GRUB alone reads
	for _, l := range r.Sys.BootLoaders {
		if l.Name == "grub" && binary == "" && config == "" {
			for _, e := range l.Entries {
				if at := path.Dir(e.Path); strings.HasSuffix(at, "/loader/entries") {
					grubs[r.Real(guest.Name(at))] = true
				}
			}
		}
	}
	var list []blsEntry
	why := ""
	for _, dir := range dirs {
		if grubs[r.Real(path.Join(dir, "loader/entries"))] {
			continue
		}
		f := r.typeOne(dir)
		list, why = append(list, f.entries...), cmp.Or(why, f.why)
	}
	images, more := r.typeTwo(dirs)
	list, why = append(list, images...), cmp.Or(why, more)
	if len(list) > maxBootEntries {
		list, why = list[:maxBootEntries], tooManyEntries
	}
	if len(list) == 0 && binary == "" {
		return
	}
	slices.SortStableFunc(list, compareEntries)
	l := system.BootLoader{Name: "systemd-boot", Path: guest.Shown(config)}
	switch {
	case config == "" && binary == "":
		l.Name = "bls"
		fallthrough
	case config == "":
		l.Path = guest.Shown(cmp.Or(binary, dirOf(list)))
	}
	for i := range list {
		e := &list[i]
		for _, w := range e.initrd {
			if hasVariable(w) {
				e.Initrd = append(e.Initrd, w)
			} else {
				r.addInitrds(&e.BootEntry, []string{w}, func(name string) string { return r.bootFile(e.dir, name) })
			}
		}
		l.Entries = append(l.Entries, e.BootEntry)
	}
	if why != "" {
		l.Reason = r.notWhole(l.Path, why)
	}
	switch {
	case l.Name == "bls":
		l.Reason = "nothing tells what reads these entries"
	case why == "":
		l.Reason = r.chooseEntry(config, l.Entries)
	}
	r.bootLoader(l)
}

// hasVariable reports whether a word of an entry names no file: only GRUB replaces the
// variable in it.
func hasVariable(word string) bool { return strings.Contains(word, "$") }

func dirOf(list []blsEntry) string { return guest.Name(path.Dir(list[0].Path)) }

// builtinEntries are those that systemd-boot makes itself, which are in no file
// (systemd-boot(7)).
var builtinEntries = [...]string{"auto-windows", "auto-osx", "auto-efi-shell", "auto-efi-default", "auto-reboot-to-firmware-setup", "auto-reboot", "auto-poweroff"}

// chooseEntry marks the first entry that the default of loader.conf matches
// (loader.conf(5)), or the first of all.
func (r *root) chooseEntry(config string, list []system.BootEntry) string {
	if len(list) == 0 {
		return "it has no entries"
	}
	want, at := "", 0
	if config != "" {
		b, ok := r.Text(config)
		if !ok {
			return r.notWhole("/"+config, "it is not read")
		}
		for line, text := range guest.Entries(b) {
			if i := strings.IndexAny(text, " \t"); i > 0 && text[:i] == "default" {
				want, at = strings.TrimSpace(text[i:]), line
			}
		}
	}
	if want == "@saved" {
		return "the default is the entry that was started last, which a variable of EFI says"
	}
	if want != "" {
		r.Because("boot_loaders", config, at, "default "+r.Value(want, config, at))
		for i := range list {
			if ok, _ := path.Match(strings.ToLower(want), strings.ToLower(list[i].ID)); ok {
				list[i].Default = true
				return ""
			}
		}
		for _, id := range builtinEntries {
			if ok, _ := path.Match(strings.ToLower(want), id); ok {
				return "its default is " + id + ", an entry that systemd-boot makes itself"
			}
		}
	}
	list[0].Default = true
	return ""
}
