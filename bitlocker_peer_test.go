//go:build linux

package guestkit_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/volume/keys"
)

// TestBitLockerGuest inspects a Windows on BitLocker. Windows itself encrypted the
// volume: it is one of cryptsetup's suite, without its content. The kernel of
// libguestfs's appliance writes the NTFS of a guest through its key, and says what it
// reads back. That takes minutes: it runs where GUESTKIT_LARGE is set.
func TestBitLockerGuest(t *testing.T) {
	if os.Getenv("GUESTKIT_LARGE") == "" {
		t.Skip("GUESTKIT_LARGE is not set")
	}
	peers.Need(t, "mkntfs", "ntfs-3g", "sgdisk", "qemu-img", "guestfish")
	peers.NeedRoot(t)
	const size = 100 * mib
	const passphrase, recovery = "anaconda", "235818-357951-253979-013365-241120-245575-342914-591910"
	suite := t.TempDir()
	peers.Run(t, "tar", "-xJSf", filepath.Join(peers.Suite(t, "cryptsetup"), "tests/bitlk-images.tar.xz"), "-C", suite, "--no-same-owner", "bitlk-images/bitlk-aes-xts-128.img")
	software, system := windowsHives("11-23H2", gptDrive("C:", partC))
	ntfs := ntfsOf(t, size, "Windows", func(dir string) { systemFiles(t, dir, software, system) })
	disk := makeDisk(t, []partitionImage{{"0700", "Basic data partition", size, filepath.Join(suite, "bitlk-images/bitlk-aes-xts-128.img")}}, "-u", "1:"+partC)

	// Neither the header nor the places of BitLocker's metadata are overwritten by what is
	// copied; that no file lay there is what the sums of the kernel show.
	sums := filepath.Join(suite, "sums")
	cmd := peers.Command(t, "guestfish", "-a", disk, "-a", ntfs)
	cmd.Env = append(cmd.Environ(), "LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg")
	cmd.Stdin = strings.NewReader("run\ncryptsetup-open /dev/sda1 c crypttype:bitlk\n" + passphrase +
		"\ncopy-device-to-device /dev/sdb /dev/mapper/c\nmount-ro /dev/mapper/c /\nchecksums-out sha256 / " + sums + "\numount-all\ncryptsetup-close /dev/mapper/c\n")
	peers.RunCmd(t, cmd)
	want, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}

	for _, key := range []string{passphrase, recovery} {
		rep := inspectedBy(t, disk, key)
		if len(rep.Systems) != 1 {
			t.Fatalf("by %s: %d systems, problems %v", key, len(rep.Systems), rep.Problems())
		}
		s := rep.Systems[0]
		expect(t, map[string][2]any{
			"product":  {s.ProductName + " " + s.Hostname, "Windows 11 Pro DESKTOP-1A2B3C4"},
			"root":     {s.Volume + " " + s.SystemRoot, "bitlocker:gpt1 /Windows"},
			"drives":   {drives(s.Windows), "C:=bitlocker:gpt1 E:="},
			"programs": {programs(s), "7-Zip 23.01 (x64) 23.01 , VMware Tools 12.3.5.22544099 , Notepad++ (32-bit x86) 8.6 x86"},
			"complete": {rep.Complete(), true},
			"problems": {len(rep.Problems()), 0},
		})
		fsys, err := s.FS()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(want)) {
			sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ./")
			b, err := fs.ReadFile(fsys, name)
			if got := fmt.Sprintf("%x", sha256.Sum256(b)); err != nil || got != sum {
				t.Errorf("%s: %s, %v, the kernel reads %s", name, got, err, sum)
			}
			n++
		}
		if n < 8 {
			t.Errorf("%d files: %s", n, want)
		}
	}

	rep := inspectedBy(t, disk, "")
	if p := rep.Unread(); len(rep.Systems) != 0 || rep.Complete() || len(p) != 1 || p[0].Name != "gpt1" || p[0].Content != "BitLocker" || p[0].Status != inspect.StatusEncrypted || !strings.Contains(p[0].Reason, "key") {
		t.Errorf("without a key: %d systems, complete %v, unread %+v", len(rep.Systems), rep.Complete(), p)
	}
}

// inspectedBy inspects a guest with a key for all that is encrypted, "" for none.
func inspectedBy(t *testing.T, path, key string) *inspect.Report {
	t.Helper()
	var list keys.List
	if key != "" {
		list.AddKey(keys.All, []byte(key))
	}
	g, err := guestkit.Open(path, &guestkit.Options{Unlock: list.Unlock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	rep, err := g.Inspect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return rep
}
