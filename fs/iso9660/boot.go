package iso9660

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/sessions"
)

// A BootImage is one entry of the boot catalog of El Torito.
type BootImage struct {
	Off      int64 // bytes from the start of the volume
	Size     int64 // bytes; that of the emulated medium where there is one
	Platform byte  // 0 x86, 1 PowerPC, 2 Mac, 0xEF EFI
	Media    byte  // 0 none emulated, 1 to 3 floppies of 1.2, 1.44 and 2.88 MB, 4 a hard disk
	Bootable bool
}

const maxBootImages = 256

// BootImages lists what El Torito boots from the volume on r, nothing if it is
// not made for booting.
func BootImages(r block.Reader) ([]BootImage, error) {
	starts, err := sessions.Find(r)
	if err != nil {
		return nil, err
	}
	d, err := lastDescriptors(r, starts)
	if err != nil || d.boot == 0 {
		return nil, err
	}
	const what = "boot catalog"
	var out []BootImage
	platform, left := byte(0), 1 // entries until the next header
	for i := int64(0); i < maxBootImages; i++ {
		off := d.boot + 32*i
		b, err := block.ReadBytes(r, off, 32, 32)
		if err != nil {
			return out, block.Locate(format, what, off, err)
		}
		switch {
		case i == 0:
			sum := uint16(0)
			for k := 0; k < 32; k += 2 {
				sum += binary.LittleEndian.Uint16(b[k:])
			}
			if b[0] != 1 || b[30] != 0x55 || b[31] != 0xAA || sum != 0 {
				return nil, block.Errorf(format, what, off, block.ErrCorrupt, "its validation entry")
			}
			platform = b[1]
		case left == 0:
			if b[0] != 0x90 && b[0] != 0x91 {
				return out, nil
			}
			platform, left = b[1], int(binary.LittleEndian.Uint16(b[2:]))
			if left == 0 && b[0] == 0x91 {
				return out, nil
			}
		case b[0] == 0x44: // goes on with the entry before it
		default:
			left--
			if b[0] != 0x88 && b[0] != 0 {
				continue
			}
			x := BootImage{Off: int64(binary.LittleEndian.Uint32(b[8:])) * sector, Platform: platform, Media: b[1] & 15, Bootable: b[0] == 0x88}
			x.Size = int64(binary.LittleEndian.Uint16(b[6:])) * 512
			switch x.Media {
			case 1:
				x.Size = 1200 << 10
			case 2:
				x.Size = 1440 << 10
			case 3:
				x.Size = 2880 << 10
			}
			if x.Off > 0 {
				out = append(out, x)
			}
		}
	}
	return out, nil
}
