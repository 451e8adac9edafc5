package dirlist

import (
	"errors"
	"io/fs"
	"testing"
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
		if v, err := l.At(0); v != 1 || err != nil {
			t.Errorf("At = %d, %v", v, err)
		}
		if _, err := l.At(1 << 63); err != fs.ErrNotExist || len(l.Entries) != 2 || l.Err() != end {
			t.Errorf("%v, %+v", err, l)
		}
	}
}
