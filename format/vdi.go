package format

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vdi"
)

func openVDI(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := vdi.Open(r, &vdi.Options{Opener: o.Opener, CacheBytes: o.cache(1 << 20)})
	if err != nil {
		return nil, nil, err
	}
	return im, vdiInfo(im.Info()), nil
}

func describeVDI(r block.Reader, _ *Options) (*Info, []error, error) {
	v, problems, err := vdi.Describe(r, nil)
	if err != nil {
		return nil, nil, err
	}
	return vdiInfo(v), problems, nil
}

func vdiInfo(v vdi.Info) *Info {
	return &Info{Version: "1.1", Subformat: v.Type, VirtualSize: v.Size, ClusterSize: v.BlockSize, Backing: parent(nil, v.ParentUUID, "vdi")}
}

func checkVDI(ctx context.Context, r block.Reader, _ *Options, report func(Fault)) (*CheckResult, error) {
	return vdi.Check(ctx, r, report)
}
