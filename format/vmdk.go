package format

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vmdk"
)

func openVMDK(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := vmdk.Open(r, &vmdk.Options{Opener: o.Opener, CacheBytes: o.cache(4 << 20)})
	if err != nil {
		return nil, nil, err
	}
	return im, vmdkInfo(im.Info()), nil
}

func describeVMDK(r block.Reader, _ *Options) (*Info, []error, error) {
	v, problems, err := vmdk.Describe(r, nil)
	if err != nil {
		return nil, nil, err
	}
	return vmdkInfo(v), problems, nil
}

func vmdkInfo(v vmdk.Info) *Info {
	info := &Info{Subformat: v.CreateType, VirtualSize: v.Size, ClusterSize: v.GrainSize, VMDK: &v}
	if v.Compressed {
		info.CompressionType = "deflate"
	}
	if v.ParentName != "" {
		info.Backing = &Reference{Name: v.ParentName, Format: "vmdk"}
	}
	return info
}

func checkVMDK(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	res, err := vmdk.Check(ctx, r, &vmdk.Options{Opener: o.Opener, CacheBytes: o.cache(4 << 20)}, func(f vmdk.Fault) { report(Fault{Count: f.Grains, Err: f.Err}) })
	if err != nil {
		return nil, err
	}
	return &CheckResult{Unit: "grains", Corruptions: res.Corruptions, ImageEnd: res.ImageEnd, Dirty: res.Dirty,
		Total: res.Total, Allocated: res.Allocated, Compressed: res.Compressed}, nil
}
