package ntfs

import (
	"bytes"
	"encoding/binary"
	"io/fs"

	"github.com/guestkit/guestkit/block"
)

// Services for UNIX (Interix), Cygwin and ntfs-3g keep special files as small
// files with the attribute System: an empty one is a fifo, one of a single byte
// a socket; links and devices start with one of these words.
const (
	interixLink  = "IntxLNK\x01"
	interixChar  = "IntxCHR\x00"
	interixBlock = "IntxBLK\x00"

	interixDeviceSize = 24 // the word, major and minor number
	maxInterixLink    = 8 + 2*4096
)

// classifyInterix finds special files among those with the attribute System.
func (n *inode) classifyInterix(a *attribute) error {
	switch {
	case a.size == 0:
		n.mode |= fs.ModeNamedPipe
		return nil
	case a.size == 1:
		n.mode |= fs.ModeSocket
		return nil
	case a.size <= 8 || a.size > maxInterixLink || a.flags&attrEncrypted != 0:
		return nil
	}
	d, err := n.open(a)
	if err != nil {
		return err
	}
	b := make([]byte, min(a.size, interixDeviceSize))
	if err := block.ReadFull(d, b, 0); err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(b, []byte(interixLink)):
		n.mode |= fs.ModeSymlink
	case bytes.HasPrefix(b, []byte(interixChar)) && a.size == interixDeviceSize:
		n.mode |= fs.ModeDevice | fs.ModeCharDevice
	case bytes.HasPrefix(b, []byte(interixBlock)) && a.size == interixDeviceSize:
		n.mode |= fs.ModeDevice
	default:
		return nil
	}
	if n.mode&fs.ModeDevice != 0 {
		n.major = uint32(binary.LittleEndian.Uint64(b[8:]))
		n.minor = uint32(binary.LittleEndian.Uint64(b[16:]))
	}
	n.size = 0
	return nil
}

// interixTarget reads the target of an Interix link.
func (n *inode) interixTarget() (string, error) {
	b, err := n.value(attrData, "", maxInterixLink)
	if err != nil {
		return "", err
	}
	return decodeName(b[min(len(b), len(interixLink)):]), nil
}
