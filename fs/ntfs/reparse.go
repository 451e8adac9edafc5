package ntfs

import (
	"encoding/binary"
	"io/fs"

	"github.com/guestkit/guestkit/block"
)

// Reparse tags ([MS-FSCC] 2.1.2.1).
const (
	tagMountPoint  = 0xA0000003
	tagSymlink     = 0xA000000C
	tagWOF         = 0x80000017
	tagLXSymlink   = 0xA000001D
	tagAFUnix      = 0x80000023
	tagLXFIFO      = 0x80000024
	tagLXChar      = 0x80000025
	tagLXBlock     = 0x80000026
	tagAppExecLink = 0x8000001B
	tagOneDrive    = 0x80000021
	tagCloud       = 0x9000001A // and 0x9000101A to 0x9000F01A
	tagCloudMask   = 0xFFFF0FFF
)

// tagNames name what else is met on disks.
var tagNames = map[uint32]string{
	0x80000006: "HSM2",
	0x80000007: "single instance storage",
	0x8000000A: "DFS",
	0x80000012: "DFSR",
	0x80000013: "data deduplication",
	0x80000014: "NFS",
	0x80000018: "container isolation",
	0x90001018: "container isolation",
	0x8000001C: "projected file system",
	0x9000001C: "projected file system",
	0xC0000004: "HSM",
	0xA0000010: "IIS cache",
}

// maxReparse is the most data that Windows lets a reparse point have.
const maxReparse = 16 << 10

// A reparsePoint is the $REPARSE_POINT attribute: a tag, and data that it
// gives a meaning to. Tag 0 means that there is none.
type reparsePoint struct {
	tag    uint32 // 0x00
	length uint16 // 0x04
	data   []byte // 0x08, after a GUID if the tag is not Microsoft's
}

func (r *reparsePoint) decode(b []byte) {
	r.tag = binary.LittleEndian.Uint32(b)
	r.length = binary.LittleEndian.Uint16(b[0x04:])
}

func (n *inode) readReparse() error {
	b, err := n.value(attrReparsePoint, "", maxReparse)
	if err != nil || len(b) == 0 {
		return err
	}
	if len(b) < 8 {
		return n.corrupt("its $REPARSE_POINT has %d bytes", len(b))
	}
	n.link.decode(b)
	if n.link.tag == 0 || int(n.link.length) > len(b)-8 {
		return n.corrupt("its $REPARSE_POINT with tag %#x has %d bytes of %d", n.link.tag, len(b)-8, n.link.length)
	}
	n.link.data = b[8 : 8+int(n.link.length)]
	return nil
}

// classifyReparse sets the mode of a file that its tag makes special. It
// reports false for a tag that leaves the file what it is without.
func (n *inode) classifyReparse() (bool, error) {
	switch n.link.tag {
	case tagMountPoint, tagSymlink, tagLXSymlink:
		n.mode |= fs.ModeSymlink
		n.size = 0
	case tagAFUnix:
		n.mode |= fs.ModeSocket
	case tagLXFIFO:
		n.mode |= fs.ModeNamedPipe
	case tagLXChar, tagLXBlock:
		n.mode |= fs.ModeDevice
		if n.link.tag == tagLXChar {
			n.mode |= fs.ModeCharDevice
		}
		dev, err := n.extendedAttribute("$LXDEV")
		if err != nil {
			return false, err
		}
		if len(dev) >= 8 {
			n.major, n.minor = binary.LittleEndian.Uint32(dev), binary.LittleEndian.Uint32(dev[4:])
		}
	case tagWOF:
		if n.isDir() {
			return false, nil
		}
		a, err := n.named(attrData, wofStream)
		if a != nil && a.nonRes {
			n.allocated = a.stored
		}
		return true, err
	default:
		return false, nil
	}
	return true, nil
}

// contentHere says whether the bytes of the file lie in its $DATA. For tags
// that are not known they may lie anywhere.
func (n *inode) contentHere() error {
	tag, name := n.link.tag, tagNames[n.link.tag]
	const elsewhere = AttrRecallOnData | AttrRecallOnOpen | AttrOffline
	switch {
	case tag == 0 || tag == tagAppExecLink:
		return nil
	case tag&tagCloudMask == tagCloud || tag == tagOneDrive:
		if n.std.attributes&elsewhere == 0 {
			return nil
		}
		name = "a cloud file whose content is elsewhere"
	}
	if name != "" {
		name = " (" + name + ")"
	}
	return block.Errorf("ntfs", recordName(n.rec.num), n.v.recordOffset(n.rec.num), block.ErrUnsupported, "reparse tag %#x%s", tag, name)
}

// ReadLink implements vfs.Inode: symbolic links and junctions of Windows, and
// the links of WSL and Interix.
func (n *inode) ReadLink() (string, error) {
	if n.mode&fs.ModeSymlink == 0 {
		return "", fs.ErrInvalid
	}
	d := n.link.data
	switch n.link.tag {
	case 0:
		return n.interixTarget()
	case tagLXSymlink:
		if len(d) < 4 || binary.LittleEndian.Uint32(d) != 2 {
			return "", block.Errorf("ntfs", recordName(n.rec.num), n.v.recordOffset(n.rec.num), block.ErrUnsupported, "this version of a WSL link")
		}
		return string(d[4:]), nil
	}
	p, err := n.windowsLink()
	if err != nil {
		return "", err
	}
	return n.v.guestTarget(p), nil
}

// A windowsLink is the data of a junction or a symbolic link.
type windowsLink struct {
	substituteOffset, substituteLength uint16 // 0x00, 0x02 bytes in the buffer
	printOffset, printLength           uint16 // 0x04, 0x06
	flags                              uint32 // 0x08 symbolic links only
	substitute                         string
}

const linkRelative = 1

func (l *windowsLink) decode(b []byte, symlink bool) {
	le := binary.LittleEndian
	l.substituteOffset = le.Uint16(b[0x00:])
	l.substituteLength = le.Uint16(b[0x02:])
	l.printOffset = le.Uint16(b[0x04:])
	l.printLength = le.Uint16(b[0x06:])
	if symlink {
		l.flags = le.Uint32(b[0x08:])
	}
}

func (n *inode) windowsLink() (l windowsLink, err error) {
	d := n.link.data
	head := 8
	if n.link.tag == tagSymlink {
		head = 12
	}
	if len(d) < head {
		return l, n.corrupt("the target of a link is cut off")
	}
	l.decode(d, n.link.tag == tagSymlink)
	buf := d[head:]
	if int(l.substituteOffset)+int(l.substituteLength) > len(buf) {
		return l, n.corrupt("the target of a link is cut off")
	}
	l.substitute = decodeName(buf[l.substituteOffset:][:l.substituteLength])
	return l, nil
}
