//go:build linux

package bench

import (
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A job is a conversion by both programs.
type job struct {
	name     string
	source   string   // one of sources
	format   string   // of the output, as qemu-img calls it
	options  []string // of both programs
	guestkit []string // of one
	qemu     []string
	reflink  bool    // on a filesystem whose files can share blocks
	wall     float64 // the goals: ratios, 0 for none
	cpu      float64
	size     float64
}

var jobs = []job{
	{name: "raw to qcow2", source: "raw", format: "qcow2", wall: 0.75, cpu: 0.9},
	{name: "qcow2 to raw", source: "qcow2", format: "raw", wall: 0.75, cpu: 0.9},
	{name: "raw to qcow2, reflink", source: "raw", format: "qcow2", reflink: true, wall: 0.1},
	{name: "qcow2 to raw, reflink", source: "qcow2", format: "raw", reflink: true, wall: 0.1},
	{name: "qcow2 to qcow2, zlib", source: "qcow2", format: "qcow2", options: []string{"-c"}, wall: 0.2, size: 1.01},
	{name: "qcow2 to qcow2, zstd", source: "qcow2", format: "qcow2", options: []string{"-c", "-o", "compression_type=zstd"}, wall: 0.45, size: 1.02},
	{name: "zlib qcow2 to raw", source: "zlib", format: "raw", wall: 0.45, cpu: 0.55},
	{name: "zstd qcow2 to raw", source: "zstd", format: "raw", wall: 0.7},
	{name: "random bytes to qcow2", source: "random", format: "qcow2"},
	{name: "random bytes to qcow2, zlib", source: "random", format: "qcow2", options: []string{"-c"}},
	{name: "random bytes to qcow2, zstd", source: "random", format: "qcow2", options: []string{"-c", "-o", "compression_type=zstd"}},
	{name: "16 TiB with 100 MiB of data", source: "sparse", format: "qcow2", wall: 0.5},
	{name: "vmdk to raw", source: "vmdk", format: "raw", wall: 0.5},
	{name: "vmdk streamOptimized to raw", source: "stream", format: "raw", wall: 0.4, cpu: 0.6},
	{name: "vhd to raw", source: "vpc", format: "raw", wall: 0.75, cpu: 0.9},
	{name: "vhdx to raw", source: "vhdx", format: "raw", wall: 0.75, cpu: 0.9},
	{name: "vdi to raw", source: "vdi", format: "raw", wall: 0.75, cpu: 0.9},
	{name: "fixed vhd to raw", source: "fixed", format: "raw", wall: 0.75, cpu: 0.9},
	{name: "raw to vmdk", source: "raw", format: "vmdk"},
	{name: "raw to vmdk streamOptimized", source: "raw", format: "vmdk", options: []string{"-o", "subformat=streamOptimized"}, wall: 0.25, size: 1.02},
	{name: "raw to vhd", source: "raw", format: "vpc"},
	{name: "raw to vhdx", source: "raw", format: "vhdx"},
	{name: "raw to vdi", source: "raw", format: "vdi"},
}

// sources are made when a job needs them: by qemu-img from the image, or
// otherwise.
var sources = map[string][]string{
	"qcow2":  {"-O", "qcow2"},
	"zlib":   {"-O", "qcow2", "-c"},
	"zstd":   {"-O", "qcow2", "-c", "-o", "compression_type=zstd"},
	"vmdk":   {"-O", "vmdk"},
	"stream": {"-O", "vmdk", "-o", "subformat=streamOptimized"},
	"vpc":    {"-O", "vpc"},
	"fixed":  {"-O", "vpc", "-o", "subformat=fixed,force_size=on"},
	"vhdx":   {"-O", "vhdx"},
	"vdi":    {"-O", "vdi"},
}

// source makes a source if it is not there yet, and returns its path.
func (b *bench) source(t *testing.T, name string) string {
	path := filepath.Join(b.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	switch name {
	case "raw":
		return b.raw
	case "random":
		f, err := os.Create(path)
		if err == nil {
			_, err = io.CopyN(f, rand.Reader, 512<<20)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	case "sparse":
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "16T")
		peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 1 3T 50M", "-c", "write -P 2 11T 50M", path)
	case "wide": // 100 MiB in pieces over a TiB
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "1T")
		b.patterns(t, path, 1600, 650<<20, 64<<10)
	case "base": // 2 GiB of 8
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "8G")
		b.patterns(t, path, 256, 8<<20, 8<<20)
	case "other": // differs from it in 256 MiB
		peers.Run(t, "cp", "--sparse=always", b.source(t, "base"), path)
		b.patterns(t, path, 64, 32<<20, 4<<20)
	case "overlay": // 128 MiB above the base
		b.source(t, "other")
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", path)
		b.patterns(t, path, 2048, 3<<20, 64<<10)
	default:
		peers.Run(t, "qemu-img", slices.Concat([]string{"convert", "-f", "raw"}, sources[name], []string{b.raw, path})...)
	}
	return path
}

// patterns writes so many pieces into a qcow2, a step apart, none like its neighbours.
func (b *bench) patterns(t *testing.T, path string, n, step, piece int64) {
	var all []testimg.Piece
	for i := range n {
		all = append(all, testimg.At(i*step, piece, byte((i+piece>>16)%250+1)))
	}
	peers.Run(t, "qemu-io", slices.Concat([]string{"-f", "qcow2"}, testimg.Commands(all), []string{path})...)
}

// share returns the path of a source in a mount whose files can share blocks.
func (b *bench) share(t *testing.T, name string) string {
	path := b.source(t, name)
	if b.shared == "" {
		fi, err := os.Stat(b.raw)
		if err != nil {
			t.Fatal(err)
		}
		img := filepath.Join(b.dir, "xfs.img")
		if err := os.WriteFile(img, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(img, 4*fi.Size()+1<<30); err != nil {
			t.Fatal(err)
		}
		peers.Run(t, "mkfs.xfs", "-q", img)
		b.shared = peers.Mount(t, img, "xfs")
	}
	there := filepath.Join(b.shared, name)
	if _, err := os.Stat(there); err != nil {
		peers.Run(t, "cp", "--sparse=always", path, there)
	}
	return there
}

// formatOf is the format of a source, as qemu-img calls it.
func formatOf(name string) string {
	switch name {
	case "raw", "random":
		return "raw"
	case "fixed":
		return "vpc"
	case "stream":
		return "vmdk"
	case "zlib", "zstd", "sparse":
		return "qcow2"
	}
	return name
}

// lines are the arguments of both programs.
func (b *bench) lines(j job, in, out string) (ours, theirs []string) {
	ours = slices.Concat([]string{b.guestkit, "convert", "-q", "--no-sync", "-f", formatOf(j.source), "-O", j.format}, j.options, j.guestkit, []string{in, out})
	theirs = slices.Concat([]string{"qemu-img", "convert", "-f", formatOf(j.source), "-O", j.format}, j.options, j.qemu, []string{in, out})
	return ours, theirs
}
