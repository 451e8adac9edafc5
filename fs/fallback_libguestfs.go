//go:build libguestfs && linux

package fs

import (
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/guestfish"
)

func fallbackDriver(typ string) *Driver {
	if !slices.Contains(borrowed(), typ) {
		return nil
	}
	return &Driver{[]string{typ}, func(r block.Reader, o *Options) (vfs.FS, error) { return openBorrowed(typ, r, o) }}
}

func openBorrowed(typ string, r block.Reader, o *Options) (vfs.FS, error) {
	if o.NoReplay {
		return nil, block.Errorf(typ, "filesystem", -1, block.ErrUnsupported, "only guestfish reads it, and not without its journal")
	}
	if o.NoProcesses {
		return nil, block.Errorf(typ, "filesystem", -1, block.ErrUnsupported, "only guestfish reads it, and none may be started")
	}
	f, err := Probe(r)
	if err != nil {
		return nil, err
	}
	if f.Type != typ {
		return nil, block.Errorf(typ, "filesystem", -1, block.ErrFormat, "it is not there")
	}
	return guestfish.Open(r, guestfish.Options{
		Info: vfs.Info{Type: typ, Version: f.Version, Label: f.Label, UUID: f.UUID, Size: r.Size(), Free: -1,
			CaseInsensitive: typ == "exfat"},
		CacheBytes: o.CacheBytes,
		Cancel:     o.Cancel,
	})
}
