package format

import (
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vmdk"
)

func vmdkOptions(o *Options) *vmdk.Options {
	return &vmdk.Options{Opener: o.Opener, CacheBytes: o.cache(4 << 20)}
}

func openVMDK(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := vmdk.Open(r, vmdkOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return im, vmdkInfo(im.Info()), nil
}

func describeVMDK(r block.Reader, o *Options) (*Info, []error, error) {
	v, problems, err := vmdk.Describe(r, vmdkOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return vmdkInfo(v), problems, nil
}

func vmdkInfo(v vmdk.Info) *Info {
	info := &Info{Subformat: v.Subformat, VirtualSize: v.Size, ClusterSize: v.GrainSize, VMDK: &v, ID: fmt.Sprintf("%08x", v.CID)}
	if v.Compressed {
		info.CompressionType = "deflate"
	}
	if v.ParentName != "" {
		info.Backing = &Reference{Name: v.ParentName, Format: "vmdk"}
		info.ParentID = fmt.Sprintf("%08x", v.ParentCID)
	}
	return info
}

func checkVMDK(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	return vmdk.Check(ctx, r, vmdkOptions(o), report)
}
