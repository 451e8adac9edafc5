package ext4_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
)

// TestEncrypted compares the names in encrypted directories, of which the key is
// not at hand, with those that the kernel shows then.
func TestEncrypted(t *testing.T) {
	peers.NeedRoot(t)
	for name, args := range map[string][]string{
		"4k": {"-t", "ext4", "-O", "encrypt", "-I", "256"},
		"1k": {"-t", "ext4", "-O", "encrypt", "-b", "1024"},
	} {
		t.Run(name, func(t *testing.T) {
			image := mkfs(t, "64M", args...)
			dir := peers.Mount(t, image, "ext4")
			secret := encrypt(t, dir)
			for i := range 300 {
				if err := os.WriteFile(filepath.Join(secret, fmt.Sprintf("%s-%d", strings.Repeat("n", i%240), i)), []byte("secret"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, err := range []error{os.Mkdir(filepath.Join(secret, "sub"), 0o700), os.WriteFile(filepath.Join(secret, "sub", "file"), nil, 0o600),
				os.Symlink("target", filepath.Join(secret, "link"))} {
				if err != nil {
					t.Fatal(err)
				}
			}
			peers.Unmount(t, dir)
			dir = peers.Mount(t, image, "ext4", "ro") // and so without the key
			want := map[string]fs.FileMode{}
			err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
				rel, _ := filepath.Rel(dir, p)
				want[rel] = d.Type()
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			fsys := openImage(t, image)
			got := map[string]fs.FileMode{}
			encrypted := 0
			err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
				if errors.Is(err, block.ErrEncrypted) {
					encrypted++
					err = nil
				}
				if err != nil {
					return err
				}
				got[p] = d.Type()
				if strings.HasPrefix(p, "secret/") {
					_, err := fsys.Stat(p)
					if d.Type() == fs.ModeSymlink {
						_, err = fsys.Lstat(p)
					}
					if err != nil {
						t.Errorf("%s: %v", p, err)
					}
					if d.Type().IsRegular() {
						if _, err := fsys.Open(p); !errors.Is(err, block.ErrEncrypted) {
							t.Errorf("%s opens with %v", p, err)
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if encrypted != 2 {
				t.Errorf("%d directories are encrypted, want 2", encrypted)
			}
			if len(got) != len(want) {
				t.Errorf("%d paths, the kernel shows %d", len(got), len(want))
			}
			for p := range want {
				if got[p] != want[p] {
					t.Errorf("%s is missing or %v", p, got[p])
				}
			}
		})
	}
}

// encrypt makes a folder of a mounted filesystem whose content is encrypted.
func encrypt(t *testing.T, dir string) string {
	t.Helper()
	cmd := peers.Command(t, "xfs_io", "-c", "add_enckey", dir)
	cmd.Stdin = bytes.NewReader(bytes.Repeat([]byte("key!"), 16))
	out := peers.RunCmd(t, cmd)
	id := regexp.MustCompile(`[0-9a-f]{32}`).FindString(out)
	if id == "" {
		t.Skipf("this kernel takes no encryption keys: %s", out)
	}
	secret := filepath.Join(dir, "secret")
	if err := os.Mkdir(secret, 0o755); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "xfs_io", "-c", "set_encpolicy -v 2 "+id, secret)
	return secret
}

// TestCasefold looks names up in a directory that ignores case, which debugfs
// has filled: kernels without Unicode do not mount it.
func TestCasefold(t *testing.T) {
	image := mkfs(t, "16M", "-t", "ext4", "-O", "casefold", "-E", "encoding=utf8", "-b", "1024")
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	text := "mkdir folded\nset_inode_field folded flags 0x40080000\nmkdir exact\nmkdir big\nset_inode_field big flags 0x40080000\n"
	long := strings.Repeat("X", 60)
	for i := range 90 {
		text += fmt.Sprintf("write %s big/Long-%s-%d\n", data, long, i)
	}
	for i := range 60 {
		text += fmt.Sprintf("write %s folded/Name-%d\n", data, i)
	}
	for _, name := range []string{"folded/STRASSE", "folded/\u00c9t\u00e9", "folded/\u00df", "folded/\xe9\xff", "exact/Name"} {
		text += fmt.Sprintf("write %s %s\n", data, name)
	}
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "debugfs", "-w", "-f", script, image)
	// e2fsck builds an index, by the hashes of folded names. It exits with 1 to
	// say that it has changed something.
	peers.Command(t, "e2fsck", "-fyD", image).Run()
	if !strings.Contains(peers.Run(t, "debugfs", "-R", "htree_dump big", image), "Hash Version") {
		t.Fatal("e2fsck made no index")
	}
	fsys := openImage(t, image)
	for name, found := range map[string]bool{
		"big/long-" + long + "-7": true, "big/LONG-" + long + "-89": true, "big/long-" + long + "-90": false,
		"folded/Name-7": true, "folded/name-7": true, "folded/NAME-59": true, "folded/NAME-60": false, "folded/strasse": true,
		"folded/\u00c9t\u00e9": true, "folded/\u00c9T\u00c9": true, "folded/E\u0301te\u0301": false, "folded/ss": false, "folded/\u1e9e": true,
		"folded/" + vfs.Escape("\xe9\xff"): true, "folded/" + vfs.Escape("\xff\xe9"): false,
		"exact/Name": true, "exact/name": false,
	} {
		if _, err := fsys.Stat(name); found != (err == nil) || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v, want found %v", name, err, found)
		}
	}
	if p := fsys.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
}
