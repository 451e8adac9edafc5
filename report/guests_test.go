package report_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/report"
	"github.com/guestkit/guestkit/volume"
	"github.com/guestkit/guestkit/volume/keys"
)

// guests are those of volume/testdata/make-guests.sh.
var guests = map[string]struct {
	systems int
	keys    []string
	locked  map[string]string // volumes that are named without the keys
}{
	"fedora-lvm-on-luks": {1, []string{"/dev/sda2:key:FEDORA"}, map[string]string{"mbr2": "encrypted"}},
	"fedora-luks-on-lvm": {1, []string{"/dev/VG/Root:key:FEDORA-Root", "/dev/mapper/VG-LV1:key:FEDORA-LV1"}, map[string]string{"lvm:VG/Root": "encrypted", "lvm:VG/LV1": "encrypted"}},
	"fedora-md":          {1, nil, nil},
	"thin-snapshot":      {2, nil, nil},
}

// TestLayeredGuests describes guests whose root lies in LUKS on LVM, in LVM on LUKS,
// in LVM on MD and on a thin volume, by the key and without it: what is said is what
// virt-inspector says, and each file is what the kernel read.
func TestLayeredGuests(t *testing.T) {
	for name, c := range guests {
		t.Run(name, func(t *testing.T) {
			files := testimg.Case(t, "../volume/testdata/guests.tar.zst", name)
			g := layered(t, files, c.keys)
			if len(g.Report.Systems) != c.systems {
				t.Fatalf("%d systems, %v", len(g.Report.Systems), g.Problems)
			}
			for _, sys := range g.Report.Systems {
				fsys, err := sys.FS()
				if err != nil {
					t.Fatal(err)
				}
				// The snapshot has a list of its own.
				want := sumsOf(files["sums"], map[bool]string{true: "before", false: ""}[strings.HasSuffix(sys.Volume, "/before")])
				got := sumsIn(t, fsys)
				if _, ok := want["boot/grub/grub.conf"]; !ok { // on a filesystem of its own
					delete(got, "boot/grub/grub.conf")
				}
				if !maps.Equal(got, want) {
					t.Errorf("%s: files differ:\n%v\n%v", sys.Volume, got, want)
				}
			}
			if b, err := os.ReadFile("testdata/guests/" + name + ".xml"); err != nil {
				t.Error(err)
			} else {
				sameAsVirtInspector(t, g, b)
			}
			if len(c.keys) == 0 {
				return
			}
			g = layered(t, files, nil)
			for name, status := range c.locked {
				i := slices.IndexFunc(g.Report.Volumes, func(v *inspect.Volume) bool { return v.Name == name })
				if i < 0 || string(g.Report.Volumes[i].Status) != status || !strings.Contains(g.Report.Volumes[i].Reason, "no key is given") {
					t.Errorf("%s without a key: %+v", name, g.Report.Volumes)
				}
			}
			if len(g.Report.Systems) > 0 || g.Report.Complete() || !errors.Is(errors.Join(g.Problems...), block.ErrEncrypted) {
				t.Errorf("without a key: %d systems, complete %t, %v", len(g.Report.Systems), g.Report.Complete(), g.Problems)
			}
		})
	}
}

// layered inspects the disks of a case.
func layered(t *testing.T, files map[string][]byte, selectors []string) *report.Guest {
	t.Helper()
	var disks []block.Device
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".img") {
			disks = append(disks, block.Plain(bytes.NewReader(files[name])))
		}
	}
	var list keys.List
	for _, s := range selectors {
		if err := list.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	rep, err := inspect.Run(context.Background(), disks, &inspect.Options{Volume: &volume.Options{Unlock: list.Unlock}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rep.Close() })
	return &report.Guest{Report: rep, Problems: rep.Problems()}
}

// sumsOf reads the lines "sum  volume:path" of one volume; "" is all but "before".
func sumsOf(b []byte, volume string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		sum, rest, _ := strings.Cut(strings.TrimSpace(line), "  ")
		of, name, _ := strings.Cut(rest, ":")
		if (of == "before") == (volume == "before") {
			out[name] = sum
		}
	}
	return out
}

// sumsIn are the sums of the files of a tree.
func sumsIn(t *testing.T, fsys vfs.FS) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		out[name] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
