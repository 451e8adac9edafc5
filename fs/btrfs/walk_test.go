package btrfs

import (
	"bytes"
	"context"
	"testing"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestWalkSnapshots: directories of snapshots have the inode numbers and times of
// what they are of, and are no loops; nor are their files names of one file.
func TestWalkSnapshots(t *testing.T) {
	for _, name := range fixtures {
		fsys, err := openFS(bytes.NewReader(testimg.Fixture(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		root, err := vfs.Find(fsys, ".", false)
		if err != nil {
			t.Fatal(err)
		}
		files := map[vfs.FileID]uint64{}
		err = vfs.Walk(context.Background(), root, nil, func(n *vfs.Node, err error) error {
			if err != nil {
				t.Errorf("%s: %s: %v", name, n.Path(), err)
			}
			st := n.Stat()
			if id, ok := n.ID(); ok && st.Mode.IsRegular() {
				if sub := st.Native.(*Native).Subvolume; files[id] != 0 && files[id] != sub {
					t.Errorf("%s: %s is one with a file of subvolume %d", name, n.Path(), files[id])
				} else {
					files[id] = sub
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
