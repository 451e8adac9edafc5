package probe

import (
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/fat"
)

// probeFAT asks the driver, since no magic tells a FAT: the sizes in its boot
// sector must agree with each other. A boot sector that names itself FAT and
// is damaged is one too; opening it says what is wrong.
func probeFAT(v *view) (Found, bool) {
	if j := v.u8(0); j != 0xEB && j != 0xE9 && v.le16(510) != 0xAA55 {
		return Found{}, false
	}
	f := filesystem("vfat", 0)
	fsys, err := fat.Open(v.r, &fat.Options{CacheBytes: 64 << 10})
	switch {
	case errors.Is(err, block.ErrFormat):
		return f, false
	case errors.Is(err, block.ErrCorrupt), errors.Is(err, block.ErrUnsupported), errors.Is(err, block.ErrTruncated):
		f.Reason = err.Error()
		return f, true
	case err != nil:
		v.fail(err)
		return f, false
	}
	i := fsys.Info()
	f.Version, f.Label, f.UUID = i.Version, i.Label, i.UUID
	return f, true
}
