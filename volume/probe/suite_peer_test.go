package probe_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/probe"
)

// differsFromBlkid holds the images of util-linux that are named otherwise on
// purpose: what is said here, and why, as docs/inspection.md has it.
var differsFromBlkid = map[string]struct{ typ, label, uuid, reason string }{
	"udf": {"iso9660", "test-udf", "2008-02-05-12-29-20-00", bridge},
	// The three below have no label in the root directory.
	"fat32_xp_none_dosfslabel_label1":      {"vfat", "label1", "54B6-DC94", bootLabel},
	"fat32_mkdosfs_none_dosfslabel_label1": {"vfat", "label1", "E6B8-AF8C", bootLabel},
	"fat32_mkdosfs_label1_xp_erase":        {"vfat", "label1", "92B4-BA66", bootLabel},
}

const (
	bridge    = "a disc of ISO 9660 and UDF is read as the former where that has Rock Ridge; the reason says both"
	bootLabel = "package fat gives the label of the boot sector where the root directory has none; blkid gives it as LABEL_FATBOOT"
)

// TestBlkidSuite compares what is found with what util-linux expects of its own
// images: type, label and UUID.
func TestBlkidSuite(t *testing.T) {
	peers.Need(t, "xz")
	tests := filepath.Join(peers.Suite(t, "util-linux"), "tests")
	images, err := filepath.Glob(filepath.Join(tests, "ts/blkid/images-fs/*.img.xz"))
	if err != nil || len(images) < 100 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	sessions := regexp.MustCompile(`-multi-0-\d+-(\d+)-`)
	for _, image := range images {
		name := strings.TrimSuffix(filepath.Base(image), ".img.xz")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expected := name
			if m := sessions.FindStringSubmatch(name); m != nil { // the last session, which blkid is told of as by a drive
				expected = strings.Replace(name, m[0], "-multi-", 1) + "-" + m[1]
			}
			text, err := os.ReadFile(filepath.Join(tests, "expected/blkid/low-probe-"+expected))
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for line := range strings.Lines(string(text)) {
				k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				want[k] = v
			}
			typ, label, uuid := want["ID_FS_TYPE"], unescape(want["ID_FS_LABEL_ENC"]), unescape(want["ID_FS_UUID_ENC"])
			if d, ok := differsFromBlkid[name]; ok {
				t.Logf("not %s %q %q: %s", typ, label, uuid, d.reason)
				typ, label, uuid = d.typ, d.label, d.uuid
			}
			f, err := probe.Volume(testimg.File(t, unxz(t, image)))
			if err != nil {
				t.Fatal(err)
			}
			if f.Type != typ || f.Label != label || f.UUID != uuid {
				t.Errorf("%s %q %q (%s)\nand util-linux says %s %q %q", f.Type, f.Label, f.UUID, f.Reason, typ, label, uuid)
			}
			if v := want["ID_FS_VERSION"]; v != "" && f.Version != "" && f.Version != unescape(v) {
				t.Logf("version %q, and util-linux says %q", f.Version, v)
			}
		})
	}
}

// TestBlkidSessions compares what a disc was before each later session with what
// blkid says of the session that was the last then, which it is told.
func TestBlkidSessions(t *testing.T) {
	peers.Need(t, "xz", "blkid")
	images, err := filepath.Glob(filepath.Join(peers.Suite(t, "util-linux"), "tests/ts/blkid/images-fs/*-multi-0-*.img.xz"))
	if err != nil || len(images) < 3 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	for _, image := range images {
		disc := unxz(t, image)
		r := block.Plain(testimg.File(t, disc))
		starts := []int64{0}
		for _, s := range regexp.MustCompile(`-(\d+)-(\d+)-[a-z]`).FindStringSubmatch(filepath.Base(image))[1:] {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			starts = append(starts, n*2048)
		}
		for i, start := range starts {
			end := r.Size()
			if i+1 < len(starts) {
				end = starts[i+1]
			}
			f, err := probe.Volume(block.Section(r, 0, end))
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for _, tag := range []string{"TYPE", "LABEL", "UUID"} {
				want += strings.TrimSpace(peers.Run(t, "blkid", "-p", "-o", "value", "-s", tag, "--hint", "session_offset="+strconv.FormatInt(start, 10), disc)) + "|"
			}
			if got := f.Type + "|" + f.Label + "|" + f.UUID + "|"; got != want {
				t.Errorf("%s at %d: %s, and blkid says %s", filepath.Base(image), start, got, want)
			}
		}
	}
}

// unescape undoes the \xNN of blkid.
func unescape(s string) string {
	return regexp.MustCompile(`\\x[0-9a-f]{2}`).ReplaceAllStringFunc(s, func(h string) string {
		n, _ := strconv.ParseUint(h[2:], 16, 8)
		return string([]byte{byte(n)})
	})
}

// unxz unpacks an image into a file with holes.
func unxz(t *testing.T, image string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "img")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := peers.Command(t, "xz", "-dc", image)
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSuperseded makes a filesystem over another one without wiping that first,
// whose superblock stays; with mkfs.xfs, which wipes the first 128 KiB, it is put
// back, as if a file had it there.
func TestSuperseded(t *testing.T) {
	peers.Need(t, "mke2fs", "mkfs.xfs", "mkfs.btrfs", "makefs", "truncate", "xz")
	suite := filepath.Join(peers.Suite(t, "util-linux"), "tests/ts/blkid/images-fs")
	tree := t.TempDir()
	before := map[string]func(t *testing.T, img string){
		"btrfs":  func(t *testing.T, img string) { peers.Run(t, "mkfs.btrfs", "-q", "-f", img) },
		"sha256": func(t *testing.T, img string) { peers.Run(t, "mkfs.btrfs", "-q", "-f", "--csum", "sha256", img) },
		"ufs2": func(t *testing.T, img string) {
			peers.Run(t, "makefs", "-t", "ffs", "-s", "320m", "-o", "version=2", img, tree)
		},
		"ufs1": func(t *testing.T, img string) {
			peers.Run(t, "makefs", "-t", "ffs", "-s", "320m", "-B", "be", img, tree)
		},
		"zfs":  func(t *testing.T, img string) { peers.Run(t, "cp", unxz(t, suite+"/zfs.img.xz"), img) },
		"VMFS": func(t *testing.T, img string) { peers.Run(t, "cp", unxz(t, suite+"/vmfs.img.xz"), img) },
		"VMFS volume": func(t *testing.T, img string) {
			peers.Run(t, "cp", unxz(t, suite+"/vmfs_volume.img.xz"), img)
		},
	}
	for old, makeOld := range before {
		for _, c := range []struct {
			want string
			tool []string
		}{
			{"ext4", []string{"mke2fs", "-q", "-F", "-t", "ext4"}},
			{"ext4", []string{"mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^resize_inode,^metadata_csum,uninit_bg"}},
			{"ext2", []string{"mke2fs", "-q", "-F", "-t", "ext2"}},
			{"xfs", []string{"mkfs.xfs", "-q", "-f"}},
			{"xfs", []string{"mkfs.xfs", "-q", "-f", "-m", "crc=0"}},
			{"btrfs", []string{"mkfs.btrfs", "-q", "-f"}},
		} {
			t.Run(old+" "+strings.Join(c.tool, " "), func(t *testing.T) {
				t.Parallel()
				img := filepath.Join(t.TempDir(), "img")
				peers.Run(t, "truncate", "-s", "320M", img)
				makeOld(t, img)
				sb := make([]byte, 4096)
				for _, off := range []int64{64 << 10, 0} {
					if testimg.File(t, img).ReadAt(sb, off); string(sb[64:72]) == "_BHRfS_M" || string(sb[1372:1376]) == "\x19\x01\x54\x19" {
						break
					}
					clear(sb)
				}
				peers.Run(t, "truncate", "-s", "320M", img)
				peers.Run(t, c.tool[0], append(c.tool[1:], img)...)
				if c.want == "xfs" && sb[64]|sb[1372] != 0 {
					put(t, img, 64<<10, sb)
				}
				if f, err := probe.Volume(testimg.File(t, img)); err != nil || f.Type != c.want {
					t.Errorf("%+v, %v", f, err)
				}
			})
		}
	}
}

// put writes bytes into an image.
func put(t *testing.T, img string, off int64, b []byte) {
	t.Helper()
	w, err := os.OpenFile(img, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestStale checks that what lies in a file, or was left by what a volume held
// before, does not hide what it holds.
func TestStale(t *testing.T) {
	peers.Need(t, "mke2fs", "mkswap", "mkfs.xfs", "genisoimage", "cryptsetup", "truncate")
	dir := t.TempDir()
	tree, iso, luks := filepath.Join(dir, "tree"), filepath.Join(dir, "iso"), filepath.Join(dir, "luks")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "genisoimage", "-quiet", "-V", "DISC", "-o", iso, tree)
	peers.Run(t, "truncate", "-s", "32M", luks)
	cmd := peers.Command(t, "cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", luks, "-")
	cmd.Stdin = strings.NewReader("key")
	peers.RunCmd(t, cmd)
	part := func(path string, off, n int) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[off : off+n])
	}
	descriptor, second := part(iso, 32<<10, 2048), part(luks, 16<<10, 16<<10)
	for _, c := range []struct {
		tool []string
		size string
		off  int64
		put  string
		want string
	}{
		{[]string{"mke2fs", "-q", "-t", "ext2"}, "16M", 32 << 10, descriptor, "ext2"},
		{[]string{"mkfs.xfs", "-q"}, "320M", 32 << 10, descriptor, "xfs"},
		{[]string{"mkfs.xfs", "-q"}, "320M", 16 << 10, second, "xfs"},
		{[]string{"mkswap"}, "16M", 16 << 10, second, "swap"},
		{nil, "32M", 16 << 10, second, "crypto_LUKS"},
		{nil, "32M", 32 << 10, second, ""}, // a header that says it lies elsewhere
		{nil, "32M", 16 << 10, strings.Replace(second, "segments", "segmentz", 1), ""},
	} {
		img := filepath.Join(t.TempDir(), "img")
		peers.Run(t, "truncate", "-s", c.size, img)
		if c.tool != nil {
			peers.Run(t, c.tool[0], append(c.tool[1:], img)...)
		}
		put(t, img, c.off, []byte(c.put))
		if f, err := probe.Volume(testimg.File(t, img)); err != nil || f.Type != c.want {
			t.Errorf("%v with a stale signature at %#x: %+v, %v", c.tool, c.off, f, err)
		}
	}
}
