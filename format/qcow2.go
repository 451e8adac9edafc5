package format

import (
	"context"
	"strconv"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

func qcow2Options(o *Options) *qcow2.Options {
	return &qcow2.Options{Opener: o.Opener, RawBacking: o.RawBacking, Snapshot: o.Snapshot, Limits: o.Qcow2, CacheBytes: o.cache(DefaultCacheBytes / 2)}
}

func openQcow2(r block.Reader, o *Options) (opened, *Info, error) {
	im, err := qcow2.Open(r, qcow2Options(o))
	if err != nil {
		return nil, nil, err
	}
	q := im.Info()
	info := qcow2Info(&q)
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

func qcow2Info(q *qcow2.Info) *Info {
	info := &Info{
		Version:         strconv.Itoa(q.Version),
		Compat:          "1.1",
		VirtualSize:     q.VirtualSize,
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
	res, err := qcow2.Check(ctx, r, &qcow2.CheckOptions{Limits: o.Qcow2, Report: Qcow2Faults(report)})
	if err != nil {
		return nil, err
	}
	return Qcow2Checked(res), nil
}

// Qcow2Faults lets report take the faults of package qcow2.
func Qcow2Faults(report func(Fault)) func(qcow2.Fault) {
	return func(f qcow2.Fault) { report(Fault{Leak: f.Leak, Count: f.Clusters, Err: f.Err}) }
}

// Qcow2Checked is the result of qcow2.Check or qcow2.Repair as that of
// CheckFile.
func Qcow2Checked(r *qcow2.CheckResult) *CheckResult {
	return &CheckResult{Format: "qcow2", Unit: "clusters", Corruptions: r.Corruptions, Leaks: r.Leaks, ImageEnd: r.ImageEnd, Dirty: r.Dirty, Corrupt: r.Corrupt,
		Total: r.TotalClusters, Allocated: r.AllocatedClusters, Compressed: r.CompressedClusters, Fragmented: r.FragmentedClusters}
}
