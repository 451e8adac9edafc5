package convert

import (
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format/raw"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vdi"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vhdx"
	"github.com/guestkit/guestkit/vmdk"
)

// A writer writes images of one format. To add one: a row in the table below,
// and its Layout in Output.
type writer struct {
	name       string
	aliases    []string // other names by which users call it
	extensions []string // of files' names, with the dot
	compresses bool
	device     bool // may go to a block device
	clears     bool // an empty disk must be zeroed as well, which clears or reserves it
	grows      bool // the size of the disk may be told at the end (Grower)
	rounds     bool // the disk may get longer, by zeros, to what the format can say

	options []Option // what Output.Set takes
	// compression takes what SetCompression is told; nil where there is no choice.
	compression func(o *Output, typ, level string) error

	// start begins an image with a disk of size bytes in f. What lies in
	// further files, beside makes, by the name that the image calls each.
	start func(out *Output, size int64, f sink, beside func(name string) (sink, error)) (Target, error)
	// bound makes of the Target one that does not compress, for a run that
	// looks for an upper bound of the size without reading. Nil where without
	// Options.Compress it does not.
	bound func(t Target) Target
	// dry changes out for a run that only counts: what it would write beyond
	// the data is as large and quicker to write. With all, the whole disk has
	// its place. Where it is nil, all means a disk that is full.
	dry func(out *Output, all bool)
}

func writers() []writer {
	return []writer{
		{name: "raw", extensions: []string{".raw", ".img"}, device: true, clears: true, grows: true, options: rawOptions(), start: startRaw, dry: dryRaw},
		{name: "qcow2", extensions: []string{".qcow2", ".qcow2c", ".qc2"}, compresses: true, grows: true, rounds: true, options: qcow2Options(), compression: compressQcow2, start: startQcow2, dry: dryQcow2},
		{name: "vmdk", extensions: []string{".vmdk"}, compresses: true, rounds: true, options: vmdkOptions(), compression: compressVMDK, start: startVMDK, bound: boundVMDK},
		{name: "vhd", aliases: []string{"vpc"}, extensions: []string{".vhd", ".vpc"}, rounds: true, options: vhdOptions(), start: startVHD, dry: dryVHD},
		{name: "vhdx", extensions: []string{".vhdx"}, rounds: true, options: vhdxOptions(), start: startVHDX, dry: dryVHDX},
		{name: "vdi", extensions: []string{".vdi"}, rounds: true, options: vdiOptions(), start: startVDI, dry: dryVDI},
		{name: "tar.gz", extensions: []string{".tar.gz", ".tgz"}, compresses: true, rounds: true, start: startTarGz, bound: boundTarGz},
		{name: "ova", extensions: []string{".ova"}, compresses: true, rounds: true, options: ovaOptions(), compression: compressOVA, start: startOVA, bound: boundVMDK},
	}
}

// sink is what a format's writer writes to.
type sink interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
}

func startRaw(out *Output, size int64, f sink, beside func(string) (sink, error)) (Target, error) {
	l := out.Raw
	l.Size, l.Growing = size, out.growing
	if out.SplitSize == 0 {
		return raw.NewWriter(f, &l)
	}
	parts, err := newSplit(out, size, f, beside)
	if err != nil {
		return nil, err
	}
	w, err := raw.NewWriter(parts, &l)
	return splitTarget{w, parts}, err
}

func dryRaw(out *Output, _ bool) { out.Raw.Preallocation = "" }

func startQcow2(out *Output, size int64, f sink, beside func(string) (sink, error)) (Target, error) {
	l := out.Qcow2
	l.Size, l.Growing = size, out.growing
	if l.DataFile == "" {
		return qcow2.NewWriter(f, nil, &l)
	}
	data, err := beside(l.DataFile)
	if err != nil {
		return nil, err
	}
	return qcow2.NewWriter(f, data, &l)
}

func dryQcow2(out *Output, all bool) {
	l := &out.Qcow2
	switch {
	case all:
		l.Preallocation, l.Backing, l.BackingFormat = qcow2.PreallocMetadata, "", ""
	case l.Preallocation == qcow2.PreallocFull || l.Preallocation == qcow2.PreallocFalloc:
		l.Preallocation = qcow2.PreallocMetadata
	}
}

func startVMDK(out *Output, size int64, f sink, beside func(string) (sink, error)) (Target, error) {
	l := out.VMDK
	l.Size = size
	if out.Path != "" {
		l.Name = filepath.Base(out.Path)
	}
	if l.Subformat == vmdk.StreamOptimized {
		return vmdk.NewStreamWriter(io.NewOffsetWriter(f, 0), &l)
	}
	return vmdk.NewWriter(f, func(name string) (block.File, error) { return beside(name) }, &l)
}

func boundVMDK(t Target) Target {
	switch t := t.(type) {
	case *vmdk.StreamWriter:
		return vmdkBound{t}
	case *ovaTarget:
		return ovaBound{t}
	}
	return t
}

// vmdkBound takes every grain for one that does not compress.
type vmdkBound struct{ *vmdk.StreamWriter }

func (b vmdkBound) Encode(dst, _ []byte) ([]byte, bool, error) {
	return largest(dst, b.MaxEncoded())
}

// ovaBound is vmdkBound for a disk in a package.
type ovaBound struct{ *ovaTarget }

func (b ovaBound) Encode(dst, _ []byte) ([]byte, bool, error) {
	return largest(dst, b.MaxEncoded())
}

func largest(dst []byte, most int64) ([]byte, bool, error) {
	n := int(most)
	dst = slices.Grow(dst, n)
	return dst[:len(dst)+n], true, nil
}

func startVHD(out *Output, size int64, f sink, _ func(string) (sink, error)) (Target, error) {
	l := out.VHD
	l.Size = size
	return vhd.NewWriter(f, &l)
}

func dryVHD(out *Output, all bool) {
	if all && out.VHD.Subformat != "fixed" {
		out.VHD.Allocate, out.VHD.Parent = true, nil
	}
}

func startVHDX(out *Output, size int64, f sink, _ func(string) (sink, error)) (Target, error) {
	l := out.VHDX
	l.Size = size
	return vhdx.NewWriter(f, &l)
}

func dryVHDX(out *Output, all bool) {
	if all {
		out.VHDX.Subformat = "fixed"
	}
}

func startVDI(out *Output, size int64, f sink, _ func(string) (sink, error)) (Target, error) {
	l := out.VDI
	l.Size = size
	return vdi.NewWriter(f, &l)
}

func dryVDI(out *Output, all bool) {
	if all {
		out.VDI.Subformat = "static"
	}
}

// writerOf returns the writer of a format, by name or alias in any case.
func writerOf(name string) (*writer, error) {
	lower := strings.ToLower(name)
	for _, w := range writers() {
		if w.name == lower || slices.Contains(w.aliases, lower) {
			return &w, nil
		}
	}
	return nil, problem.Class(block.ErrUnsupported, "cannot write format %q (supported: %s)", name, strings.Join(Formats(), ", "))
}

// Formats returns the formats that can be written.
func Formats() []string {
	var names []string
	for _, w := range writers() {
		names = append(names, w.name)
	}
	return names
}

// FormatOf tells the format that the extension of a file's name stands for, ""
// if it stands for none that can be written.
func FormatOf(path string) string {
	name := strings.ToLower(path)
	for _, w := range writers() {
		if slices.ContainsFunc(w.extensions, func(ext string) bool { return strings.HasSuffix(name, ext) }) {
			return w.name
		}
	}
	return ""
}

// FormatNamed returns the format of Formats that users call by this name, an
// alias of it perhaps; "" if there is none.
func FormatNamed(name string) string {
	if w, err := writerOf(name); err == nil {
		return w.name
	}
	return ""
}

// Compresses reports whether images of a format can be compressed.
func Compresses(format string) bool {
	w, err := writerOf(format)
	return err == nil && w.compresses
}

// Grows reports whether images of a format can be written before the size of
// the disk is known.
func Grows(format string) bool {
	w, err := writerOf(format)
	return err == nil && w.grows
}
