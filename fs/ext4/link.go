package ext4

import (
	"bytes"
	"io/fs"

	"github.com/guestkit/guestkit/block"
)

// maxLink is the longest target of a symbolic link that Linux makes.
const maxLink = 4096

// ReadLink implements vfs.Inode.
func (n *inode) ReadLink() (string, error) {
	switch {
	case n.stat.Mode&fs.ModeSymlink == 0:
		return "", fs.ErrInvalid
	case n.flags&flagEncrypt != 0:
		return "", n.fault(block.ErrEncrypted, "its target")
	case n.stat.Size > maxLink:
		return "", n.corrupt("a symbolic link of %d bytes", n.stat.Size)
	}
	var b []byte
	if n.fastLink() {
		if n.stat.Size > int64(len(n.block)) {
			return "", n.corrupt("a symbolic link of %d bytes without a block", n.stat.Size)
		}
		b = n.block[:n.stat.Size]
	} else {
		d, err := n.content()
		if err != nil {
			return "", err
		}
		if b, err = block.ReadBytes(d, 0, n.stat.Size, maxLink); err != nil {
			return "", err
		}
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		n.fs.problems.Add(n.corrupt("the target of the symbolic link ends at byte %d of %d", i, len(b)))
		b = b[:i]
	}
	return string(b), nil
}

// fastLink reports whether the target lies in i_block: the inode has no block
// but perhaps one for its attributes. With ea_inode the count of blocks does not
// tell, and the size does.
func (n *inode) fastLink() bool {
	s := n.fs.sb
	if n.flags&flagInlineData != 0 {
		return false
	}
	if s.featureIncompat&incompatEAInode != 0 {
		return n.stat.Size > 0 && n.stat.Size < int64(len(n.block))
	}
	attrs := int64(0)
	if n.fileACL != 0 {
		attrs = s.blockSize
		if s.has(roBigalloc) {
			attrs = 1024 << s.logClusterSize
		}
	}
	return n.stat.Allocated == attrs
}
