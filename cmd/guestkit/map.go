package main

import (
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/qcow2"
)

type mapDoc struct {
	Schema  string      `json:"schema"`
	Path    string      `json:"path"`
	Size    int64       `json:"virtual_size"`
	Extents []extentDoc `json:"extents"`
}

// An extentDoc has the keys of qemu-img map --output=json.
type extentDoc struct {
	Start      int64  `json:"start"`
	Length     int64  `json:"length"`
	Depth      int    `json:"depth"`
	Present    bool   `json:"present"` // allocated somewhere in the chain
	Zero       bool   `json:"zero"`    // reads as zeros
	Data       bool   `json:"data"`
	Compressed bool   `json:"compressed"`
	Offset     *int64 `json:"offset,omitempty"` // in the file below, where the bytes lie there as they are
}

func newMap(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "map [flags] IMAGE",
		Short: "Show which parts of a disk hold data, and where they lie",
		Long: `Lists the runs of the disk: whether they hold data or zeros, which image of the
chain they come from (depth), and where they lie in its file.`,
		Example: `  guestkit map disk.qcow2
  guestkit map --json disk.qcow2 | jq '[.extents[] | select(.data) | .length] | add'`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	compat := compatFlag(cmd, "map")
	part := rangeFlags(cmd, "show", "s", "l")
	bitmap := cmd.Flags().String("bitmap", "", "show only what the dirty bitmap `NAME` of a qcow2 image says was written to")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		qemu, err := compat.qemu()
		if err != nil {
			return err
		}
		disks, rest, err := src.one(args)
		if err == nil && (len(rest) > 0 || len(disks) > 1) {
			err = usagef("map takes one image")
		}
		if err != nil {
			return err
		}
		img, err := openSource(disks[0], src.options(), a)
		if err != nil {
			return err
		}
		defer img.Close()
		if err := src.chosen(img.Info()); err != nil {
			return err
		}
		n := part.Len
		if n < 0 {
			n = img.Size()
		}
		parts := []qcow2.Range{{Off: part.Off, Len: n}}
		if *bitmap != "" {
			if parts, err = src.dirtyRanges(disks[0], *bitmap, parts[0]); err != nil {
				return err
			}
		}
		return a.mapImage(img, parts, qemu)
	}
	return cmd
}

func (a *app) mapImage(img format.Image, parts []qcow2.Range, qemu bool) error {
	doc := mapDoc{Schema: schema("map"), Path: img.Info().Name, Size: img.Size(), Extents: []extentDoc{}}
	var list *listWriter
	var err error
	switch {
	case qemu:
		if list, err = a.list(doc.Extents); err == nil {
			list.tight, list.prefix = true, ""
		}
	case a.json:
		list, err = a.list(doc)
	}
	if err != nil {
		return err
	}
	var last extentDoc
	var line []byte
	flush := func() error {
		if last.Length == 0 {
			return nil
		}
		if list != nil {
			line = last.append(line[:0])
			return list.add(line)
		}
		what := "data"
		switch {
		case last.Compressed:
			what = "data, compressed"
		case last.Zero && !last.Present:
			what = "hole"
		case last.Zero:
			what = "zeros"
		}
		if last.Offset != nil {
			a.out.Printf("%#14x  %#14x  depth %d  %s at %#x\n", last.Start, last.Length, last.Depth, what, *last.Offset)
		} else {
			a.out.Printf("%#14x  %#14x  depth %d  %s\n", last.Start, last.Length, last.Depth, what)
		}
		return a.out.Err()
	}
	for e, err := range extentsOf(img, parts) {
		if err == nil {
			err = a.ctx.Err()
		}
		if err != nil {
			return err
		}
		d := extentDoc{Start: e.Off, Length: e.Len, Depth: e.Depth, Present: !e.Unset, Zero: e.Zero, Data: !e.Zero, Compressed: e.Compressed}
		if e.Host != nil || e.Room {
			at := e.HostOff
			d.Offset = &at
		}
		if qemu {
			d.asQemu(img.Info(), e)
		}
		if last.Length > 0 && last.Start+last.Length == d.Start && joins(last, d) {
			last.Length += d.Length
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		last = d
	}
	if err := flush(); err != nil || list == nil {
		return err
	}
	return list.end()
}

// asQemu says of an extent what qemu-img says: what has its place in an image is data,
// though the host's file has a hole there, but in a raw one; and what is not in a VHD or
// VDI is present, for it knows none with parents.
func (d *extentDoc) asQemu(i *format.Info, e block.Extent) {
	if e.Depth > 0 && e.Depth <= len(i.Chain) {
		i = i.Chain[e.Depth-1]
	}
	if e.Host != nil && i.Format != "raw" {
		d.Data = true
	}
	d.Present = d.Present || i.Format == "vhd" || i.Format == "vdi"
}

// append writes the extent on a line, as qemu-img does.
func (d *extentDoc) append(b []byte) []byte {
	field := func(name string, n int64) {
		b = strconv.AppendInt(append(append(append(b, '"'), name...), `": `...), n, 10)
	}
	flag := func(name string, v bool) {
		b = strconv.AppendBool(append(append(append(b, `, "`...), name...), `": `...), v)
	}
	b = append(b, "{ "...)
	field("start", d.Start)
	b = append(b, ", "...)
	field("length", d.Length)
	b = append(b, ", "...)
	field("depth", int64(d.Depth))
	flag("present", d.Present)
	flag("zero", d.Zero)
	flag("data", d.Data)
	flag("compressed", d.Compressed)
	if d.Offset != nil {
		b = append(b, ", "...)
		field("offset", *d.Offset)
	}
	return append(b, '}')
}

// extentsOf walks the runs of several parts of a disk.
func extentsOf(d block.Device, parts []qcow2.Range) iter.Seq2[block.Extent, error] {
	return func(yield func(block.Extent, error) bool) {
		for _, p := range parts {
			for e, err := range block.Extents(d, p.Off, p.Len) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// maxDirty bounds the parts that a bitmap may name.
const maxDirty = 1 << 22

// dirtyRanges are what a bitmap says was written to, of a part of the disk.
func (s *source) dirtyRanges(path, name string, part qcow2.Range) (out []qcow2.Range, err error) {
	f, err := s.bytes(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := qcow2.OpenBitmap(f, name, nil)
	if err != nil {
		return nil, pathError(path, err)
	}
	for r, err := range b.Ranges() {
		if err == nil && len(out) == maxDirty {
			err = block.Errorf("qcow2", "bitmap", -1, block.ErrLimit, "more than %d parts", maxDirty)
		}
		if err != nil {
			return nil, pathError(path, err)
		}
		first, end := max(r.Off, part.Off), min(r.Off+r.Len, part.Off+part.Len)
		if first < end {
			out = append(out, qcow2.Range{Off: first, Len: end - first})
		}
	}
	return out, nil
}

// joins reports whether b carries on where a ends.
func joins(a, b extentDoc) bool {
	if a.Depth != b.Depth || a.Present != b.Present || a.Zero != b.Zero || a.Compressed != b.Compressed || (a.Offset == nil) != (b.Offset == nil) {
		return false
	}
	return a.Offset == nil || *a.Offset+a.Length == *b.Offset
}
