package linux

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// fstabPaths are where a Linux root keeps its fstab; the last is the system
// profile of NixOS.
var fstabPaths = [...]string{"etc/fstab", "nix/var/nix/profiles/system/etc/fstab"}

// An Entry is a line of fstab: the mount as far as it is told there, and the
// devices that it may name, the most likely first.
type Entry struct {
	system.Mount
	Devices []system.Device
	File    string // as io/fs names it
}

// Mounts reads what a root of Linux or a BSD on fsys mounts, and records in sys where that is said.
func Mounts(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) []Entry {
	r := newRoot(ctx, fsys, sys, o)
	for _, name := range fstabPaths {
		b, ok := r.Text(name)
		if !ok {
			continue
		}
		r.Because("mounts", name, 0, "")
		known := names{crypt: r.crypttab(), arrays: r.arrays()}
		var out []Entry
		for i, e := range parseFstab(b) {
			if i >= maxMounts {
				r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d entries", maxMounts))
				break
			}
			m := Entry{File: name}
			if sys.Type.BSD() {
				m.Devices = bsdDevices(e)
			} else {
				m.Devices = devices(e, known)
			}
			m.Spec, m.Type, m.Options, m.Line = r.Value(e.spec, name, e.line), r.Value(e.typ, name, e.line), r.Value(e.options, name, e.line), e.line
			if e.typ != "swap" && strings.HasPrefix(e.path, "/") && len(e.path) <= guest.MaxValue {
				m.Path = guest.Shown(guest.Name(e.path))
			}
			out = append(out, m)
		}
		return out
	}
	return nil
}

// crypttab reads which device is unlocked under which name.
func (r *root) crypttab() map[string]string {
	const name = "etc/crypttab"
	out := map[string]string{}
	if !r.IsThere(name) {
		return out
	}
	b, _ := r.Text(name)
	for line, text := range guest.Entries(b) {
		f := strings.Fields(text)
		if len(f) < 2 {
			continue
		}
		if len(out) == maxMounts {
			r.Problem(block.Errorf("", fmt.Sprintf("/%s line %d", name, line), -1, block.ErrLimit, "more than %d entries", maxMounts))
			break
		}
		if _, again := out[f[0]]; !again {
			out[f[0]] = r.Value(f[1], name, line) // each line of fstab may name it
		}
	}
	return out
}
