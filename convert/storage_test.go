package convert_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
)

// TestReplace: the file has other bytes at once, where a link leads to it too, and keeps
// its permissions. One with two names is refused.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "a.vmdk"), filepath.Join(dir, "link.vmdk")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	s, err := convert.OpenStorage(link)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, now := range []string{"longer than it was", "", "short"} {
		if err := s.Replace([]byte(now)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil || string(b) != now || s.Size() != int64(len(now)) || s.Name() != link {
			t.Errorf("%q of %d bytes, %s, %v; want %q", b, s.Size(), s.Name(), err, now)
		}
	}
	if _, err := s.WriteAt([]byte("S"), 0); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Lstat(file)
	if err != nil || runtime.GOOS != "windows" && fi.Mode() != 0o640 {
		t.Errorf("%v, %v", fi, err)
	}
	if b, err := os.ReadFile(link); err != nil || string(b) != "Short" {
		t.Errorf("written to behind it: %q, %v", b, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || left != nil {
		t.Errorf("left: %v, %v", left, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Link(file, filepath.Join(dir, "second")); err != nil {
		t.Skip(err)
	}
	if err := s.Replace([]byte("new")); !errors.Is(err, block.ErrRefused) {
		t.Errorf("with two names: %v, want ErrRefused", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "Short" {
		t.Errorf("refused, it holds %q, %v", b, err)
	}
}

// TestBeside opens files of the folder, and what no link leads out of.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	for _, name := range []string{"in", "out"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"in/disk.vmdk", "in/s001.vmdk", "out/s002.vmdk"} {
		if err := os.WriteFile(at(name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(at("out/s002.vmdk"), at("in/s002.vmdk")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(at("in/disk.vmdk"), at("out/link.vmdk")); err != nil {
		t.Skip(err)
	}
	s, err := convert.OpenStorage(at("out/link.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Beside("s001.vmdk")
	if err != nil || a.Size() != int64(len("in/s001.vmdk")) {
		t.Fatal(err)
	}
	if b, err := s.Beside("s001.vmdk"); err != nil || b != a {
		t.Errorf("asked again: %v, %v", b == a, err)
	}
	for _, name := range []string{"s002.vmdk", "../out/s002.vmdk", "s003.vmdk", "."} {
		if _, err := s.Beside(name); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := a.WriteAt([]byte("x"), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("it is open still: %v", err)
	}
}
