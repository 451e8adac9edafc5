package fat

import (
	"encoding/binary"
	"io/fs"
	"time"
)

const direntLen = 32

// Attributes are those of a directory entry, as stored. [vfs.Stat.Native] of a
// file or directory is one.
//
// [vfs.Stat.Native]: https://pkg.go.dev/github.com/guestkit/guestkit/fs/vfs#Stat
type Attributes uint8

// The bits of DIR_Attr (fatgen103, "FAT Directory Structure").
const (
	ReadOnly  Attributes = 0x01
	Hidden    Attributes = 0x02
	System    Attributes = 0x04
	volumeID  Attributes = 0x08
	directory Attributes = 0x10
	Archive   Attributes = 0x20

	longName = ReadOnly | Hidden | System | volumeID
	allAttrs = 0x3F
)

const (
	endMark     = 0x00 // in the first byte: no more entries
	deletedMark = 0xE5
)

// dirent is a directory entry with an 8.3 name.
type dirent struct {
	name     [11]byte   // 0x00
	attr     Attributes // 0x0B
	flags    byte       // 0x0C: case
	cTenths  byte       // 0x0D: hundredths of a second, 0 to 199
	cTime    uint16     // 0x0E
	cDate    uint16     // 0x10
	aDate    uint16     // 0x12
	firstHi  uint16     // 0x14: FAT32
	mTime    uint16     // 0x16
	mDate    uint16     // 0x18
	firstLo  uint16     // 0x1A
	fileSize uint32     // 0x1C
}

func (d *dirent) decode(b []byte) {
	copy(d.name[:], b)
	d.attr = Attributes(b[0x0B])
	d.flags = b[0x0C]
	d.cTenths = b[0x0D]
	d.cTime = binary.LittleEndian.Uint16(b[0x0E:])
	d.cDate = binary.LittleEndian.Uint16(b[0x10:])
	d.aDate = binary.LittleEndian.Uint16(b[0x12:])
	d.firstHi = binary.LittleEndian.Uint16(b[0x14:])
	d.mTime = binary.LittleEndian.Uint16(b[0x16:])
	d.mDate = binary.LittleEndian.Uint16(b[0x18:])
	d.firstLo = binary.LittleEndian.Uint16(b[0x1A:])
	d.fileSize = binary.LittleEndian.Uint32(b[0x1C:])
}

// first returns the first cluster, 0 if there is none.
func (d *dirent) first(bits int) uint32 {
	if bits == 32 {
		return (uint32(d.firstHi)<<16 | uint32(d.firstLo)) & 0x0FFFFFFF
	}
	return uint32(d.firstLo)
}

func (d *dirent) isDir() bool { return d.attr&directory != 0 }

func (d *dirent) mode() fs.FileMode {
	switch {
	case d.isDir():
		return fs.ModeDir | 0o755
	case d.attr&ReadOnly != 0:
		return 0o555
	}
	return 0o755
}

// timestamp decodes a date and a time, with 2 s resolution, and hundredths of
// a second beside them. A date that does not exist is the zero Time.
func timestamp(date, clock uint16, hundredths byte) time.Time {
	year, month, day := 1980+int(date>>9), time.Month(date>>5&15), int(date&31)
	hour, minute, second := int(clock>>11), int(clock>>5&63), int(clock&31)*2
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 || hundredths > 199 {
		return time.Time{}
	}
	t := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	if t.Day() != day {
		return time.Time{}
	}
	return t.Add(time.Duration(hundredths) * 10 * time.Millisecond)
}
