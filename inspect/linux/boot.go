package linux

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// Bounds of the configurations of boot loaders of one system.
const (
	maxBootLoaders   = 16
	maxBootEntries   = 512      // of each
	maxEntryRAMDisks = 16       // of an entry
	maxOptions       = 16 << 10 // bytes of its command line
)

var tooManyEntries = fmt.Sprintf("it has more than %d entries", maxBootEntries)

// findBootLoaders reads what the boot loaders can start.
func (r *root) findBootLoaders() {
	r.grub2()
	r.grub1()
	r.systemdBoot()
	r.syslinux()
	r.raspberry()
	r.namedLoaders()
}

// BootLoaders reads the boot loaders of a volume that a system does not mount, such as
// its EFI system partition.
func BootLoaders(ctx context.Context, fsys fs.FS, o *system.Options) ([]system.BootLoader, []system.Evidence) {
	sys := system.New(system.TypeLinux)
	r := newRoot(ctx, fsys, sys, o)
	r.findBootLoaders()
	return sys.BootLoaders, sys.Evidence
}

// bootLoader adds what was found.
func (r *root) bootLoader(b system.BootLoader) {
	if r.enoughLoaders(guest.Name(b.Path)) {
		return
	}
	more := false
	for i := range b.Entries {
		if e := &b.Entries[i]; len(e.Initrd) > maxEntryRAMDisks {
			e.Initrd, more = e.Initrd[:maxEntryRAMDisks], true
		}
	}
	if more {
		r.Problem(block.Errorf("", b.Path, -1, block.ErrLimit, "an entry has more than %d initial RAM disks; the first are listed", maxEntryRAMDisks))
	}
	if len(b.Entries) > 0 && b.DefaultEntry() == nil && b.Reason == "" {
		b.Reason = "its configuration does not say which entry starts"
	}
	r.Sys.BootLoaders = append(r.Sys.BootLoaders, b)
	r.Because("boot_loaders", guest.Name(b.Path), 0, b.Name)
	if e := b.DefaultEntry(); e != nil && e.Path != b.Path {
		r.Because("boot_loaders", guest.Name(e.Path), e.Line, "the default")
	}
}

// enoughLoaders reports whether no more are read, and says so once.
func (r *root) enoughLoaders(name string) bool {
	if len(r.Sys.BootLoaders) < maxBootLoaders {
		return false
	}
	if !r.manyLoaders {
		r.manyLoaders = true
		r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d boot loaders; this and what follows is not read", maxBootLoaders))
	}
	return true
}

// notWhole reports that a configuration is not read to its end, and returns the reason
// to choose no default.
func (r *root) notWhole(shown, why string) string {
	if r.Ctx.Err() == nil {
		r.Problem(block.Errorf("", shown, -1, block.ErrLimit, "%s; entries may be missing", why))
	}
	return "its configuration was not read whole"
}

// addInitrds adds the files that words mean. One past the bound stays, by which
// bootLoader knows that there are more.
func (r *root) addInitrds(e *system.BootEntry, words []string, find func(string) string) {
	for _, w := range words {
		if len(e.Initrd) > maxEntryRAMDisks {
			return
		}
		e.Initrd = append(e.Initrd, r.shownBoot(find(w)))
	}
}

// glob returns the paths that fit one, of which one folder may be "*".
func (r *root) glob(pattern string) []string {
	before, after, ok := strings.Cut(pattern, "/*/")
	if !ok {
		if r.IsFile(pattern) {
			return []string{pattern}
		}
		return nil
	}
	if !r.IsDir(before) {
		return nil
	}
	var out []string
	for _, e := range r.List(before) {
		if name := path.Join(before, e.Name(), after); e.IsDir() && r.IsFile(name) {
			out = append(out, name)
		}
	}
	return out
}

// bootFile is the file that a path of a boot loader stands for. It counts from the
// volume that is mounted at dir, or from the root, where it may have the name of a
// subvolume of Btrfs before it.
func (r *root) bootFile(dir, name string) string {
	p := guest.Name(strings.ReplaceAll(name, `\`, "/"))
	for _, at := range [...]string{path.Join(dir, p), p} {
		if r.Stat(at) == nil {
			continue
		}
		if strings.HasPrefix(p, dir+"/") && at != p && r.Real(at) == r.Real(p) { // by a link "boot" to "."
			return p
		}
		return at
	}
	if i := strings.Index("/"+p, "/boot/"); i > 0 {
		if at := ("/" + p)[i+1:]; r.Stat(at) != nil {
			return at
		}
	}
	return p
}

// shownBoot is a path for a field.
func (r *root) shownBoot(name string) string {
	return guest.Shown(r.Fit(name, "the path of a boot entry"))
}

// kernelsByEntries adds to the kernels what the entries say: their command lines, and
// which one is the default.
func (r *root) kernelsByEntries() {
	known := map[string]string{}
	file := func(shown string) string { // one name for all paths of a file
		real, ok := known[shown]
		if !ok {
			real = cmp.Or(r.Real(guest.Name(shown)), shown)
			known[shown] = real
		}
		return real
	}
	kernels := map[string]*system.Kernel{}
	chosen := false
	for n := range r.Sys.Kernels {
		k := &r.Sys.Kernels[n]
		chosen = chosen || k.Default
		if k.Image != "" && kernels[file(k.Image)] == nil {
			kernels[file(k.Image)] = k
		}
	}
	for _, b := range r.Sys.BootLoaders {
		for pass := range 2 { // the default counts before others of the same kernel
			for i := range b.Entries {
				e := &b.Entries[i]
				if e.Kernel == "" || e.Default != (pass == 0) {
					continue
				}
				if len(kernels) == 0 || r.Ctx.Err() != nil {
					return
				}
				k := kernels[file(e.Kernel)]
				if k == nil {
					continue
				}
				id := strings.TrimSuffix(cmp.Or(e.ID, e.Title), ".conf")
				if k.Entry == "" {
					k.Entry, k.Options = id, e.Options
				}
				if e.Default && !chosen {
					k.Default, k.Entry, k.Options, chosen = true, id, e.Options, true
					r.Because("kernels", guest.Name(e.Path), e.Line, "the default")
				}
			}
		}
	}
}

// grub1Configs are where that of GRUB 1 may be.
var grub1Configs = [...]struct{ dir, path string }{
	{"boot", "boot/grub/menu.lst"}, {"boot", "boot/grub/grub.conf"}, {".", "grub/menu.lst"}, {".", "grub/grub.conf"}, {"boot/efi", "boot/efi/EFI/*/grub.conf"}, {".", "etc/grub.conf"},
}

// grub1 reads the menu of GRUB 1 (GRUB 0.97 manual, 3 and 13).
func (r *root) grub1() {
	seen := map[string]bool{}
	for _, c := range grub1Configs {
		for _, name := range r.glob(c.path) {
			real := r.Real(name)
			if seen[real] {
				continue
			}
			seen[real] = true
			if r.enoughLoaders(name) {
				return
			}
			b, ok := r.Text(name)
			if !ok {
				continue
			}
			l := system.BootLoader{Name: "grub-legacy", Path: guest.Shown(name)}
			want, from, why := r.readGrub1(b, name, c.dir, &l)
			if want == "saved" {
				want = "0"
				if saved, ok := r.textIf(path.Join(path.Dir(name), "default")); ok { // grub-set-default writes it
					from = path.Join(path.Dir(name), "default")
					for _, text := range guest.Entries(saved) {
						want = strings.TrimSpace(text)
						break
					}
				}
			}
			if n, err := strconv.Atoi(want); err == nil && n >= 0 && n < len(l.Entries) {
				l.Entries[n].Default = true
				r.Because("boot_loaders", from, 0, "default "+want)
			} else if why == "" && len(l.Entries) > 0 {
				l.Reason = "its default is the entry " + r.Fit(want, "/"+name) + ", which it does not have"
			}
			if why != "" {
				if why = r.notWhole(l.Path, why); l.DefaultEntry() == nil {
					l.Reason = why
				}
			}
			r.bootLoader(l)
		}
	}
}

// readGrub1 reads the entries, and which is the default by what the file says.
func (r *root) readGrub1(b []byte, name, dir string, l *system.BootLoader) (want, from, why string) {
	want = "0"
	var e *system.BootEntry
	for line, text := range guest.Entries(b) {
		i := strings.IndexAny(text, " \t=")
		if i < 0 {
			continue
		}
		arg := strings.Trim(text[i:], " \t=")
		switch text[:i] {
		case "default":
			if e == nil {
				want = arg
			}
		case "title":
			if len(l.Entries) == maxBootEntries {
				return want, name, tooManyEntries
			}
			l.Entries = append(l.Entries, system.BootEntry{Title: r.Value(arg, name, line), Path: guest.Shown(name), Line: line})
			e = &l.Entries[len(l.Entries)-1]
		case "kernel":
			f := strings.Fields(arg)
			for len(f) > 1 && strings.HasPrefix(f[0], "--") {
				f = f[1:]
			}
			if e != nil && e.Kernel == "" && len(f) > 0 {
				e.Kernel, e.Options = r.shownBoot(r.bootFile(dir, noDevice(f[0]))), r.Value(strings.Join(f[1:], " "), name, line)
			}
		case "initrd", "module":
			if f := strings.Fields(arg); e != nil && len(f) > 0 {
				r.addInitrds(e, f[:1], func(name string) string { return r.bootFile(dir, noDevice(name)) })
			}
		}
	}
	return want, name, ""
}

// noDevice is a path of GRUB without its device: "(hd0,0)/vmlinuz".
func noDevice(name string) string {
	if strings.HasPrefix(name, "(") {
		_, name, _ = strings.Cut(name, ")")
	}
	return name
}

// raspberry reads what the firmware of the Raspberry Pi starts: the file cmdline.txt
// beside config.txt.
func (r *root) raspberry() {
	for _, dir := range [...]string{"boot/firmware", "boot", "."} {
		config, cmdline := path.Join(dir, "config.txt"), path.Join(dir, "cmdline.txt")
		if !r.IsFile(config) || !r.IsFile(cmdline) {
			continue
		}
		b, _ := r.Text(cmdline)
		l := system.BootLoader{Name: "raspberry-pi", Path: guest.Shown(config)}
		for line, text := range guest.Entries(b) {
			l.Entries = []system.BootEntry{{Options: r.Value(text, cmdline, line), Path: guest.Shown(cmdline), Line: line, Default: true}}
			break
		}
		if c, ok := r.Text(config); ok {
			kernel, at := "", 0
			for line, text := range guest.Entries(c) { // the last counts
				if k, v, ok := strings.Cut(text, "="); ok && strings.TrimSpace(k) == "kernel" {
					kernel, at = v, line
				}
			}
			if at > 0 && len(l.Entries) > 0 {
				l.Entries[0].Kernel = r.shownBoot(r.bootFile(dir, r.Value(kernel, config, at)))
			}
		}
		r.bootLoader(l)
		return
	}
}

// otherLoaders are known by their configuration, which is not read.
var otherLoaders = [...]struct {
	name  string
	paths []string
}{
	{"limine", []string{"boot/limine.conf", "boot/limine/limine.conf", "limine.conf", "limine/limine.conf", "boot/limine.cfg", "limine.cfg", "boot/efi/limine.conf", "boot/EFI/limine/limine.conf", "EFI/limine/limine.conf"}},
	{"refind", []string{"boot/efi/EFI/refind/refind.conf", "efi/EFI/refind/refind.conf", "boot/EFI/refind/refind.conf", "EFI/refind/refind.conf", "boot/refind_linux.conf"}},
	{"lilo", []string{"etc/lilo.conf"}}, {"yaboot", []string{"etc/yaboot.conf"}}, {"zipl", []string{"etc/zipl.conf"}},
}

func (r *root) namedLoaders() {
	for _, l := range otherLoaders {
		if name, ok := r.FirstFile(l.paths...); ok {
			r.bootLoader(system.BootLoader{Name: l.name, Path: guest.Shown(name), Reason: "the configuration of this loader is not read by this version"})
		}
	}
}
