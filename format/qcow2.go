package format

import (
	"context"
	"strconv"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

func qcow2Options(o *Options) *qcow2.Options {
	return &qcow2.Options{Opener: o.Opener, BackingFormat: o.BackingFormat, Snapshot: o.Snapshot, Unlock: o.unlock(), Limits: o.Qcow2, CacheBytes: o.cache(DefaultCacheBytes / 2)}
}

func openQcow2(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := qcow2.Open(r, qcow2Options(o))
	if err != nil {
		return nil, nil, err
	}
	info := qcow2Info(im.Info())
	info.VirtualSize = im.Size() // of the snapshot, if one is open
	return im, info, nil
}

func describeQcow2(r block.Reader, o *Options) (*Info, []error, error) {
	q, problems, err := qcow2.Describe(r, qcow2Options(o))
	if err != nil {
		return nil, nil, err
	}
	return qcow2Info(q), problems, nil
}

func qcow2Info(q qcow2.Info) *Info {
	info := &Info{
		Version:         strconv.Itoa(q.Version),
		Compat:          "1.1",
		VirtualSize:     q.Size,
		ClusterSize:     q.ClusterSize,
		CompressionType: q.Compression,
		RefcountBits:    q.RefcountBits,
		LazyRefcounts:   q.LazyRefcounts,
		ExtendedL2:      q.ExtendedL2,
		Dirty:           q.Dirty,
		Corrupt:         q.Corrupt,
		Encryption:      q.Encryption,
	}
	if q.Version == 2 {
		info.Compat = "0.10"
	}
	if q.Backing != "" {
		info.Backing = &Reference{Name: q.Backing, Format: q.BackingFormat}
	}
	if q.DataFile {
		info.DataFile = &Reference{Name: q.DataFileName, Format: "raw"}
		info.DataFileRaw = q.DataFileRaw
	}
	for _, f := range q.Features {
		info.Features = append(info.Features, Feature(f))
	}
	for _, s := range q.Snapshots {
		info.Snapshots = append(info.Snapshots, Snapshot{ID: s.ID, Name: s.Name, Date: s.Date, VMClock: s.VMClock, VMStateSize: s.VMStateSize, DiskSize: s.DiskSize, ICount: s.ICount})
	}
	for _, b := range q.Bitmaps {
		info.Bitmaps = append(info.Bitmaps, Bitmap{Name: b.Name, Granularity: b.Granularity, InUse: b.InUse, Auto: b.Auto})
	}
	return info
}

func checkQcow2(ctx context.Context, r block.Reader, o *Options, report func(Fault)) (*CheckResult, error) {
	return qcow2.Check(ctx, r, qcow2Options(o), report)
}
