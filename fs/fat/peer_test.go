package fat

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestPeers fills volumes of every shape with mtools and compares what is read
// with the folder that was copied.
func TestPeers(t *testing.T) {
	peers.Need(t, "mkfs.vfat", "fsck.vfat", "mcopy", "mdel", "mattrib", "blkid")
	tree := sourceTree(t)
	want, err := testimg.HostTree(tree, treeOptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		kib  int
		args string
	}{
		{"fat12", 1440, "-F 12"},
		{"fat12-one-fat", 2880, "-F 12 -f 1 -r 512"},
		{"fat12-clusters-4k", 8192, "-F 12 -s 8"},
		{"fat12-sectors-4k", 8192, "-F 12 -S 4096 -s 1"},
		{"fat16", 16384, "-F 16"},
		{"fat16-clusters-512", 16384, "-F 16 -s 1"},
		{"fat16-clusters-32k", 262144, "-F 16 -s 64"},
		{"fat16-sectors-2k", 65536, "-F 16 -S 2048 -s 2"},
		{"fat16-sectors-4k", 131072, "-F 16 -S 4096 -s 1 -r 1024"},
		{"fat32", 65536, "-F 32"},
		{"fat32-clusters-32k", 2200000, "-F 32 -s 64"},
		{"fat32-sectors-1k", 131072, "-F 32 -S 1024 -s 1"},
		{"fat32-sectors-4k", 524288, "-F 32 -S 4096 -s 1"},
		{"fat32-reserved", 65536, "-F 32 -R 64 -b 8 -f 1 -i 00000007"},
		{"fat32-label", 65536, "-F 32 -n TREE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			img := filepath.Join(t.TempDir(), "img")
			peers.Run(t, "mkfs.vfat", append(strings.Fields(c.args), "-C", img, fmt.Sprint(c.kib))...)
			mtool := func(tool string, args ...string) {
				cmd := peers.Command(t, tool, append([]string{"-i", img}, args...)...)
				cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8")
				peers.RunCmd(t, cmd)
			}
			filler := filepath.Join(t.TempDir(), "filler")
			if err := os.WriteFile(filler, make([]byte, 3000), 0o644); err != nil {
				t.Fatal(err)
			}
			for i := range 12 {
				mtool("mcopy", filler, fmt.Sprintf("::/F%d", i))
			}
			for i := 0; i < 12; i += 2 {
				mtool("mdel", fmt.Sprintf("::/F%d", i))
			}
			names, err := filepath.Glob(filepath.Join(tree, "*"))
			if err != nil {
				t.Fatal(err)
			}
			mtool("mcopy", append(append([]string{"-s", "-m"}, names...), "::/")...)
			for i := 1; i < 12; i += 2 {
				mtool("mdel", fmt.Sprintf("::/F%d", i))
			}
			mtool("mattrib", "+r", "+s", "::/read only")
			peers.Run(t, "fsck.vfat", "-n", img)

			fsys, err := Open(testimg.File(t, img), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := readTree(t, fsys)
			delete(got, ".")
			mine := map[string]testimg.Node{}
			for p, n := range want {
				if p == "." {
					continue
				}
				if n.Mode.IsDir() { // mcopy gives directories a time of its own
					n.Mtime = got[p].Mtime
				}
				mine[p] = n
			}
			testimg.CompareTrees(t, got, mine, treeOptions)
			if p := fsys.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			if fi, err := fsys.Stat("read only"); err != nil || fi.Mode() != 0o555 {
				t.Errorf("%v, %v", fi, err)
			}
			compareBlkid(t, img, fsys.Info().UUID, fsys.Info().Label, fsys.Info().Version)
		})
	}
}

func compareBlkid(t *testing.T, img, uuid, label, version string) {
	t.Helper()
	var got []string
	for _, f := range []string{"UUID=" + uuid, "VERSION=" + version, "LABEL=" + label} {
		if !strings.HasSuffix(f, "=") {
			got = append(got, f)
		}
	}
	out := "\n" + peers.Run(t, "blkid", "-p", "-o", "export", img)
	for _, f := range got {
		if !strings.Contains(out, "\n"+f+"\n") {
			t.Errorf("%s, and blkid says %s", f, out)
		}
	}
	if label == "" && strings.Contains(out, "\nLABEL=") {
		t.Errorf("no label, and blkid says %s", out)
	}
}

// sourceTree makes the folder that is copied.
func sourceTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, n int) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte(name+"\n"), n/(len(name)+1)+1)[:n]
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Date(1985+n%100, time.Month(1+n%12), 1+n%28, n%24, n%60, n%60, 0, time.UTC)
		if err := os.Chtimes(p, when, when); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range []int{0, 1, 511, 512, 513, 4095, 4096, 4097, 32767, 32768, 100000} {
		write(fmt.Sprintf("size %d.bin", n), n)
		write(fmt.Sprintf("d%d/d/d/FILE%d.TXT", i, i), 10*i)
	}
	for i := range 60 {
		write(fmt.Sprintf("directory of many/a name that is long enough for slots, %d", i), i)
	}
	for i, name := range []string{"read only", "UPPER", "lower", "Mixed.Case", "two.dots.txt", "spaces  in  it", "ümläut.tëxt", "Ελληνικά", "日本語.txt",
		strings.Repeat("m", 200), "=+,;[]", "lower.TXT", "UPPER2.txt", "x.y", "thirteen.char", "twenty-six.characters.here"} {
		write(name, 100+i)
	}
	return dir
}

// TestOrder compares names and their order with mdir.
func TestOrder(t *testing.T) {
	peers.Need(t, "mdir")
	img := filepath.Join(t.TempDir(), "img")
	if err := os.WriteFile(img, testimg.Fixture(t, "fat16"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := peers.Command(t, "mdir", "-a", "-b", "-i", img, "::/")
	cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8")
	var want []string
	for line := range strings.Lines(peers.RunCmd(t, cmd)) {
		want = append(want, strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "::/"), "/"))
	}
	v, err := openVolume(testimg.File(t, img), nil)
	if err != nil {
		t.Fatal(err)
	}
	es, err := v.root().ReadDir()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range es {
		got = append(got, e.Name)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
