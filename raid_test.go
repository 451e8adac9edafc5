package guestkit_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestRAIDAndLVM describes a system on ext4 on LVM on a mirror of two disks: of
// both, of each alone, and of one that is cut off.
func TestRAIDAndLVM(t *testing.T) {
	files := testimg.Case(t, "volume/md/testdata/arrays.tar.zst", "guest")
	disks := [][]byte{files["m0"], files["m1"]}
	for name, given := range map[string][][]byte{"both": disks, "the first": disks[:1], "the second": disks[1:], "turned around": {disks[1], disks[0]}} {
		t.Run(name, func(t *testing.T) {
			var readers []block.Reader
			for _, d := range given {
				readers = append(readers, bytes.NewReader(d))
			}
			g, err := guestkit.OpenReaders(readers, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			rep, err := g.Inspect(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if len(rep.Systems) != 1 || rep.Systems[0].Distro != "test" || rep.Systems[0].Hostname != "raid1" || rep.Systems[0].Volume != "lvm:vgr/root" {
				for _, s := range rep.Systems {
					t.Errorf("a system: %+v", *s)
				}
			}
			said := false
			for _, err := range rep.Problems() {
				said = said || errors.Is(err, block.ErrMissing) && strings.Contains(err.Error(), "degraded")
			}
			if said != (len(given) == 1) {
				t.Errorf("said that it is degraded: %v", said)
			}
			i := slices.IndexFunc(rep.Volumes, func(v *inspect.Volume) bool { return v.Name == "lvm:vgr/root" })
			if i < 0 {
				t.Fatalf("volumes: %+v", rep.Volumes)
			}
			f, err := rep.Volumes[i].FS()
			if err != nil {
				t.Fatal(err)
			}
			if b, err := fs.ReadFile(f, "etc/hostname"); err != nil || string(b) != "raid1\n" {
				t.Errorf("a file: %q, %v", b, err)
			}
		})
	}
}
