package fat_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/fs/fat"
	"github.com/guestkit/guestkit/internal/peers"
)

// TestClusterCounts holds the two numbers of clusters at which the width of the
// FAT changes (Microsoft's fatgen103: "less than 4085 clusters" is FAT12, "less
// than 65525" FAT16). A FAT32 says so by its BPB, whatever it counts. fsck.vfat is
// the judge.
func TestClusterCounts(t *testing.T) {
	for _, c := range []struct {
		clusters int
		wide     bool // the BPB is that of FAT32
		want     string
	}{
		{4083, false, "FAT12"}, {4084, false, "FAT12"}, {4085, false, "FAT16"}, {4086, false, "FAT16"},
		{65523, false, "FAT16"}, {65524, false, "FAT16"}, {65525, false, ""}, {65526, false, ""},
		{65525, true, "FAT32"}, {65524, true, "FAT32"},
	} {
		t.Run(fmt.Sprint(c.clusters, c.wide), func(t *testing.T) {
			const fatSectors = 520 // room for all
			le := binary.LittleEndian
			total := 1 + fatSectors + c.clusters
			if !c.wide {
				total++ // the root directory
			}
			b := make([]byte, 512*total)
			copy(b, "\xEB\x3C\x90mkfs.fat")
			le.PutUint16(b[0x0B:], 512)
			b[0x0D], b[0x0E], b[0x10] = 1, 1, 1
			b[0x15] = 0xF8
			le.PutUint32(b[0x20:], uint32(total))
			fat0 := "\xF8\xFF\xFF\xFF"
			if c.wide {
				le.PutUint32(b[0x24:], fatSectors)
				le.PutUint32(b[0x2C:], 2)
				fat0 = "\xF8\xFF\xFF\x0F\xFF\xFF\xFF\x0F\xFF\xFF\xFF\x0F"
				copy(b[0x52:], "FAT32   ")
			} else {
				le.PutUint16(b[0x11:], 16)
				le.PutUint16(b[0x16:], fatSectors)
				if strings.HasPrefix(c.want, "FAT12") {
					fat0 = "\xF8\xFF\xFF"
				}
			}
			copy(b[510:], "\x55\xAA")
			copy(b[512:], fat0)
			got := ""
			if fsys, err := fat.Open(bytes.NewReader(b), nil); err == nil {
				got = fsys.Info().Version
			}
			if got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
			if !peers.Has(t, "fsck.vfat") || c.wide {
				return
			}
			img := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(img, b, 0o600); err != nil {
				t.Fatal(err)
			}
			out, _ := peers.Command(t, "fsck.vfat", "-nv", img).CombinedOutput() // it finds the label missing
			judge := ""
			if m := regexp.MustCompile(`(\d+) bit entries`).FindSubmatch(out); m != nil {
				judge = "FAT" + string(m[1])
			}
			if judge != c.want {
				t.Errorf("fsck.vfat says %q, want %q", judge, c.want)
			}
		})
	}
}
