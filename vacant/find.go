package vacant

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/volume"
	"github.com/guestkit/guestkit/volume/probe"
)

// A Report is what of a disk is vacant.
type Report struct {
	Size    int64 // of the disk in bytes
	Volumes []Volume
	Runs    []Run // all of it, in rising order
	// Problems are faults of the disk that belong to no volume.
	Problems []error
}

// A Volume is a part of the disk: a volume that is not divided further, the free
// extents of a physical volume of LVM, or the gaps of a partition table.
type Volume struct {
	Name string // as package volume has it; "gaps" behind the name of a disk or of a volume group's member
	Type string // of what it holds, "" if that is not known
	Size int64  // bytes
	Runs []Run  // of the disk, in rising order
	Err  error  // why all of it is kept
}

// Free is how many bytes are vacant.
func (v *Volume) Free() int64 { return length(v.Runs) }

// Free is how many bytes are vacant.
func (r *Report) Free() int64 { return length(r.Runs) }

// Over returns the disk with zeros where it is vacant.
func (r *Report) Over(d block.Device) block.Device { return &blanked{d, r.Runs} }

// Held is how much of runs the disk holds as data: what is saved if they become
// zeros.
func Held(ctx context.Context, d block.Device, runs []Run) (int64, error) {
	n := int64(0)
	for _, r := range runs {
		for e, err := range block.Extents(d, r.Off, r.Len) {
			if err != nil {
				return 0, err
			}
			if !e.Zero {
				n += e.Len
			}
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
	return n, nil
}

// A disk is all data, and its bytes lie in itself: what lies verbatim in it can
// be told, however many layers are between.
type disk struct{ block.Device }

func (d *disk) SectorSize() int { return block.SectorSize(d.Device) }

func (d *disk) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= d.Size() {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: d.Size() - off, Host: d, HostOff: off}, nil
}

// Find looks at all that the disk holds. An error is one of reading the disk, or
// the end of ctx; what is wrong with one volume is in its Err.
func Find(ctx context.Context, d block.Device) (*Report, error) {
	f := &finder{disk: &disk{d}, rep: &Report{Size: d.Size()}}
	tree, err := volume.Scan(ctx, []block.Device{f.disk}, nil)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	f.tree = tree
	f.rep.Problems = append(f.rep.Problems, tree.Problems...)
	for _, v := range tree.Leaves() {
		f.leaves = append(f.leaves, v.Device)
	}
	over := overlapping(tree)
	for _, v := range tree.Volumes {
		if err := f.look(ctx, v, over[v]); err != nil {
			return nil, err
		}
	}
	f.hibernation()
	for i := range f.rep.Volumes {
		f.rep.Runs = append(f.rep.Runs, f.rep.Volumes[i].Runs...)
	}
	f.rep.Runs = join(f.rep.Runs, 1)
	return f.rep, nil
}

// A finder is one call of Find.
type finder struct {
	disk   *disk
	tree   *volume.Tree
	leaves []block.Reader
	rep    *Report
}

// look adds what of a volume is vacant.
func (f *finder) look(ctx context.Context, v *volume.Volume, clash error) error {
	out := Volume{Name: v.Name, Type: v.Found.Type, Size: v.Size}
	var runs []Run
	switch {
	case v.Kind == volume.Table && v.Err == nil:
		out.Name += " gaps"
		out.Type = string(v.Table.Scheme)
		runs, out.Size, out.Err = f.gaps(v)
	case v.Spare != nil || v.SpareErr != nil:
		out.Name += " gaps"
		for _, s := range v.Spare {
			runs = append(runs, Run(s))
		}
		out.Size, out.Err = length(runs), v.SpareErr
	case v.Err != nil:
		out.Err = v.Err
	case !v.Leaf():
		return nil // its content is that of others
	default:
		runs, out.Err = f.ofLeaf(ctx, v)
	}
	if out.Err == nil && clash != nil {
		out.Err = clash
	}
	if out.Err == nil && shared(v) {
		out.Err = block.Errorf(v.Found.Type, "volume", -1, block.ErrUnsupported, "others read its bytes too, or they lie in several places or in another form")
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if out.Err == nil {
		out.Runs, out.Err = f.onDisk(v, runs)
	}
	f.rep.Volumes = append(f.rep.Volumes, out)
	return nil
}

func (f *finder) ofLeaf(ctx context.Context, v *volume.Volume) ([]Run, error) {
	refuse := func(class error, why string) error {
		return block.Errorf(v.Found.Type, "volume", -1, class, "%s", why)
	}
	if shared(v) {
		return nil, nil // look says so
	}
	switch v.Found.Kind {
	case fs.Filesystem:
		return f.ofFilesystem(ctx, v)
	case fs.Swap:
		if v.Found.Type != "swap" {
			return nil, errHibernated
		}
		return ofSwap(v)
	case fs.Encrypted:
		return nil, refuse(block.ErrEncrypted, "")
	case fs.Empty:
		return nil, nil
	}
	why := v.Found.Reason
	if why == "" {
		why = "it is not known what it holds"
	}
	return nil, refuse(block.ErrUnsupported, why)
}

// hibernation keeps everything of a guest that hibernates.
func (f *finder) hibernation() {
	if !slices.ContainsFunc(f.rep.Volumes, func(v Volume) bool { return errors.Is(v.Err, errHibernated) }) {
		return
	}
	for i := range f.rep.Volumes {
		if v := &f.rep.Volumes[i]; v.Err == nil {
			v.Err, v.Runs = errHibernated, nil
		}
	}
}

// shared reports whether the bytes of a volume serve others, or lie in another
// form on the disk.
func shared(v *volume.Volume) bool {
	switch v.Kind {
	case volume.Disk, volume.Table, volume.Partition, volume.Extended, volume.Logical:
	default: // arrays, what is encrypted, and layers that are not known here
		return true
	}
	return v.Shared || slices.ContainsFunc(v.Parents, shared)
}

// onDisk translates runs of a volume into those of the disk. What does not lie
// there verbatim is left out.
func (f *finder) onDisk(v *volume.Volume, runs []Run) ([]Run, error) {
	c := newCollector()
	for _, r := range runs {
		for e, err := range block.Extents(v.Device, r.Off, r.Len) {
			if err != nil {
				return nil, err
			}
			if e.Host == f.disk && e.HostOff >= 0 && e.HostOff+e.Len <= f.disk.Size() {
				c.add(e.HostOff, e.Len)
			}
		}
	}
	return c.sorted(), nil
}

// overlapping finds volumes that lie over each other on the disk and not in each
// other: a block that one calls free may be in use by the other.
func overlapping(tree *volume.Tree) map[*volume.Volume]error {
	type piece struct {
		v        *volume.Volume
		off, end int64
	}
	var all []piece
	for _, v := range tree.Volumes {
		if v.Kind != volume.Partition && v.Kind != volume.Logical || shared(v) {
			continue
		}
		for e, err := range block.Extents(v.Device, 0, v.Device.Size()) {
			if err == nil && e.Host != nil {
				all = append(all, piece{v, e.HostOff, e.HostOff + e.Len})
			}
		}
	}
	slices.SortFunc(all, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
	out := map[*volume.Volume]error{}
	var open []piece // those that reach past the one at hand; of each volume the longest
	for _, p := range all {
		open = slices.DeleteFunc(open, func(o piece) bool { return o.end <= p.off })
		known := false
		for i := range open {
			o := &open[i]
			switch {
			case o.v == p.v:
				known, o.end = true, max(o.end, p.end)
			case !within(p.v, o.v) && !within(o.v, p.v):
				err := block.Errorf("", "volume", p.off, block.ErrCorrupt, "%s and %s lie over each other", o.v.Name, p.v.Name)
				out[o.v], out[p.v] = err, err
			}
		}
		if !known {
			open = append(open, p)
		}
	}
	return out
}

// within reports whether v lies in w, as a partition of a partition does.
func within(v, w *volume.Volume) bool {
	return slices.ContainsFunc(v.Parents, func(p *volume.Volume) bool { return p == w || within(p, w) })
}

// gapTail is what is kept at the end of a disk: backups of tables, and what
// firmware RAID and Windows' dynamic disks keep there.
const gapTail = 1 << 20

// gaps lists what lies between the partitions of a disk, and its size. What lies
// before the first is kept, since boot loaders are there.
func (f *finder) gaps(v *volume.Volume) (runs []Run, size int64, err error) {
	t := v.Table
	refuse := func(why string) ([]Run, int64, error) {
		return nil, 0, block.Errorf(string(t.Scheme), "partition table", -1, block.ErrUnsupported, "%s", why)
	}
	switch {
	case len(v.Problems) > 0 || len(t.Problems) > 0:
		return refuse("it has faults, so that what lies between its partitions is kept")
	case t.Scheme != partition.MBR && t.Scheme != partition.GPT:
		return refuse("what such a table leaves out is not known")
	case t.Hybrid || t.Backup:
		return refuse("it does not stand alone")
	case len(t.Partitions) == 0:
		return nil, 0, nil
	}
	// A hybrid disc has files between its partitions, and a member of a RAID its
	// metadata behind them.
	whole, err := probe.Volume(v.Device)
	if err != nil {
		return nil, 0, err
	}
	if whole.Kind != probe.Unknown && whole.Kind != probe.Empty {
		return refuse("the disk as a whole is " + whole.Type + " too")
	}
	var taken []Run
	for i := range t.Partitions {
		p := &t.Partitions[i]
		switch p.Type {
		case "0x42", "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "af9b60a0-1431-4f62-bc68-3311714a69ad":
			return refuse("it is a dynamic disk of Windows, whose free extents are not told apart")
		}
		taken = append(taken, Run{p.Start, p.Size})
	}
	taken = join(taken, 1)
	end := max(v.Device.Size()-gapTail, 0)
	if t.LastUsable > 0 {
		end = min(end, t.LastUsable)
	}
	pos := taken[0].Off
	for _, r := range append(taken, Run{end, 0}) {
		if r.Off > pos && pos < end {
			runs = append(runs, Run{pos, min(r.Off, end) - pos})
		}
		pos = max(pos, r.end())
	}
	return runs, length(runs), nil
}
