package ntfs_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ntfs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
)

// mkntfs makes a volume of the given size in bytes.
func mkntfs(t testing.TB, size int64, args ...string) string {
	t.Helper()
	img := filepath.Join(t.TempDir(), "ntfs.img")
	f, err := os.Create(img)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	f.Close()
	peers.Run(t, "mkntfs", append(append([]string{"-F", "-Q", "-q"}, args...), img)...)
	return img
}

// mount3g mounts an image through ntfs-3g's FUSE driver and returns the folder
// and a function that ends the mount, which the end of the test does as well.
func mount3g(t testing.TB, img string, options ...string) (string, func()) {
	t.Helper()
	peers.NeedRoot(t)
	dir := t.TempDir()
	var log bytes.Buffer
	cmd := peers.Command(t, "ntfs-3g", "-o", strings.Join(append([]string{"no_detach"}, options...), ","), img, dir)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{}) // the process has written all and let go of the image
	go func() { cmd.Wait(); close(ended) }()
	for !isMounted(dir) {
		select {
		case <-ended:
			if peers.Required() {
				t.Fatalf("ntfs-3g: %s", log.String())
			}
			t.Skipf("needs a FUSE mount with ntfs-3g: %s", log.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
	var once sync.Once
	unmount := func() {
		once.Do(func() {
			if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
				t.Errorf("umount: %v: %s", err, out)
				cmd.Process.Kill()
			}
			<-ended
		})
	}
	t.Cleanup(unmount)
	return dir, unmount
}

// isMounted reports whether dir lies on another device than its parent.
func isMounted(dir string) bool {
	a, errA := os.Stat(dir)
	b, errB := os.Stat(filepath.Dir(dir))
	if errA != nil || errB != nil {
		return false
	}
	return a.Sys().(*syscall.Stat_t).Dev != b.Sys().(*syscall.Stat_t).Dev
}

func openImage(t testing.TB, img string, opts *ntfs.Options) (vfs.FS, *os.File) {
	t.Helper()
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := ntfs.Open(fileReader{f, st.Size()}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return fsys, f
}

type fileReader struct {
	*os.File
	size int64
}

func (f fileReader) Size() int64 { return f.size }

var _ block.Reader = fileReader{}
