package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
)

// pack makes an archive by cpio of some files.
func pack(t testing.TB, names ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		f := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, bytes.Repeat([]byte(name), i*1000+i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := peers.Command(t, "cpio", "-o", "-H", "newc", "--quiet")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	return []byte(peers.RunCmd(t, cmd))
}

func compress(t testing.TB, b []byte, tool string, args ...string) []byte {
	t.Helper()
	cmd := peers.Command(t, tool, args...)
	cmd.Stdin = bytes.NewReader(b)
	return []byte(peers.RunCmd(t, cmd))
}

var plenty = Limits{Size: 1 << 30, Names: 1 << 20}

func list(b []byte, l Limits) (names []string, compression string, err error) {
	compression, err = List(bytes.NewReader(b), l, func(n string) { names = append(names, n) })
	return names, compression, err
}

var packers = []struct {
	name string
	tool []string
}{
	{"gzip", []string{"gzip"}}, {"bzip2", []string{"bzip2"}}, {"lzma", []string{"xz", "--format=lzma"}},
	{"xz", []string{"xz", "--check=crc32"}}, {"lzo", []string{"lzop", "-9"}}, {"lz4", []string{"lz4", "-l"}}, {"zstd", []string{"zstd", "-q", "-19"}},
}

// TestCompressors reads archives that cpio made and the tools compressed, with an
// archive before them as an update of microcode is, and zeros around.
func TestCompressors(t *testing.T) {
	peers.Need(t, "cpio", "gzip", "bzip2", "xz", "lzop", "lz4", "zstd")
	early := pack(t, "early_cpio", "kernel/x86/microcode/GenuineIntel.bin")
	system := pack(t, "init", "usr/lib/modules/6.1/kernel/drivers/block/virtio_blk.ko.xz", "etc/a", "etc/ab", "etc/abc", "etc/abcd")
	want := []string{"early_cpio", "kernel/x86/microcode/GenuineIntel.bin", "init", "usr/lib/modules/6.1/kernel/drivers/block/virtio_blk.ko.xz", "etc/a", "etc/ab", "etc/abc", "etc/abcd"}
	for _, p := range packers {
		b := slices.Concat(early, make([]byte, 1024), compress(t, system, p.tool[0], p.tool[1:]...))
		for _, tail := range []int{0, 1, 512} {
			names, compression, err := list(append(slices.Clone(b), make([]byte, tail)...), plenty)
			if err != nil || compression != p.name || !slices.Equal(names, want) {
				t.Errorf("%s, %d zeros behind: %q, %s, %v", p.name, tail, names, compression, err)
			}
		}
		if names, _, err := list(b[:len(b)-len(b)/4], plenty); err == nil && len(names) == len(want) {
			t.Errorf("%s: cut short, and nothing said", p.name)
		}
	}
	names, compression, err := list(slices.Concat(early, system), plenty)
	if err != nil || compression != "none" || !slices.Equal(names, want) {
		t.Errorf("%q, %s, %v", names, compression, err)
	}
	if _, _, err := list(slices.Concat(early, system), Limits{Size: 1 << 20, Names: 3}); !errors.Is(err, block.ErrLimit) {
		t.Error(err)
	}
	if _, _, err := list(slices.Concat(early, system), Limits{Size: 1000, Names: 30}); !errors.Is(err, block.ErrLimit) {
		t.Error(err)
	}
	for _, b := range []string{"", "\x00\x00", "hello, world", "\x7fELF"} {
		if _, _, err := list([]byte(b), plenty); !errors.Is(err, block.ErrFormat) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

// TestChecksums reads archives whose last bytes but some, which are checksums, are
// damaged: all names are there, and it is said that something is wrong.
func TestChecksums(t *testing.T) {
	peers.Need(t, "cpio", "gzip", "xz", "lzop", "zstd")
	system := pack(t, "init", "etc/a", "etc/ab", "etc/abc")
	for _, p := range packers {
		if p.name == "lzma" || p.name == "lz4" || p.name == "bzip2" {
			continue // they have none, and a damaged one of bzip2 is taken for what follows
		}
		b := compress(t, system, p.tool[0], append(p.tool[1:], map[string][]string{"lzo": {"--crc32"}, "zstd": {"--check"}}[p.name]...)...)
		at := map[string]int{"gzip": len(b) - 8, "xz": len(b) - 36, "zstd": len(b) - 2, "lzo": bytes.LastIndex(b, b[len(b)-4:]) - 3}[p.name]
		b[at] ^= 1
		if names, _, err := list(b, plenty); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("%s: %q, %v", p.name, names, err)
		}
	}
}

// TestBombs unpacks zeros that never end.
func TestBombs(t *testing.T) {
	peers.Need(t, "gzip", "zstd", "xz")
	zeros := make([]byte, 64<<20)
	for _, p := range packers {
		if p.name != "gzip" && p.name != "zstd" && p.name != "xz" {
			continue
		}
		if _, _, err := list(compress(t, zeros, p.tool[0], p.tool[1:]...), Limits{Size: 1 << 20, Names: 10}); !errors.Is(err, block.ErrLimit) {
			t.Errorf("%s: %v", p.name, err)
		}
	}
}

// TestHost lists what is in /boot, as lsinitramfs does.
func TestHost(t *testing.T) {
	files, _ := filepath.Glob("/boot/initrd.img-*")
	if len(files) == 0 {
		peers.Need(t, "/boot/initrd.img-*") // of linux-image-amd64
	}
	peers.Need(t, "lsinitramfs")
	for _, f := range files {
		want := strings.Split(strings.TrimSpace(peers.Run(t, "lsinitramfs", f)), "\n")
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		names, compression, err := list(b, plenty)
		slices.Sort(names)
		slices.Sort(want)
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%s (%s): %d names, not %d: %v", f, compression, len(names), len(want), err)
		}
	}
}

func FuzzList(f *testing.F) {
	entry := func(name string, size int) string {
		return fmt.Sprintf("070701%048x%08x%032x%08x%08x%s\x00", 0, size, 0, len(name)+1, 0, name)
	}
	f.Add([]byte(entry("a", 0) + "\x00" + entry(trailer, 0)))
	f.Add([]byte("\x1F\x8B\x08\x00"))
	f.Add([]byte("\x02\x21\x4C\x18\x05\x00\x00\x00\x400707"))
	f.Add([]byte("\x89LZO\x00\r\n\x1A\n\x10\x30\x20\xa0\x09\x40\x02\x09\x03\x00\x00\x01\x00\x00\x81\xa4\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		names, _, _ := list(b, Limits{Size: 1 << 20, Names: 1000})
		if len(names) > 1000 {
			t.Fatal(len(names))
		}
	})
}
