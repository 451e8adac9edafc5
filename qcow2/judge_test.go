package qcow2_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A judged is one image that qemu-img made, which is read here and by
// qemu-img.
type judged struct {
	name    string
	options string // of qemu-img create
	size    string // of the disk
	backing string // "raw", "qcow2", "short": what lies behind it
	keep    bool   // the image is as created, not filled
}

func matrix() []judged {
	var all []judged
	for _, c := range []string{"512", "1k", "2k", "4k", "16k", "64k", "256k", "1M", "2M"} {
		all = append(all, judged{name: "cluster " + c, options: "cluster_size=" + c})
		all = append(all, judged{name: "v2 cluster " + c, options: "compat=0.10,cluster_size=" + c})
	}
	for _, c := range []string{"16k", "64k", "256k", "2M"} {
		all = append(all, judged{name: "extended L2 " + c, options: "extended_l2=on,cluster_size=" + c})
		all = append(all, judged{name: "extended L2 backed " + c, options: "extended_l2=on,cluster_size=" + c, backing: "raw"})
	}
	for _, c := range []string{"512", "4k", "64k", "2M"} {
		all = append(all, judged{name: "zstd " + c, options: "compression_type=zstd,cluster_size=" + c})
	}
	for _, p := range []string{"off", "metadata", "falloc", "full"} {
		all = append(all, judged{name: "preallocation " + p, options: "preallocation=" + p})
		all = append(all, judged{name: "preallocation only " + p, options: "preallocation=" + p, keep: true})
		if p != "full" {
			all = append(all, judged{name: "extended L2 preallocation " + p, options: "extended_l2=on,preallocation=" + p})
		}
	}
	for _, b := range []string{"raw", "qcow2", "short", "deep"} {
		for _, o := range []string{"compat=0.10", "compat=1.1", "cluster_size=4k", "compression_type=zstd", "extended_l2=on"} {
			all = append(all, judged{name: b + " behind " + o, options: o, backing: b})
		}
	}
	for _, o := range []string{"data_file=DATA", "data_file=DATA,data_file_raw=on", "data_file=DATA,cluster_size=4k", "data_file=DATA,extended_l2=on"} {
		all = append(all, judged{name: o, options: o})
		all = append(all, judged{name: o + " empty", options: o, keep: true})
	}
	for _, s := range []string{"0", "512", "65536", "1049088", "7M", "8388096"} {
		all = append(all, judged{name: "size " + s, options: "cluster_size=64k", size: s})
		all = append(all, judged{name: "size " + s + " small clusters", options: "cluster_size=1k", size: s})
	}
	for _, r := range []string{"1", "2", "4", "8", "32", "64"} {
		all = append(all, judged{name: "refcount bits " + r, options: "refcount_bits=" + r})
	}
	all = append(all, judged{name: "lazy refcounts", options: "lazy_refcounts=on"})
	return all
}

const diskSize = 8 << 20

// fillCommands are random writes, zeros, discards and compressed writes.
// Compressed ones want whole clusters that are not in use.
func fillCommands(seed uint64, size, cluster int64, compress bool) []string {
	rng := rand.New(rand.NewPCG(seed, 0))
	var out []string
	if compress {
		for range 12 {
			if size < 2*cluster {
				break
			}
			off := rng.Int64N(size/cluster) * cluster
			out = append(out, fmt.Sprintf("write -c -P %d %d %d", rng.IntN(256), off, cluster))
		}
	}
	for range 40 {
		if size < 512 {
			break
		}
		off := rng.Int64N(size/512) * 512
		n := min((rng.Int64N(200)+1)*512, size-off)
		switch rng.IntN(6) {
		case 0:
			out = append(out, fmt.Sprintf("write -z %d %d", off, n))
		case 1:
			out = append(out, fmt.Sprintf("write -z -u %d %d", off, n))
		case 2:
			out = append(out, fmt.Sprintf("discard %d %d", off, n))
		default:
			out = append(out, fmt.Sprintf("write -P %d %d %d", rng.IntN(256), off, n))
		}
	}
	return out
}

func qemuIO(t *testing.T, image, format string, commands []string) {
	t.Helper()
	args := []string{"-f", format, "-d", "unmap", "-t", "unsafe"}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	cmd := peers.Command(t, "qemu-io", append(args, image)...)
	cmd.Dir = filepath.Dir(image)
	// A compressed write over a cluster in use fails, which is fine.
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "write failed") {
		t.Fatalf("qemu-io: %v\n%s", err, out)
	}
}

// make creates the image in dir and returns its path.
func (j judged) make(t *testing.T, dir string, seed uint64) string {
	t.Helper()
	image := filepath.Join(dir, "image.qcow2")
	size := j.size
	if size == "" {
		size = fmt.Sprint(diskSize)
	}
	args := []string{"create", "-q", "-f", "qcow2", "-o", strings.ReplaceAll(j.options, "DATA", "data.raw")}
	if j.backing != "" {
		name, bf := j.makeBacking(t, dir, seed)
		args = append(args, "-b", name, "-F", bf)
	}
	cmd := peers.Command(t, "qemu-img", append(args, "image.qcow2", size)...)
	cmd.Dir = dir
	peers.RunCmd(t, cmd)
	if j.keep {
		return image
	}
	var n int64
	fmt.Sscan(size, &n)
	if strings.HasSuffix(size, "M") {
		n <<= 20
	}
	qemuIO(t, image, "qcow2", fillCommands(seed, n, clusterSize(t, image), !strings.Contains(j.options, "data_file")))
	return image
}

func (j judged) makeBacking(t *testing.T, dir string, seed uint64) (name, fmtName string) {
	t.Helper()
	size, below := int64(diskSize), judged{}
	switch j.backing {
	case "raw", "short":
		if j.backing == "short" {
			size = diskSize/2 + 512*7
		}
		base := filepath.Join(dir, "base.raw")
		if err := os.WriteFile(base, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(base, size); err != nil {
			t.Fatal(err)
		}
		qemuIO(t, base, "raw", fillCommands(seed+100, size, 65536, false))
		return "base.raw", "raw"
	case "qcow2":
		below = judged{options: "cluster_size=4k"}
	case "deep": // qcow2 on a shorter qcow2 on a raw image
		below = judged{options: "cluster_size=1k", backing: "short", size: "6M"}
	}
	sub := filepath.Join(dir, "below")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	below.make(t, sub, seed+100)
	return "below/image.qcow2", "qcow2"
}

func clusterSize(t *testing.T, image string) int64 {
	info, _, err := format.DescribeFile(image, nil)
	if err != nil {
		t.Fatal(err)
	}
	return info.ClusterSize
}

// mapEntry is what qemu-img map prints of a stretch.
type mapEntry struct {
	Start, Length int64
	Depth         int
	Present       bool
	Zero, Data    bool
	Offset        *int64
}

// judge compares every byte and every extent of the image.
func judge(t *testing.T, image string, unit int64) {
	t.Helper()
	im, err := format.OpenFile(image, &format.Options{FollowOwnDir: true})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	want := filepath.Join(t.TempDir(), "want.raw")
	qemuImg := func(args ...string) string {
		cmd := peers.Command(t, "qemu-img", args...)
		cmd.Dir = filepath.Dir(image) // qemu-img looks for the data file in its own directory
		return peers.RunCmd(t, cmd)
	}
	qemuImg("convert", "-O", "raw", image, want)
	f, err := os.Open(want)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := raw.Open(testReader{f, fi.Size()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes, min(unit, 64<<10))
	compareAll(t, im, bytes)

	var entries []mapEntry
	if err := json.Unmarshal([]byte(qemuImg("map", "--output=json", image)), &entries); err != nil {
		t.Fatal(err)
	}
	compareMap(t, im, entries)
}

type testReader struct {
	*os.File
	size int64
}

func (r testReader) Size() int64 { return r.size }

func compareAll(t *testing.T, got, want block.Reader) {
	t.Helper()
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < want.Size(); off += int64(len(a)) {
		n := min(int64(len(a)), want.Size()-off)
		if err := block.ReadFull(got, a[:n], off); err != nil {
			t.Fatal(err)
		}
		if err := block.ReadFull(want, b[:n], off); err != nil {
			t.Fatal(err)
		}
		if string(a[:n]) != string(b[:n]) {
			t.Fatalf("the bytes in the MiB at %#x differ", off)
		}
	}
}

// compareMap compares the extents with those of qemu-img map. Data is what is
// stored, verbatim or compressed. qemu-img asks the host about holes in a qcow2
// image only where it thinks that the metadata is preallocated, so a stretch may
// be a hole of the host here that is data there.
func compareMap(t *testing.T, d block.Device, entries []mapEntry) {
	t.Helper()
	pos := int64(0)
	for _, e := range entries {
		if e.Start != pos {
			t.Fatalf("qemu-img map leaves %#x out", pos)
		}
		for x, err := range block.Extents(d, e.Start, e.Length) {
			if err != nil {
				t.Fatal(err)
			}
			hole := x.Zero && x.Host != nil // of the host
			data := x.Compressed || !x.Zero || hole && e.Data
			bad := data != e.Data || x.Zero && !e.Zero && !hole || !x.Zero && e.Zero || x.Depth != e.Depth || x.Unset == e.Present
			if data && (x.Host != nil) != (e.Offset != nil) {
				bad = true
			}
			if (data || hole) && x.Host != nil && e.Offset != nil && *e.Offset+x.Off-e.Start != x.HostOff {
				bad = true
			}
			if bad {
				off := int64(-1)
				if e.Offset != nil {
					off = *e.Offset
				}
				t.Fatalf("extent %+v (data %v) differs from qemu-img map's %+v (offset %d)", x, data, e, off)
			}
		}
		pos += e.Length
	}
	if pos != d.Size() {
		t.Fatalf("qemu-img map ends at %d of %d", pos, d.Size())
	}
}

// TestJudge reads what qemu-img writes, over its options.
func TestJudge(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for i, j := range matrix() {
		t.Run(j.name, func(t *testing.T) {
			image := j.make(t, t.TempDir(), uint64(i))
			judge(t, image, clusterSize(t, image))
		})
	}
}
