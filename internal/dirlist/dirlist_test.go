package dirlist

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/fs/vfs"
)

func TestList(t *testing.T) {
	stop := errors.New("stop")
	for _, end := range []error{nil, stop} {
		l := Read(func(l *List[int]) error {
			if !l.Add("a", 1) || !l.Add("b", 2) || l.Add("a", 3) {
				t.Error("Add")
			}
			return end
		})
		if v, err := l.Find("b"); v != 2 || err != nil {
			t.Errorf("Find = %d, %v", v, err)
		}
		want := end
		if want == nil {
			want = fs.ErrNotExist
		}
		if _, err := l.Find("c"); err != want {
			t.Errorf("what is not there: %v, want %v", err, want)
		}
		es, err := l.ReadDir(func(v int) vfs.Entry { return vfs.Entry{Ino: uint64(v)} })
		if len(es) != 2 || es[0].Ino != 1 || es[1].Ino != 2 || err != end || l.Err() != end {
			t.Errorf("ReadDir = %+v, %v", es, err)
		}
		opened := 0
		open := func(v int) (vfs.Inode, error) {
			opened = v
			return nil, nil
		}
		if _, err := l.Child(es[1], open); err != nil || opened != 2 {
			t.Errorf("Child = %d, %v", opened, err)
		}
		if _, err := l.Lookup("a", open); err != nil || opened != 1 {
			t.Errorf("Lookup = %d, %v", opened, err)
		}
		if _, err := l.Lookup("c", open); err != want {
			t.Errorf("Lookup of what is not there: %v, want %v", err, want)
		}
		if _, err := l.Child(vfs.Entry{Aux: 1 << 63}, open); err != fs.ErrNotExist {
			t.Error(err)
		}
	}
}
