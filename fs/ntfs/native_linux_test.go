package ntfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

func native(t *testing.T, fsys vfs.FS, name string) *ntfs.Native {
	t.Helper()
	return testimg.Stat(t, fsys, name).Native.(*ntfs.Native)
}

// TestOwners compares owners with those that ntfssecaudit finds, of more
// descriptors than one index block of $Secure holds.
func TestOwners(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g", "ntfssecaudit")
	img := mkntfs(t, 32<<20)
	dir, unmount := mount3g(t, img, "permissions")
	f := newFiller(t, dir)
	for i := range 200 {
		name := fmt.Sprintf("file %d", i)
		f.write(name, nil)
		f.must(os.Chown(f.path(name), i*7, i*11))
	}
	unmount()
	fsys, _ := openImage(t, img, nil)
	for i := 0; i < 200; i += 23 {
		name := fmt.Sprintf("file %d", i)
		owner, group, err := native(t, fsys, name).Owner()
		if err != nil {
			t.Fatal(err)
		}
		text := peers.Run(t, "ntfssecaudit", "-v", img, name)
		for _, want := range []string{"Windows owner " + owner + "\n", "Windows group " + group + "\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: ntfssecaudit does not say %q:\n%s", name, want, text)
			}
		}
	}
	for i := range 200 {
		if owner, _, err := native(t, fsys, fmt.Sprintf("file %d", i)).Owner(); err != nil || !strings.HasPrefix(owner, "S-1-5-") {
			t.Errorf("file %d: %q, %v", i, owner, err)
		}
	}
}

// TestDOSNames finds files by names that no directory lists.
func TestDOSNames(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g")
	img := mkntfs(t, 32<<20)
	dir, unmount := mount3g(t, img)
	f := newFiller(t, dir)
	f.write("Program Files/a long name.text", []byte("found"))
	f.xattr("Program Files/a long name.text", "system.ntfs_dos_name", []byte("ALONGN~1.TEX"))
	f.xattr("Program Files", "system.ntfs_dos_name", []byte("PROGRA~1"))
	unmount()
	fsys, _ := openImage(t, img, nil)
	b, err := fs.ReadFile(fsys, "progra~1/alongn~1.tex")
	if string(b) != "found" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	ents, err := fsys.ReadDir("PROGRA~1")
	if err != nil || len(ents) != 1 || ents[0].Name() != "a long name.text" {
		t.Errorf("%v, %v", ents, err)
	}
	n := native(t, fsys, "Program Files/a long name.text")
	if dos, err := n.DOSName(); dos != "ALONGN~1.TEX" || err != nil {
		t.Errorf("%q, %v", dos, err)
	}
	if testimg.Stat(t, fsys, "Program Files/a long name.text").Nlink != 1 {
		t.Errorf("a DOS name is counted as a link")
	}
}
