package format

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vhd"
)

func vhdOptions(o *Options) *vhd.Options {
	return &vhd.Options{Opener: o.Opener, Size: o.VHDSize, CacheBytes: o.cache(2 << 20)}
}

func openVHD(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := vhd.Open(r, vhdOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return im, vhdInfo(im.Info()), nil
}

func describeVHD(r block.Reader, o *Options) (*Info, []error, error) {
	v, problems, err := vhd.Describe(r, vhdOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return vhdInfo(v), problems, nil
}

func vhdInfo(v vhd.Info) *Info {
	return &Info{VHD: &v, ID: v.UUID, ParentID: v.ParentUUID, Version: "1.0", Subformat: v.Subformat, VirtualSize: v.Size, ClusterSize: v.BlockSize, Backing: parent(v.ParentNames, v.ParentUUID, "vhd")}
}

// parent is the reference to the parent of an image: by the first of its names
// or, where it has none, by its identity; nil if there is no parent.
func parent(names []string, id, format string) *Reference {
	if len(names) > 0 {
		id = names[0]
	}
	if id == "" {
		return nil
	}
	return &Reference{Name: id, Format: format}
}

func checkVHD(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	return vhd.Check(ctx, r, vhdOptions(o), report)
}
