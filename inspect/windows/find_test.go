package windows_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/inspect/windows"
)

// listed is a filesystem that notes which directories are listed.
type listed struct {
	fstest.MapFS
	dirs []string
}

func (l *listed) ReadDir(name string) ([]fs.DirEntry, error) {
	l.dirs = append(l.dirs, name)
	return l.MapFS.ReadDir(name)
}

// TestFindElsewhere finds Windows in a folder of any name, however that version spells
// what is in it, and lists no folder of what has no Windows.
func TestFindElsewhere(t *testing.T) {
	for _, folder := range []string{"System32", "system32", "SYSTEM32"} {
		files := fstest.MapFS{"XP2/" + folder + "/config/software": {}, "XP2/" + folder + "/config/System": {}}
		if found := windows.Find(t.Context(), files, nil); len(found) != 1 || found[0].Marker != "XP2/System32/config/SOFTWARE" {
			t.Errorf("%s: %+v", folder, found)
		}
	}
	linux := &listed{MapFS: fstest.MapFS{"usr/bin/ls": {}, "home/a/b": {}, "windows/old": {}}}
	if found := windows.Find(t.Context(), linux, nil); len(found) != 0 {
		t.Errorf("Windows in a Linux: %+v", found)
	}
	for _, dir := range linux.dirs {
		if dir != "." && dir != "windows" {
			t.Errorf("it lists %q", dir)
		}
	}
}
