package bitlocker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
)

// image is a section of images.conf of cryptsetup's bitlk-compat-test.
type image map[string]string

func images(t *testing.T) (dir string, all map[string]image) {
	t.Helper()
	tmp := t.TempDir()
	peers.Run(t, "tar", "-xJSf", filepath.Join(peers.Suite(t, "cryptsetup"), "tests", "bitlk-images.tar.xz"), "-C", tmp, "--no-same-owner")
	dir = filepath.Join(tmp, "bitlk-images")
	conf, err := os.ReadFile(filepath.Join(dir, "images.conf"))
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]image{}
	var cur image
	for line := range strings.Lines(string(conf)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			cur = image{}
			all[strings.TrimSuffix(name, "]")] = cur
		} else if k, v, ok := strings.Cut(line, "="); ok {
			cur[k] = v
		}
	}
	return dir, all
}

type file struct{ *os.File }

func (f file) Size() int64 {
	fi, err := f.Stat()
	if err != nil {
		return 0
	}
	return fi.Size()
}

func sum(t *testing.T, d block.Device) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, io.NewSectionReader(d, 0, d.Size()), make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// bySecondOpinion are what dissect.fve 4.6 reads of the two images for which
// cryptsetup has no sum. Their bitmaps of encrypt-on-write are gone.
var bySecondOpinion = map[string]string{
	"bitlk-clearkey-aes-cbc-128": "33aa91a1945d19ac2a72e2dcbf2eac413a316c675d78c191ee311089bfc020b3",
	"bitlk-aes-xts-128-eow":      "709896849b49ffe4d5dfa4d8ee842cf54becb0a90ecba4f5eefec16ffb755665",
}

// TestSuite opens the images of cryptsetup's bitlk-compat-test by all keys that
// it has, and compares their SHA-256.
func TestSuite(t *testing.T) {
	dir, all := images(t)
	if len(all) < 16 {
		t.Fatalf("%d images", len(all))
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(filepath.Join(dir, name+".img"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			v, err := Open(block.Plain(file{f}), nil)
			if err != nil {
				t.Fatal(err)
			}
			info := v.Info()
			if info.ID != c["GUID"] {
				t.Errorf("GUID %s", info.ID)
			}
			mode := map[string]string{"aes-cbc-eboiv": "AES-CBC", "aes-cbc-elephant": "Elephant", "aes-xts-plain64": "AES-XTS"}[c["CIPHER"]]
			if !strings.Contains(info.Encryption, mode) {
				t.Errorf("%s, want %s", info.Encryption, mode)
			}
			kinds := map[string]ProtectorKind{}
			for _, p := range info.Protectors {
				kinds[p.ID] = p.Kind
			}
			for k, want := range map[string]ProtectorKind{"PW_VMK_GUID": Passphrase, "RP_VMK_GUID": RecoveryPassword, "SK_VMK_GUID": StartupKey, "SC_VMK_GUID": Certificate} {
				if id := c[k]; id != "" && kinds[id] != want {
					t.Errorf("%s is %q, want %q", id, kinds[id], want)
				}
			}
			keys := map[ProtectorKind]string{Passphrase: c["PW"], RecoveryPassword: c["RP"]}
			if id := c["SK_VMK_GUID"]; id != "" {
				b, err := os.ReadFile(filepath.Join(dir, strings.ToUpper(id)+".BEK"))
				if err != nil {
					t.Fatal(err)
				}
				keys[StartupKey] = string(b)
			}
			if info.Suspended {
				keys = map[ProtectorKind]string{ClearKey: ""}
			} else if _, err := v.Unlock(context.Background(), []byte("falsch")); !errors.Is(err, block.ErrEncrypted) {
				t.Errorf("a wrong key: %v", err)
			}
			done := false
			for kind, key := range keys {
				if key == "" && kind != ClearKey {
					continue
				}
				d, err := v.Unlock(context.Background(), []byte(key))
				if err != nil {
					t.Errorf("by %s: %v", kind, err)
					continue
				}
				if got := d.Protector().Kind; got != kind {
					t.Errorf("opened by %s, want %s", got, kind)
				}
				if done {
					continue
				}
				done = true
				want := c["SHA256SUM"]
				if want == "" {
					want = bySecondOpinion[name]
				}
				if got := sum(t, d); got != want {
					t.Errorf("by %s: sha256 %s, want %s", kind, got, want)
				}
			}
			if p := v.Problems(); len(p) > 0 != (bySecondOpinion[name] != "") {
				t.Error(p)
			}
		})
	}
}
