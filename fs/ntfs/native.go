package ntfs

// Native is what NTFS says of a file beyond vfs.Stat: the type of Stat.Native.
type Native struct {
	Attributes uint32 // FILE_ATTRIBUTE_*: see AttrReadOnly and others
	ReparseTag uint32 // 0 if the file is no reparse point
	SecurityID uint32 // of its security descriptor in $Secure, 0 if it has its own
	Sequence   uint16 // of its MFT record

	v   *volume
	num uint64
}

// A Stream is an alternate data stream; "file:Name" opens it.
type Stream struct {
	Name string // raw
	Size int64  // bytes
}

// Streams lists the alternate data streams of the file.
func (n *Native) Streams() ([]Stream, error) {
	f, err := n.v.inode(n.num)
	if err != nil {
		return nil, err
	}
	all, err := f.streams()
	var out []Stream
	for _, a := range all {
		out = append(out, Stream{decodeName(a.name), a.size})
	}
	return out, err
}

// DOSName returns the 8.3 name of the file, "" if it has none of its own.
func (n *Native) DOSName() (string, error) {
	f, err := n.v.inode(n.num)
	if err != nil {
		return "", err
	}
	names, err := f.attributes(attrFileName)
	for _, a := range names {
		var fn fileName
		if fn.decode(a.value) && fn.namespace == namespaceDOS {
			return decodeName(fn.name), nil
		}
	}
	return "", err
}

// Target returns the target of a junction or symbolic link as Windows wrote
// it: `\??\C:\Users`. It is "" for other files.
func (n *Native) Target() (string, error) {
	if n.ReparseTag != tagMountPoint && n.ReparseTag != tagSymlink {
		return "", nil
	}
	f, err := n.v.inode(n.num)
	if err != nil {
		return "", err
	}
	l, err := f.windowsLink()
	return l.substitute, err
}

// Owner returns the SIDs of the file's owner and group ("S-1-5-18"), "" where
// the descriptor names none.
func (n *Native) Owner() (owner, group string, err error) {
	d, err := n.v.descriptorOf(n.num, n.SecurityID)
	if err != nil {
		return "", "", err
	}
	return d.owner, d.group, nil
}
