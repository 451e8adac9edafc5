package iso9660

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	format         = "iso9660"
	sector         = 2048
	firstSector    = 16
	maxDescriptors = 64
)

// Types of volume descriptors.
const (
	descBoot    = 0
	descPrimary = 1
	descSupp    = 2
	descEnd     = 255
)

// volumeDescriptor is a primary or supplementary volume descriptor.
type volumeDescriptor struct {
	off       int64
	escape    string // 0x58: of a supplementary one, the characters
	id        string // 0x28
	blocks    uint32 // 0x50
	blockSize uint16 // 0x80
	root      []byte // 0x9C
	created   string // 0x32D
	modified  string // 0x33E
}

func (v *volumeDescriptor) decode(b []byte) {
	le := binary.LittleEndian
	v.id = string(b[0x28:0x48])
	v.blocks = le.Uint32(b[0x50:])
	v.escape = string(b[0x58:0x78])
	v.blockSize = le.Uint16(b[0x80:])
	v.root = b[0x9C : 0x9C+34]
	v.created = string(b[0x32D : 0x32D+16])
	v.modified = string(b[0x33E : 0x33E+16])
}

func (v *volumeDescriptor) validate() error {
	switch v.blockSize {
	case 512, 1024, 2048:
	default:
		return block.Errorf(format, "volume descriptor", v.off+0x80, block.ErrCorrupt, "blocks of %d bytes", v.blockSize)
	}
	return nil
}

// joliet reports whether the names are those of Joliet: UCS-2 of level 1 to 3.
func (v *volumeDescriptor) joliet() bool {
	return strings.HasPrefix(v.escape, "%/@") || strings.HasPrefix(v.escape, "%/C") || strings.HasPrefix(v.escape, "%/E")
}

// descriptors are those of one session.
type descriptors struct {
	start   int64 // of the session, in bytes
	primary *volumeDescriptor
	joliet  *volumeDescriptor
	boot    int64 // of El Torito's catalog, 0 if there is none
}

// lastDescriptors reads the volume descriptors of the last of the sessions that has
// some, as a drive shows the disc.
func lastDescriptors(r block.Reader, starts []int64) (*descriptors, error) {
	for _, s := range slices.Backward(starts[1:]) {
		d, err := readDescriptors(r, s)
		if !errors.Is(err, block.ErrFormat) {
			return d, err
		}
	}
	return readDescriptors(r, 0)
}

// readDescriptors reads the volume descriptors of the session that starts at
// the given sector.
func readDescriptors(r block.Reader, session int64) (*descriptors, error) {
	d := &descriptors{start: session * sector}
	off := (session + firstSector) * sector
	if session < 0 || off > r.Size()-sector {
		return nil, block.Errorf(format, "volume descriptor", off, block.ErrFormat, "")
	}
	for range maxDescriptors {
		b, err := block.ReadBytes(r, off, sector, sector)
		if err != nil {
			return nil, block.Locate(format, "volume descriptor", off, err)
		}
		if string(b[1:6]) != "CD001" {
			break // discs without an end are known
		}
		v := &volumeDescriptor{off: off}
		switch b[0] {
		case descBoot:
			if strings.HasPrefix(string(b[7:]), "EL TORITO SPECIFICATION") && d.boot == 0 {
				d.boot = int64(binary.LittleEndian.Uint32(b[0x47:])) * sector
			}
		case descPrimary:
			if d.primary == nil {
				v.decode(b)
				d.primary = v
			}
		case descSupp:
			if v.decode(b); v.joliet() && d.joliet == nil {
				d.joliet = v
			}
		case descEnd:
			return d.check(off)
		}
		off += sector
	}
	return d.check(off)
}

func (d *descriptors) check(off int64) (*descriptors, error) {
	if d.primary == nil {
		return nil, block.Errorf(format, "volume descriptor", off, block.ErrFormat, "")
	}
	return d, d.primary.validate()
}

// uuid writes a date of 16 digits as blkid does for a UUID.
func uuid(s string) string {
	if strings.Trim(s, "0123456789") != "" || strings.Trim(s, "0") == "" {
		return ""
	}
	return strings.Join([]string{s[:4], s[4:6], s[6:8], s[8:10], s[10:12], s[12:14], s[14:]}, "-")
}
