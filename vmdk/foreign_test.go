package vmdk_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestPeerOfESX has qemu-img read the extents of ESX(i) that the tests of this
// package build. Only ESX(i) writes them, and none of its files is at hand: that
// another reader, written from VMware's own, takes them for the same disk is what
// speaks for these layouts.
func TestPeerOfESX(t *testing.T) {
	peers.Need(t, "qemu-img")
	for _, c := range []struct {
		name, kind, createType string
		extent                 func(plan string) []byte
		plan                   string
	}{
		{"seSparse", "SESPARSE", "seSparse", func(p string) []byte { return sesparse(p, nil) }, "d.zdd.uz" + strings.Repeat(".d", 500)},
		{"vmfsSparse", "VMFSSPARSE", "vmfsSparse", func(p string) []byte { return cowd(p, 3, nil) }, "d..dd." + strings.Repeat(".d", 500)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.vmdk")
			text := descriptor(c.createType, "", fmt.Sprintf(`RW %d %s "x-extent.vmdk"`, len(c.plan)*grain/sector, c.kind))
			for name, b := range map[string][]byte{"x.vmdk": []byte(text), "x-extent.vmdk": c.extent(c.plan)} {
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			im := samePeer(t, path)
			if im.Info().Subformat != c.createType {
				t.Errorf("Info = %+v", im.Info())
			}
			var want []byte
			for i, g := range c.plan {
				if g == 'd' {
					want = append(want, fill(i)...)
				} else {
					want = append(want, make([]byte, grain)...)
				}
			}
			testimg.TestDevice(t, im, bytes.NewReader(want), grain)
		})
	}
}
