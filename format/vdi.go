package format

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vdi"
)

func vdiOptions(o *Options) *vdi.Options {
	return &vdi.Options{Opener: o.Opener, CacheBytes: o.cache(1 << 20)}
}

func openVDI(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := vdi.Open(r, vdiOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return im, vdiInfo(im.Info()), nil
}

func describeVDI(r block.Reader, o *Options) (*Info, []error, error) {
	v, problems, err := vdi.Describe(r, vdiOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return vdiInfo(v), problems, nil
}

func vdiInfo(v vdi.Info) *Info {
	return &Info{Version: "1.1", Subformat: v.Subformat, VirtualSize: v.Size, ClusterSize: v.BlockSize, ID: v.UUID, ParentID: v.ParentUUID, Backing: parent(nil, v.ParentUUID, "vdi")}
}

func checkVDI(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	return vdi.Check(ctx, r, vdiOptions(o), report)
}
