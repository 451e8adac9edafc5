package main

import (
	"context"
	"maps"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vdi"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vhdx"
	"github.com/guestkit/guestkit/vmdk"
)

// An overlay is a format whose images lie upon others.
type overlay struct {
	rebase func(ctx context.Context, f *convert.Storage, o *block.RebaseOptions, src *source) error
	empty  func(ctx context.Context, f *convert.Storage, src *source) error
	// commit writes what disk has of its own into base, upon which child lies; nil
	// where images upon those of any format are read.
	commit func(ctx context.Context, base, child *convert.Storage, disk block.Device, depth int, src *source) error
}

var overlays = map[string]overlay{
	"qcow2": {
		rebase: func(ctx context.Context, f *convert.Storage, o *block.RebaseOptions, src *source) error {
			d := &withData{Storage: f, src: src}
			defer d.close()
			return qcow2.Rebase(ctx, d, o)
		},
		empty: func(ctx context.Context, f *convert.Storage, src *source) error {
			d := &withData{Storage: f, src: src}
			defer d.close()
			return qcow2.Empty(ctx, d)
		},
	},
	"vdi": {
		rebase: func(ctx context.Context, f *convert.Storage, o *block.RebaseOptions, _ *source) error {
			return vdi.Rebase(ctx, f, o, nil)
		},
		empty: func(ctx context.Context, f *convert.Storage, _ *source) error { return vdi.Empty(ctx, f, nil) },
		commit: func(ctx context.Context, base, child *convert.Storage, disk block.Device, depth int, _ *source) error {
			return vdi.CommitInto(ctx, base, child, disk, depth, nil)
		},
	},
	"vhd": {
		rebase: func(ctx context.Context, f *convert.Storage, o *block.RebaseOptions, src *source) error {
			return vhd.Rebase(ctx, f, o, src.vhd())
		},
		empty: func(ctx context.Context, f *convert.Storage, src *source) error { return vhd.Empty(ctx, f, src.vhd()) },
		commit: func(ctx context.Context, base, child *convert.Storage, disk block.Device, depth int, src *source) error {
			return vhd.CommitInto(ctx, base, child, disk, depth, src.vhd())
		},
	},
	"vhdx": {
		rebase: func(ctx context.Context, f *convert.Storage, o *block.RebaseOptions, _ *source) error {
			return vhdx.Rebase(ctx, f, o)
		},
		empty: func(ctx context.Context, f *convert.Storage, _ *source) error { return vhdx.Empty(ctx, f) },
		commit: func(ctx context.Context, base, child *convert.Storage, disk block.Device, depth int, _ *source) error {
			return vhdx.CommitInto(ctx, base, child, disk, depth)
		},
	},
	"vmdk": {
		rebase: func(ctx context.Context, f *convert.Storage, o *block.RebaseOptions, _ *source) error {
			return vmdk.Rebase(ctx, f, o, vmdkFiles())
		},
		empty: func(ctx context.Context, f *convert.Storage, _ *source) error { return vmdk.Empty(ctx, f, vmdkFiles()) },
		commit: func(ctx context.Context, base, child *convert.Storage, disk block.Device, depth int, _ *source) error {
			return vmdk.CommitInto(ctx, base, child, disk, depth, vmdkFiles())
		},
	},
}

// withData is a qcow2 image that is changed in place, with its external data file.
type withData struct {
	*convert.Storage
	src  *source
	data *convert.Storage
}

// DataFile opens the data file, where reading the image finds it.
func (d *withData) DataFile(string) (block.Storage, error) {
	img, err := format.OpenFile(d.Name(), d.src.storedAs("qcow2"))
	if err != nil {
		return nil, err
	}
	defer img.Close()
	if d.data, err = convert.OpenStorage(img.Info().Files[0]); err != nil {
		return nil, err
	}
	return d.data, nil
}

func (d *withData) close() {
	if d.data != nil {
		d.data.Close()
	}
}

// vmdkFiles are the options by which the extents of a VMDK are written to: those that lie
// beside its descriptor.
func vmdkFiles() *vmdk.Options {
	return &vmdk.Options{Extents: func(of block.Storage, name string) (block.Storage, error) {
		s, err := of.(*convert.Storage).Beside(name)
		if err != nil {
			return nil, err
		}
		return s, nil
	}}
}

// overlayFormats are the names of the formats, in their order.
func overlayFormats() []string { return slices.Sorted(maps.Keys(overlays)) }

// vhd are the options by which a VHD is opened.
func (s *source) vhd() *vhd.Options { return &vhd.Options{Size: vhdSizes[s.vhdSize]} }
