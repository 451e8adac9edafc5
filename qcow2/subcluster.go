package qcow2

// lookupSubclusters finds the run at inTable in a page of extended L2 entries.
// An entry is a standard one and a bitmap: bit x says that subcluster x is
// allocated, bit 32+x that it reads as zeros.
func (im *Image) lookupSubclusters(page []byte, at, inTable, want int64) (run, error) {
	cs := im.hdr.clusterSize()
	sub := cs / subclusters
	inCluster := inTable & (cs - 1)
	r, err := im.subcluster(page, at, inCluster/sub)
	if err != nil {
		return run{}, err
	}
	if r.kind == kindCompressed {
		r.n = cs - inCluster
		return r, nil
	}
	first := r.host
	r.host += inCluster % sub
	r.n = sub - inCluster%sub
	for i := inCluster/sub + 1; r.n < want; i++ {
		pos := i / subclusters * 16
		if pos+16 > int64(len(page)) {
			break
		}
		next, err := im.subcluster(page[pos:], at+pos, i%subclusters)
		if err != nil || !r.goesOn(next, first+(i-inCluster/sub)*sub) {
			break
		}
		r.n += sub
	}
	return r, nil
}

// subcluster decodes the entry at the start of b for its subcluster i. The host
// offset of its run is that of the subcluster.
func (im *Image) subcluster(b []byte, at, i int64) (run, error) {
	entry, bitmap := tableEntry(b, 0), tableEntry(b, 8)
	if entry&flagCompressed != 0 {
		return im.compressed(entry, at) // the bitmap is unused
	}
	host := int64(entry & offsetMask)
	hasHost := im.allocated(entry)
	if entry&extendedL2Reserved != 0 {
		im.problems.Add(reservedBits("L2 table entry", at, entry))
	}
	switch {
	case host&(im.hdr.clusterSize()-1) != 0:
		return run{}, corrupt("L2 table entry", at, "host offset %#x is no multiple of the cluster size", host)
	case bitmap&(bitmap>>32) != 0:
		return run{}, corrupt("L2 table entry", at+8, "subclusters are allocated and zero at once (bitmap %#x)", bitmap)
	case !hasHost && uint32(bitmap) != 0:
		return run{}, corrupt("L2 table entry", at+8, "subclusters are allocated without a host cluster (bitmap %#x)", bitmap)
	}
	r := run{kind: kindData, host: host + i*(im.hdr.clusterSize()/subclusters), entry: at}
	switch {
	case bitmap>>(32+i)&1 != 0:
		r.kind, r.room = kindZero, hasHost
	case bitmap>>i&1 == 0:
		r.kind, r.room = kindUnallocated, hasHost
	}
	return r, nil
}
