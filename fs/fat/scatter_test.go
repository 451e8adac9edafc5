package fat_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/fat"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestScattered reads a file whose chain leads back and forth through the FAT.
// mcopy lays files out in order, so the test shuffles the clusters of one; that
// mcopy reads the same file then, and fsck.vfat finds nothing, says that it did so
// rightly.
func TestScattered(t *testing.T) {
	peers.Need(t, "mkfs.vfat", "fsck.vfat", "mcopy")
	for bits, args := range map[int]string{12: "-F 12 -s 1", 16: "-F 16 -s 1", 32: "-F 32 -s 1"} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			dir := t.TempDir()
			img, src, back := filepath.Join(dir, "image"), filepath.Join(dir, "file"), filepath.Join(dir, "back")
			peers.Run(t, "mkfs.vfat", append(strings.Fields(args), "-C", img, map[int]string{12: "1440", 16: "4096", 32: "40000"}[bits])...)
			const n = 300
			want := make([]byte, 512*n-100)
			for i := range want {
				want[i] = byte(i/512) ^ byte(i*7)
			}
			if err := os.WriteFile(src, want, 0o600); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, "mcopy", "-i", img, src, "::FILE")
			b, err := os.ReadFile(img)
			if err != nil {
				t.Fatal(err)
			}
			shuffleClusters(t, b, bits, n, want)
			if err := os.WriteFile(img, b, 0o600); err != nil {
				t.Fatal(err)
			}
			peers.Run(t, "fsck.vfat", "-n", img)
			peers.Run(t, "mcopy", "-n", "-i", img, "::FILE", back)
			if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("mcopy reads something else: %v", err)
			}
			fsys, err := fat.Open(bytes.NewReader(b), nil)
			if err != nil {
				t.Fatal(err)
			}
			f, err := fsys.Open("FILE")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			testimg.OutOfOrder(t, f.(block.Device))
			testimg.TestDevice(t, f.(block.Device), bytes.NewReader(want), 512)
		})
	}
}

// shuffleClusters gives the n clusters of 512 bytes of a file, which lie side by
// side, another order, but for the first.
func shuffleClusters(t *testing.T, b []byte, bits, n int, content []byte) {
	t.Helper()
	le := binary.LittleEndian
	fatLen := int(le.Uint16(b[0x16:])) * 512
	if bits == 32 {
		fatLen = int(le.Uint32(b[0x24:])) * 512
	}
	fatOff := int(le.Uint16(b[0x0e:])) * 512
	data := fatOff + int(b[0x10])*fatLen + int(le.Uint16(b[0x11:]))*32
	at := bytes.Index(b[data:], content[:512])
	if at < 0 || !bytes.HasPrefix(b[data+at:], content) {
		t.Fatal("mcopy has not laid the file out in order")
	}
	first := at/512 + 2
	chain := []int{first}
	for _, i := range rand.New(rand.NewPCG(9, 10)).Perm(n - 1) {
		chain = append(chain, first+1+i)
	}
	old := bytes.Clone(b[data+at:][:n*512])
	for i, c := range chain {
		copy(b[data+(c-2)*512:][:512], old[i*512:])
		next := 1<<bits - 1
		if i+1 < n {
			next = chain[i+1]
		}
		for f := range int(b[0x10]) {
			e := b[fatOff+f*fatLen:]
			switch bits {
			case 12:
				v := le.Uint16(e[c*3/2:])
				if c%2 == 1 {
					v = v&0xf | uint16(next)<<4
				} else {
					v = v&0xf000 | uint16(next)&0xfff
				}
				le.PutUint16(e[c*3/2:], v)
			case 16:
				le.PutUint16(e[2*c:], uint16(next))
			case 32:
				le.PutUint32(e[4*c:], uint32(next)&0x0fffffff)
			}
		}
	}
}
