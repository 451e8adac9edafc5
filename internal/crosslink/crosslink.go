// Package crosslink notices files of the FAT family that begin in one cluster: only
// one directory entry can be right about that.
package crosslink

import "sync"

// max bounds the files that are compared with each other.
const max = 1 << 18

// Files are the files that were opened, by their first cluster. The zero value is
// empty; it is safe for concurrent use.
type Files struct {
	mu    sync.Mutex
	entry map[uint32]uint64
}

// Other returns the directory entry whose file was opened before and begins in the
// same cluster as that of entry.
func (f *Files) Other(first uint32, entry uint64) (other uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.entry == nil {
		f.entry = map[uint32]uint64{}
	}
	other, ok = f.entry[first]
	if !ok && len(f.entry) < max {
		f.entry[first] = entry
	}
	return other, ok && other != entry
}
