package guestkit_test

import (
	"slices"
	"time"

	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// BenchmarkVolumes reads a file of 512 MiB through LVM and through MD and the same
// one on a partition, in turns. It is one ext4 behind three heads of 1 MiB, so that
// all read the same bytes of the host.
func BenchmarkVolumes(b *testing.B) {
	peers.NeedRoot(b)
	peers.Need(b, "mkfs.ext4", "sfdisk", "lvm")
	const size, head, big = 601 << 20, 1 << 20, 512 << 20
	dir := b.TempDir()
	must := func(err error) {
		if err != nil {
			b.Helper()
			b.Fatal(err)
		}
	}
	empty := func(name string, n int64) string {
		name = filepath.Join(dir, name)
		must(os.WriteFile(name, nil, 0o600))
		must(os.Truncate(name, n))
		return name
	}
	image := empty("image", size)
	tree := filepath.Join(dir, "tree")
	must(os.Mkdir(tree, 0o755))
	f, err := os.Create(filepath.Join(tree, "big"))
	must(err)
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), big)
	must(err)
	must(f.Close())
	peers.Run(b, "mkfs.ext4", "-q", "-E", fmt.Sprintf("offset=%d", head), "-d", tree, image, fmt.Sprint((size-head)>>10)+"k")
	must(os.RemoveAll(tree))

	first := func(name string) []byte {
		b, err := os.ReadFile(name)
		must(err)
		return b[:head]
	}
	heads := map[string][]byte{}
	disk := empty("mbr", size)
	cmd := peers.Command(b, "sfdisk", "-q", disk)
	cmd.Stdin = bytes.NewReader([]byte("label: dos\nstart=2048,type=83\n"))
	peers.RunCmd(b, cmd)
	heads["partition"] = first(disk)
	disk = empty("pv", size)
	loop, vg := peers.Loop(b, disk), fmt.Sprintf("bench%d", os.Getpid())
	for _, args := range [][]string{{"pvcreate", "-y", loop}, {"vgcreate", "-y", vg, loop}, {"lvcreate", "-y", "-an", "-Zn", "-Wn", "-l", "100%FREE", "-n", "a", vg}} {
		cmd := peers.Command(b, "lvm", append([]string{args[0], "--driverloaded", "n", "--devices", loop}, args[1:]...)...)
		cmd.Env = append(cmd.Env, "LVM_SUPPRESS_FD_WARNINGS=1")
		peers.RunCmd(b, cmd)
	}
	heads["LVM"] = first(disk)
	for i := range 2 { // the superblock of a mirror, made to fit
		m := testimg.Case(b, "volume/md/testdata/arrays.tar.zst", "v12-raid1")[fmt.Sprintf("m%d", i)]
		h := make([]byte, head)
		s := h[4096:8192]
		copy(s, m[4096:8192])
		le := binary.LittleEndian
		for _, at := range []int{0x50, 0x88} { // of the array, of the data
			le.PutUint64(s[at:], (size-head)/512)
		}
		le.PutUint64(s[0x80:], head/512)
		le.PutUint32(s[0xd8:], 0)
		sum := uint64(0)
		for at := 0; at < 256+2*int(le.Uint32(s[0xdc:])); at += 4 {
			sum += uint64(le.Uint32(s[at:]))
		}
		le.PutUint32(s[0xd8:], uint32(sum)+uint32(sum>>32))
		heads[fmt.Sprintf("MD%d", i)] = h
	}
	open := func(names ...string) fs.FS {
		var disks []block.Reader
		for _, name := range names {
			o := block.NewOverlay(testimg.File(b, image), size, 1)
			must(o.Set(0, head, bytes.NewReader(heads[name]), 0))
			disks = append(disks, o.Device())
		}
		g, err := guestkit.OpenReaders(disks, nil)
		must(err)
		b.Cleanup(func() { g.Close() })
		rep, err := g.Volumes(context.Background())
		must(err)
		for _, v := range rep.Volumes {
			if fsys, err := v.FS(); err == nil {
				return fsys
			}
		}
		b.Fatal(names, "no filesystem")
		return nil
	}
	buf := make([]byte, 1<<20)
	read := func(fsys fs.FS) {
		f, err := fsys.Open("big")
		must(err)
		defer f.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
		if must(err); n != big {
			b.Fatal(n)
		}
	}
	plain := open("partition")
	for name, layer := range map[string]fs.FS{"LVM": open("LVM"), "MD": open("MD0", "MD1")} {
		b.Run(name, func(b *testing.B) {
			var on, off []time.Duration
			read(layer)
			read(plain)
			for range max(b.N, 7) { // of the program alone, whatever else runs
				start := testimg.CPUTime()
				read(layer)
				middle := testimg.CPUTime()
				read(plain)
				on, off = append(on, middle-start), append(off, testimg.CPUTime()-middle)
			}
			slices.Sort(on)
			slices.Sort(off)
			n := len(on) / 2
			b.ReportMetric(float64(on[n].Microseconds())/1000, "ms")
			b.ReportMetric(float64(off[n].Microseconds())/1000, "partition-ms")
			b.ReportMetric(float64(on[n])/float64(off[n]), "ratio")
		})
	}
}
