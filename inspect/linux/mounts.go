package linux

import (
	"context"
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
// device that is to be found.
type Entry struct {
	system.Mount
	Device system.Device
	File   string // as io/fs names it
}

// Mounts reads what a root on fsys mounts, and records in sys where that is said.
func Mounts(ctx context.Context, fsys fs.FS, sys *system.System, o *system.Options) []Entry {
	r := &root{guest.NewRoot(ctx, fsys, sys, o)}
	for _, name := range fstabPaths {
		b, ok := r.Text(name)
		if !ok {
			continue
		}
		r.Because("mounts", name, 0, "")
		var out []Entry
		for i, e := range parseFstab(b) {
			if i >= maxMounts {
				r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d entries", maxMounts))
				break
			}
			m := Entry{Device: parseSpec(e), File: name}
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
