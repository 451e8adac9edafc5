package ntfs

import (
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// streams returns the named $DATA attributes. The one that holds the
// compressed content of the file itself is not one of them.
func (n *inode) streams() ([]located, error) {
	all, err := n.attributes(attrData)
	if err != nil {
		return nil, err
	}
	out := all[:0]
	for _, a := range all {
		if len(a.name) > 0 && !(n.link.tag == tagWOF && nameEqual(a.name, wofStream)) {
			out = append(out, a)
		}
	}
	return out, nil
}

// An adsInode is an alternate data stream, shown as a regular file of the
// name "file:stream".
type adsInode struct {
	*inode
	attr located
	st   vfs.Stat
}

// lookupStream finds a stream by name without regard to case.
func (n *inode) lookupStream(name string) (vfs.Inode, error) {
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		if !strings.EqualFold(name[i:], ":$DATA") {
			return nil, fs.ErrNotExist
		}
		name = name[:i]
	}
	if name == "" && !n.isDir() { // "file::$DATA" is the file
		return n, nil
	}
	want, ok := encodeName(name)
	if !ok || len(want) == 0 {
		return nil, fs.ErrNotExist
	}
	all, err := n.attributes(attrData)
	if err != nil {
		return nil, err
	}
	n.v.upcase.fold(want)
	for _, a := range all {
		if len(a.name) > 0 && n.v.upcase.compare(want, a.name) == 0 {
			return n.stream(a), nil
		}
	}
	return nil, fs.ErrNotExist
}

func (n *inode) stream(a located) *adsInode {
	s := &adsInode{inode: n, attr: a, st: *n.Stat()}
	s.st.Mode = fs.ModePerm
	s.st.Size = a.size
	s.st.Allocated = a.stored
	if !a.nonRes {
		s.st.Allocated = (a.size + 7) &^ 7
	}
	return s
}

func (s *adsInode) Stat() *vfs.Stat                { return &s.st }
func (s *adsInode) Content() (block.Device, error) { return s.open(s.attr.attribute) }
func (s *adsInode) ReadLink() (string, error)      { return "", fs.ErrInvalid }
func (s *adsInode) Xattrs() ([]vfs.Xattr, error)   { return nil, nil }
