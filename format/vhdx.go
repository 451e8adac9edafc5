package format

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vhdx"
)

func vhdxOptions(o *Options) *vhdx.Options {
	return &vhdx.Options{Opener: o.Opener, CacheBytes: o.cache(2 << 20)}
}

func openVHDX(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := vhdx.Open(r, vhdxOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return im, vhdxInfo(im.Info()), nil
}

func describeVHDX(r block.Reader, o *Options) (*Info, []error, error) {
	v, problems, err := vhdx.Describe(r, vhdxOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return vhdxInfo(v), problems, nil
}

func vhdxInfo(v vhdx.Info) *Info {
	return &Info{Version: "1", Subformat: v.Subformat, VirtualSize: v.Size, ClusterSize: v.BlockSize, SectorSize: v.LogicalSector,
		Dirty: v.LogReplayed > 0, ID: v.DataWriteGUID, ParentID: v.ParentLinkage, Backing: parent(v.ParentNames, "", "vhdx")}
}

func checkVHDX(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	return vhdx.Check(ctx, r, vhdxOptions(o), report)
}
