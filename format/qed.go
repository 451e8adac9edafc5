package format

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qed"
)

func qedOptions(o *Options) *qed.Options {
	return &qed.Options{Opener: o.Opener, BackingFormat: o.BackingFormat, CacheBytes: o.cache(1 << 20)}
}

func openQED(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := qed.Open(r, qedOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return im, qedInfo(im.Info()), nil
}

func describeQED(r block.Reader, o *Options) (*Info, []error, error) {
	v, problems, err := qed.Describe(r, qedOptions(o))
	if err != nil {
		return nil, nil, err
	}
	return qedInfo(v), problems, nil
}

func qedInfo(v qed.Info) *Info {
	info := &Info{VirtualSize: v.Size, ClusterSize: v.ClusterSize, Dirty: v.Dirty}
	if v.Backing != "" {
		info.Backing = &Reference{Name: v.Backing, Format: v.BackingFormat}
	}
	return info
}

func checkQED(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	return qed.Check(ctx, r, qedOptions(o), report)
}
