package exfat

import "github.com/guestkit/guestkit/block"

// maxBitmap bounds the bitmap that is kept: 512 MiB, that of all the clusters
// that a volume can have, are more than a machine should spend.
const maxBitmap = 64 << 20

// Free implements vfs.Freer: the clusters that the allocation bitmap has as free.
// Those of the root directory and of the bitmap itself must be in use.
func (v *volume) Free(yield func(off, n int64) error) error {
	if v.bitmap == nil {
		return block.Errorf(format, "allocation bitmap", -1, block.ErrCorrupt, "there is none")
	}
	clusters := int64(v.boot.clusters)
	d, err := v.bitmap.content()
	if err != nil {
		return err
	}
	b, err := block.ReadBytes(d, 0, (clusters+7)/8, maxBitmap)
	if err != nil {
		return block.Locate(format, "allocation bitmap", v.bitmap.off, err)
	}
	used := func(i int64) bool { return b[i/8]>>(i%8)&1 != 0 }
	root, err := v.chain("root directory", v.boot.rootCluster, -1)
	if err != nil {
		return err
	}
	for _, r := range append(root, run{cluster: v.bitmap.first, n: 1}) {
		for i := int64(r.cluster) - 2; i < int64(r.cluster)-2+r.n; i++ {
			if !used(i) {
				return block.Errorf(format, "allocation bitmap", v.bitmap.off, block.ErrCorrupt, "cluster %d is free in it, and holds the volume's own structures", i+2)
			}
		}
	}
	for at := int64(0); at < clusters; at++ {
		if used(at) {
			continue
		}
		end := at + 1
		for end < clusters && !used(end) {
			end++
		}
		if err := yield(v.heapOff+at*v.cluster, (end-at)*v.cluster); err != nil {
			return err
		}
		at = end
	}
	return nil
}
