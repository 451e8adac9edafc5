package ufs

import (
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

const extAttrHeader = 7

// namespaces are those of extended attributes.
var namespaces = map[byte]string{1: "user.", 2: "system."}

// Xattrs implements vfs.Inode. Attributes follow each other, each with its length,
// namespace, the padding of its content, and its name; the content is aligned to
// eight bytes.
func (n *inode) Xattrs() ([]vfs.Xattr, error) {
	s, size := n.f.sb, int64(n.d.extSize)
	if size == 0 {
		return nil, nil
	}
	bs := int64(s.bsize)
	if size > int64(len(n.d.extBlocks))*bs {
		return nil, n.errorf(block.ErrCorrupt, "%d bytes of extended attributes", size)
	}
	b := make([]byte, size)
	for i := int64(0); i*bs < size; i++ {
		part, at := b[i*bs:min(size, (i+1)*bs)], n.d.extBlocks[i]
		if at <= 0 || at >= s.size || at*int64(s.fsize)+int64(len(part)) > s.size*int64(s.fsize) {
			return nil, n.errorf(block.ErrCorrupt, "extended attributes at fragment %d of %d", at, s.size)
		}
		if err := block.ReadFull(n.f.dev, part, at*int64(s.fsize)); err != nil {
			return nil, block.Locate(format, "extended attributes", at*int64(s.fsize), err)
		}
	}
	var out []vfs.Xattr
	for len(b) >= extAttrHeader {
		length, pad, name := int64(s.order.Uint32(b)), int64(b[5]), int64(b[6])
		content := (extAttrHeader + name + 7) &^ 7
		if length == 0 {
			break
		}
		if length > int64(len(b)) || content+pad > length {
			return out, n.errorf(block.ErrCorrupt, "an extended attribute of %d bytes, of which its name has %d", length, name)
		}
		prefix, ok := namespaces[b[4]]
		if !ok {
			prefix = "unknown."
		}
		out = append(out, vfs.Xattr{Name: prefix + string(b[extAttrHeader:extAttrHeader+name]), Value: slices.Clone(b[content : length-pad])})
		b = b[length:]
	}
	slices.SortFunc(out, func(a, b vfs.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
