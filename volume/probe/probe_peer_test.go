package probe_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/probe"
)

// TestProbePeers compares what is found with blkid on an image of every mkfs.
func TestProbePeers(t *testing.T) {
	peers.Need(t, "blkid", "truncate")
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "file"), make([]byte, 100000), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		tool, args string // IMG and TREE are replaced
		size       string
		stdin      string
	}{
		{"mke2fs", "-q -t ext2 -L two IMG", "16M", ""},
		{"mke2fs", "-q -t ext2 -r 0 IMG", "16M", ""},
		{"mke2fs", "-q -t ext3 -L three IMG", "16M", ""},
		{"mke2fs", "-q -t ext4 -L four IMG", "16M", ""},
		{"mke2fs", "-q -t ext4 -O ^has_journal -b 1024 IMG", "16M", ""},
		{"mke2fs", "-q -t ext4 -b 4096 -O bigalloc,inline_data IMG", "64M", ""},
		{"mke2fs", "-q -O journal_dev -b 4096 -L log IMG", "16M", ""},
		{"mkfs.xfs", "-q -L xfslabel IMG", "320M", ""},
		{"mkfs.xfs", "-q -m crc=0 IMG", "320M", ""},
		{"mkfs.xfs", "-q -s size=4096 IMG", "320M", ""},
		{"mkfs.btrfs", "-q -L better IMG", "128M", ""},
		{"mkfs.btrfs", "-q -m single -n 4096 IMG", "128M", ""},
		{"mkntfs", "-q -F -Q -L NtfsLabel IMG", "16M", ""},
		{"mkntfs", "-q -F -Q -c 65536 IMG", "64M", ""},
		{"mkntfs", "-q -F -Q -s 4096 -L Label4K IMG", "64M", ""},
		{"mkfs.vfat", "-F 12 -n TWELVE IMG", "1440K", ""},
		{"mkfs.vfat", "-F 16 IMG", "16M", ""},
		{"mkfs.vfat", "-F 32 -n THIRTYTWO -i 00112233 IMG", "64M", ""},
		{"mkfs.vfat", "-F 32 -S 4096 -s 1 IMG", "512M", ""},
		{"mkswap", "-L swapped IMG", "16M", ""},
		{"mkswap", "-p 65536 IMG", "16M", ""},
		{"mkswap", "-p 8192 IMG", "16M", ""},
		{"mksquashfs", "TREE IMG -quiet -no-progress -noappend", "", ""},
		{"mkfs.erofs", "IMG TREE", "", ""},
		{"genisoimage", "-quiet -V DISC -R -J -o IMG TREE", "", ""},
		{"genisoimage", "-quiet -V BRIDGE -udf -allow-limited-size -o IMG TREE", "", ""},
		{"cryptsetup", "luksFormat -q --type luks1 --pbkdf-force-iterations 1000 IMG -", "32M", "key"},
		{"cryptsetup", "luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --label secret IMG -", "32M", "key"},
	} {
		t.Run(fmt.Sprintf("%02d-%s", i, c.tool), func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			if c.size != "" {
				peers.Run(t, "truncate", "-s", c.size, img)
			}
			var args []string
			for _, a := range strings.Fields(c.args) {
				args = append(args, strings.NewReplacer("IMG", img, "TREE", tree).Replace(a))
			}
			cmd := peers.Command(t, c.tool, args...)
			cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8")
			cmd.Stdin = strings.NewReader(c.stdin)
			peers.RunCmd(t, cmd)
			likeBlkid(t, img)
		})
	}
}

// likeBlkid compares the probe of a file with blkid's.
func likeBlkid(t *testing.T, img string) {
	t.Helper()
	f, err := probe.Volume(testimg.File(t, img))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(peers.Run(t, "blkid", "-p", "-o", "export", img)) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		want[k] = strings.ReplaceAll(v, `\`, "")
	}
	if f.Type == "iso9660" && want["TYPE"] == "udf" && strings.Contains(f.Reason, "udf") {
		return // a disc of both, where Rock Ridge counts
	}
	if f.Type != want["TYPE"] || f.Label != want["LABEL"] || f.UUID != want["UUID"] {
		t.Errorf("%s %q %s, and blkid says %s %q %s", f.Type, f.Label, f.UUID, want["TYPE"], want["LABEL"], want["UUID"])
	}
	if v := want["VERSION"]; v != "" && f.Version != "" && f.Version != v {
		t.Errorf("version %s, and blkid says %s", f.Version, v)
	}
	usage := map[probe.Kind]string{probe.Filesystem: "filesystem", probe.Encrypted: "crypto", probe.Swap: "other", probe.Member: "raid"}[f.Kind]
	if f.Type != "jbd" && usage != want["USAGE"] {
		t.Errorf("%s, and blkid says %s", f.Kind, want["USAGE"])
	}
}

// TestProbeCrafted writes signatures by hand, for tools that are rare, and
// compares with blkid.
func TestProbeCrafted(t *testing.T) {
	peers.Need(t, "blkid")
	for _, c := range crafted() {
		if c.notBlkid {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "img")
			if err := os.WriteFile(img, c.image(), 0o644); err != nil {
				t.Fatal(err)
			}
			likeBlkid(t, img)
		})
	}
}
