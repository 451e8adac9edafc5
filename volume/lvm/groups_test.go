package lvm_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/lvm"
)

// archive is what testdata/make.sh made with lvm and the kernel.
const archive = "testdata/groups.tar.zst"

// group assembles the one group of the physical volumes of a case, which are
// the files of that prefix but those of the given numbers.
func group(t testing.TB, files map[string][]byte, prefix string, without ...int) *lvm.Group {
	t.Helper()
	var pvs []*lvm.PhysicalVolume
	for i := 0; ; i++ {
		b, ok := files[fmt.Sprintf("%s%d", prefix, i)]
		if !ok {
			break
		}
		if slices.Contains(without, i) {
			continue
		}
		pv, err := lvm.Open(block.Plain(bytes.NewReader(b)))
		if err != nil {
			t.Fatalf("physical volume %d: %v", i, err)
		}
		pvs = append(pvs, pv)
	}
	all, problems := lvm.Assemble(pvs)
	if len(all) != 1 || len(problems) > 0 {
		t.Fatalf("%d groups, %v", len(all), problems)
	}
	return all[0]
}

func find(t testing.TB, g *lvm.Group, name string) *lvm.Volume {
	t.Helper()
	for _, v := range append(slices.Clone(g.Volumes), g.Hidden...) {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no volume %s", name)
	return nil
}

// sums are what the kernel read: by name, the sha256 and the size.
func sums(files map[string][]byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(files["sum"])) {
		if f := strings.Fields(line); len(f) == 3 {
			out[f[2]] = f[0] + " " + f[1]
		}
	}
	return out
}

func sum(t testing.TB, v *lvm.Volume) string {
	t.Helper()
	if v.Err != nil {
		t.Errorf("%s: %v", v.Name, v.Err)
		return ""
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{io.NewSectionReader(v.Device, 0, v.Device.Size())}, make([]byte, 100<<10)); err != nil {
		t.Errorf("%s does not read: %v", v.Name, err)
	}
	return fmt.Sprintf("%x %d", h.Sum(nil), v.Device.Size())
}

// same checks that the volumes of a group are what the kernel read.
func same(t *testing.T, g *lvm.Group, files map[string][]byte, names ...string) {
	t.Helper()
	want := sums(files)
	if len(names) == 0 {
		for name := range want {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	if len(names) == 0 {
		t.Fatal("nothing to compare with")
	}
	for _, name := range names {
		v := find(t, g, name)
		if got := sum(t, v); got != want[name] {
			t.Errorf("%s is %s, the kernel read %s", name, got, want[name])
			continue
		}
		extents(t, v.Device)
	}
}

// extents compares the extents of a device with its bytes.
func extents(t *testing.T, d block.Device) {
	t.Helper()
	for e, err := range block.Extents(d, 0, d.Size()) {
		if err != nil {
			t.Fatalf("extents: %v", err)
		}
		n := min(e.Len, 1<<20)
		b, h := make([]byte, n), make([]byte, n)
		if err := block.ReadFull(d, b, e.Off); err != nil {
			t.Fatal(err)
		}
		if e.Host != nil {
			if err := block.ReadFull(e.Host, h, e.HostOff); err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
		}
		if (e.Zero || e.Host != nil) && !bytes.Equal(b, h) {
			t.Fatalf("%+v does not have the bytes that it says", e)
		}
	}
}

func said(t *testing.T, v *lvm.Volume, class error, words string) {
	t.Helper()
	for _, err := range v.Problems {
		if errors.Is(err, class) && strings.Contains(err.Error(), words) {
			return
		}
	}
	t.Errorf("%s: no problem says %q: %v", v.Name, words, v.Problems)
}

func refused(t *testing.T, v *lvm.Volume, class error, words string) {
	t.Helper()
	if !errors.Is(v.Err, class) || !strings.Contains(fmt.Sprint(v.Err), words) || v.Device != nil {
		t.Errorf("%s: %v, want %v with %q", v.Name, v.Err, class, words)
	}
}

var cases = map[string]func(t *testing.T, files map[string][]byte){
	"basic": func(t *testing.T, files map[string][]byte) {
		g := group(t, files, "m")
		same(t, g, files)
		if g = group(t, files, "m", 2); len(g.Missing) != 1 {
			t.Errorf("missing: %v", g.Missing)
		}
		same(t, g, files, "lin") // which does not lie there
		refused(t, find(t, g, "str3"), block.ErrMissing, "add its disk with -a")
	},
	"mirrors": func(t *testing.T, files map[string][]byte) {
		same(t, group(t, files, "m"), files)
		for i := range 4 {
			g := group(t, files, "m", i)
			for _, v := range g.Volumes {
				if !errors.Is(v.Err, block.ErrMissing) || v.Name != "disk" {
					same(t, g, files, v.Name)
				}
			}
		}
		g := group(t, files, "m", 0)
		said(t, find(t, g, "core"), block.ErrDirty, "first leg is missing")
	},
	"raids": func(t *testing.T, files map[string][]byte) {
		raids(t, files)
		whole := group(t, files, "m")
		for _, name := range []string{"r1_rimage_0", "r5n_rmeta_2"} {
			if v := find(t, whole, name); v.Err != nil || slices.Contains(whole.Volumes, v) {
				t.Errorf("%s is shown, or has an error: %v", name, v.Err)
			}
		}
	},
	"raids2": raids,
	"stale": func(t *testing.T, files map[string][]byte) {
		g := group(t, files, "m")
		same(t, g, files)
		for _, v := range g.Volumes {
			said(t, v, block.ErrMissing, "is stale")
		}
		g = group(t, files, "m", 1)
		same(t, g, files)
		for _, v := range g.Volumes {
			said(t, v, block.ErrMissing, "is missing")
		}
		g = group(t, files, "m", 0)
		refused(t, find(t, g, "s5"), block.ErrMissing, "more of its legs")
	},
	"rebuilding": func(t *testing.T, files map[string][]byte) {
		g := group(t, files, "m")
		same(t, g, files)
		said(t, find(t, g, "r"), block.ErrMissing, "was rebuilt up to byte")
		same(t, group(t, files, "m", 1), files)
		refused(t, find(t, group(t, files, "m", 0), "r"), block.ErrMissing, "more of its legs")
	},
	"snaps": func(t *testing.T, files map[string][]byte) {
		g := group(t, files, "m")
		same(t, g, files)
		refused(t, find(t, g, "full"), block.ErrCorrupt, "ran full")
		if v := find(t, g, "s1"); v.Type != "snapshot" {
			t.Errorf("s1 is a %s", v.Type)
		}
	},
	"merging": func(t *testing.T, files map[string][]byte) {
		g := group(t, files, "m")
		v := find(t, g, "org")
		if got := sum(t, v); got != sums(files)["s1"] {
			t.Errorf("it is %s, the snapshot was %s", got, sums(files)["s1"])
		}
		said(t, v, block.ErrDirty, "being merged")
	},
	"thin": func(t *testing.T, files map[string][]byte) {
		started := time.Now()
		g := group(t, files, "m")
		took := time.Since(started)
		same(t, g, files)
		v := find(t, g, "huge")
		if v.Err != nil {
			t.Fatal(v.Err)
		}
		t.Logf("a group with a thin volume of %d TiB opened in %v", v.Size>>40, took)
		b := make([]byte, 64<<10)
		if err := block.ReadFull(v.Device, b, 200000000*(64<<10)); err != nil || string(b[:16]) != "0000000 0000000 " {
			t.Errorf("far out: %.16q, %v", b, err)
		}
		data := int64(0)
		for e, err := range block.Extents(v.Device, 0, v.Size) {
			if err != nil {
				t.Fatal(err)
			}
			if !e.Zero {
				data += e.Len
			}
		}
		if data != 128<<10 {
			t.Errorf("it has %d bytes of data, want two blocks", data)
		}
		if slices.ContainsFunc(g.Volumes, func(v *lvm.Volume) bool { return v.Name == "pool" }) {
			t.Error("the pool is shown as a volume")
		}
		g = group(t, files, "m", 0)
		refused(t, find(t, g, "t1"), block.ErrMissing, "is missing")
	},
	"thinraid": func(t *testing.T, files map[string][]byte) {
		same(t, group(t, files, "m"), files)
		for i := range 2 {
			g := group(t, files, "m", i)
			same(t, g, files)
			said(t, find(t, g, "t"), block.ErrMissing, "is missing")
		}
	},
	"cachewt": func(t *testing.T, files map[string][]byte) {
		same(t, group(t, files, "m"), files)
		g := group(t, files, "m", 1)
		same(t, g, files)
		said(t, find(t, g, "org"), block.ErrMissing, "its cache is missing")
	},
	"cachewb1":    dirtyCache,
	"cachewb2":    dirtyCache,
	"cacheclean1": func(t *testing.T, files map[string][]byte) { same(t, group(t, files, "m"), files) },
	"cacheclean2": func(t *testing.T, files map[string][]byte) { same(t, group(t, files, "m"), files) },
	"cachevol":    func(t *testing.T, files map[string][]byte) { same(t, group(t, files, "m"), files) },
	"writecache": func(t *testing.T, files map[string][]byte) {
		refused(t, find(t, group(t, files, "m"), "org"), block.ErrUnsupported, "write cache")
	},
	"integrity": func(t *testing.T, files map[string][]byte) {
		refused(t, find(t, group(t, files, "m"), "r"), block.ErrUnsupported, "dm-integrity")
	},
	"pvmove": func(t *testing.T, files map[string][]byte) {
		same(t, group(t, files, "m"), files)
		same(t, group(t, files, "live"), files)
	},
	"reshape": func(t *testing.T, files map[string][]byte) {
		refused(t, find(t, group(t, files, "m"), "r"), block.ErrUnsupported, "reshape")
	},
}

// raids are volumes that can lose one physical volume, or two.
func raids(t *testing.T, files map[string][]byte) {
	whole := group(t, files, "m")
	same(t, whole, files)
	for _, v := range whole.Volumes {
		if len(v.Problems) > 0 {
			t.Errorf("%s has problems: %v", v.Name, v.Problems)
		}
	}
	for i := range 6 {
		g := group(t, files, "m", i)
		for _, v := range g.Volumes {
			if v.Err != nil && strings.HasPrefix(v.Type, "raid0") {
				refused(t, v, block.ErrMissing, "is missing")
				continue
			}
			same(t, g, files, v.Name)
		}
		for j := range i {
			g := group(t, files, "m", i, j)
			for _, v := range g.Volumes {
				if strings.HasPrefix(v.Type, "raid6") || v.Err == nil {
					same(t, g, files, v.Name)
				}
			}
		}
	}
}

// dirtyCache holds what the origin lacks; the live copies were made while the
// cache was in use, so that all of it may be dirty.
func dirtyCache(t *testing.T, files map[string][]byte) {
	same(t, group(t, files, "m"), files)
	same(t, group(t, files, "live"), files)
	refused(t, find(t, group(t, files, "m", 1), "org"), block.ErrMissing, "is missing")
}

// TestGroups compares each volume of each group, whole and without physical
// volumes, with what the kernel read.
func TestGroups(t *testing.T) { testGroups(t, archive) }

// TestRemade makes all groups anew, in libguestfs's appliance. That takes
// minutes: it runs where GUESTKIT_LARGE is set.
func TestRemade(t *testing.T) {
	if os.Getenv("GUESTKIT_LARGE") == "" {
		t.Skip("GUESTKIT_LARGE is not set")
	}
	peers.NeedRoot(t)
	peers.Need(t, "guestfish", "lvm", "zstd", "python3")
	made := filepath.Join(t.TempDir(), "groups.tar.zst")
	peers.Run(t, "sh", "../testdata/appliance.sh", "testdata/make-groups.sh", made)
	testGroups(t, made)
}

func testGroups(t *testing.T, archive string) {
	seen := 0
	testimg.Cases(t, archive, func(name string, files map[string][]byte) {
		t.Run(name, func(t *testing.T) {
			f := cases[name]
			if f == nil {
				t.Fatal("no test has this case")
			}
			f(t, files)
		})
		seen++
	})
	if seen != len(cases) {
		t.Errorf("%d cases of %d", seen, len(cases))
	}
}
