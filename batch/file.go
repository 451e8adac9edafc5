package batch

import (
	"os"
	"time"
)

// A File is what tells whether a file of the host was changed: written to,
// replaced, or put back from elsewhere.
type File struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// Changed is when the file or what is known of it was last changed, which no
	// program can set; the zero time where the system does not tell.
	Changed time.Time `json:"changed,omitzero"`
	Inode   uint64    `json:"inode,omitempty"` // its number, 0 where there are none
}

// Look tells a file by its path. A link is what it leads to.
func Look(path string) (File, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return File{}, err
	}
	if !fi.Mode().IsRegular() { // a device has no time at which it was written to
		return File{Path: path, Size: -1}, nil
	}
	f := File{Path: path, Size: fi.Size(), Modified: fi.ModTime().UTC()}
	f.Inode, f.Changed = inode(fi)
	return f, nil
}

// settle is how long a file must have been left alone for its times to tell: those
// of some filesystems have no more than two seconds.
const settle = 2 * time.Second

// Unchanged reports whether all files, looked at a time ago, are now what they were
// then. It is false where that cannot be told: there are none, one is no regular
// file, or it was changed so shortly before it was looked at that a later change
// may have left the same times.
func Unchanged(files []File, looked time.Time) bool {
	for _, f := range files {
		if f.Size < 0 || f.Modified.Add(settle).After(looked) || f.Changed.Add(settle).After(looked) {
			return false
		}
		now, err := Look(f.Path)
		if err != nil || now.Size != f.Size || now.Inode != f.Inode || !now.Modified.Equal(f.Modified) || !now.Changed.Equal(f.Changed) {
			return false
		}
	}
	return len(files) > 0
}
