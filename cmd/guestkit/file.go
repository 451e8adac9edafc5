package main

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A fileDoc is the metadata of one file of a guest.
type fileDoc struct {
	Path        string            `json:"path"` // names that are no UTF-8 in the form that ls and cat take
	Type        string            `json:"type"` // one of f d l c b p s
	Mode        string            `json:"mode"` // octal, the bits 07777
	UID         uint32            `json:"uid"`
	GID         uint32            `json:"gid"`
	Size        int64             `json:"size"`
	Mtime       string            `json:"mtime,omitempty"`  // RFC 3339, nanoseconds, UTC; absent where there is none
	Device      *[2]uint32        `json:"device,omitempty"` // major and minor of a device node
	Target      *string           `json:"target,omitempty"`
	SHA256      string            `json:"sha256,omitempty"`
	Xattrs      map[string][]byte `json:"xattrs,omitempty"` // values in base64
	PathBytes   string            `json:"path_bytes,omitempty"`
	TargetBytes string            `json:"target_bytes,omitempty"`
	Error       string            `json:"error,omitempty"` // why something above is missing
}

func newFileDoc(path string, st *vfs.Stat, target string) fileDoc {
	d := fileDoc{
		Path:  shownPath(path),
		Type:  typeLetter(st.Mode),
		Mode:  fmt.Sprintf("%04o", vfs.ModeToUnix(st.Mode)&0o7777),
		UID:   st.UID,
		GID:   st.GID,
		Size:  st.Size,
		Mtime: timeText(st.Mtime),
	}
	d.PathBytes = rawBytes(d.Path, vfs.Unescape(d.Path))
	if st.Mode&fs.ModeDevice != 0 {
		d.Device = &[2]uint32{st.Major, st.Minor}
	}
	if st.Mode&fs.ModeSymlink != 0 {
		shown := vfs.EscapeTarget(target)
		d.Target = &shown
		d.TargetBytes = rawBytes(shown, target)
	}
	return d
}

// addXattrs adds extended attributes.
func (d *fileDoc) addXattrs(xs []vfs.Xattr) {
	for _, x := range xs {
		if d.Xattrs == nil {
			d.Xattrs = map[string][]byte{}
		}
		d.Xattrs[vfs.EscapeTarget(x.Name)] = append([]byte{}, x.Value...)
	}
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z")
}
