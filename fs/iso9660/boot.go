package iso9660

import (
	"cmp"
	"encoding/binary"
	"fmt"

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

// String says what starts it, and as which medium.
func (b BootImage) String() string {
	platform := map[byte]string{0: "BIOS", 1: "PowerPC", 2: "Mac", 0xEF: "UEFI"}[b.Platform]
	if platform == "" {
		platform = fmt.Sprintf("platform %#02x", b.Platform)
	}
	if b.Media > 0 && int(b.Media) < len(media) {
		platform += ", as " + media[b.Media]
	}
	if !b.Bootable {
		platform += ", not bootable"
	}
	return platform
}

var media = [...]string{"", "a floppy of 1.2 MB", "a floppy of 1.44 MB", "a floppy of 2.88 MB", "a hard disk"}

// size returns the size of the medium, of which the firmware loads so many sectors
// of 512 bytes: of a disk what its partitions take, of what is not emulated what a
// FAT in it says, since 16 bits count no more than 32 MiB.
func (b *BootImage) size(r block.Reader, sectors int64) (int64, error) {
	size := sectors * 512
	switch b.Media {
	case 1:
		return 1200 << 10, nil
	case 2:
		return 1440 << 10, nil
	case 3:
		return 2880 << 10, nil
	}
	left := r.Size() - b.Off
	if left < 512 {
		return size, nil
	}
	s, err := block.ReadBytes(r, b.Off, 512, 512)
	if err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	own := int64(0)
	switch {
	case s[510] != 0x55 || s[511] != 0xAA:
	case b.Media == 4:
		own = (int64(le.Uint32(s[446+8:])) + int64(le.Uint32(s[446+12:]))) * 512
	case s[0] == 0xEB || s[0] == 0xE9:
		n := int64(le.Uint16(s[0x13:]))
		if n == 0 {
			n = int64(le.Uint32(s[0x20:]))
		}
		own = n * int64(le.Uint16(s[0x0B:]))
	}
	if own > left {
		own = 0
	}
	if sectors <= 1 && b.Platform == 0xEF && own == 0 {
		own = left // as UEFI has it
	}
	return max(size, own), nil
}

const maxBootImages = 256

// BootImages lists what El Torito boots from the volume on r, nothing if it is
// not made for booting. What was found may come with an error.
func BootImages(r block.Reader) ([]BootImage, error) {
	starts, err := sessions.Find(r)
	images, fault := bootImages(r, starts)
	return images, cmp.Or(fault, block.Locate(format, "sessions", -1, err))
}

// bootImages reads the catalog of the last session.
func bootImages(r block.Reader, starts []int64) ([]BootImage, error) {
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
			if x.Off == 0 {
				continue
			}
			if x.Size, err = x.size(r, int64(binary.LittleEndian.Uint16(b[6:]))); err != nil {
				return out, block.Locate(format, "boot image", x.Off, err)
			}
			out = append(out, x)
		}
	}
	return out, nil
}
