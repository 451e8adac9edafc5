package windows_test

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
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

// unix is a filesystem of Linux; what is not of it is not called.
type unix struct {
	vfs.FS
	files fstest.MapFS
	asked int
}

func (u *unix) Info() vfs.Info                             { return vfs.Info{Type: "ext4"} }
func (u *unix) ReadDir(name string) ([]fs.DirEntry, error) { return u.files.ReadDir(name) }
func (u *unix) Open(name string) (fs.File, error)          { u.asked++; return u.files.Open(name) }
func (u *unix) Stat(name string) (fs.FileInfo, error)      { u.asked++; return u.files.Stat(name) }
func (u *unix) Lstat(name string) (fs.FileInfo, error)     { u.asked++; return u.files.Lstat(name) }

// TestFindAmongMany: of a filesystem of Linux, not each folder is looked into; one with a
// usual name is.
func TestFindAmongMany(t *testing.T) {
	u := &unix{files: fstest.MapFS{}}
	for i := range 1000 {
		u.files[fmt.Sprintf("folder%d/file", i)] = &fstest.MapFile{}
	}
	if found := windows.Find(t.Context(), u, nil); len(found) != 0 || u.asked > 10 {
		t.Errorf("%+v, and it asked for %d files", found, u.asked)
	}
	u.files["Windows/System32/config/software"], u.files["Windows/System32/config/system"] = &fstest.MapFile{}, &fstest.MapFile{}
	if found := windows.Find(t.Context(), u, nil); len(found) != 1 {
		t.Error("the usual folder is not found")
	}
}
