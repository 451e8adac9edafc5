package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// defaultFolder bounds a folder of pages.
const defaultFolder = 1 << 30

// diskCache keeps pages in a folder of this machine, each in a file of its own with
// its checksum in front, so that runs of guestkit share them. A page that does not
// verify is not there. Nil keeps nothing.
type diskCache struct {
	dir   string
	key   string // of the source and its state
	max   int64
	wrote atomic.Int64
}

// openDiskCache opens the folder, which it makes if need be. A source whose state
// nothing tells from others has no pages in it.
func openDiskCache(dir string, max int64, identity string, page int) (*diskCache, error) {
	if identity == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if max <= 0 {
		max = defaultFolder
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d", identity, page))
	d := &diskCache{dir: dir, key: hex.EncodeToString(sum[:16]), max: max}
	d.trim()
	return d, nil
}

func (d *diskCache) file(i int64) string {
	return filepath.Join(d.dir, fmt.Sprintf("%s-%d.page", d.key, i))
}

// read fills p with page i, if that is there and whole.
func (d *diskCache) read(i int64, p []byte) bool {
	if d == nil {
		return false
	}
	b, err := os.ReadFile(d.file(i))
	if err != nil || len(b) != sha256.Size+len(p) {
		return false
	}
	if sum := sha256.Sum256(b[sha256.Size:]); !bytes.Equal(sum[:], b[:sha256.Size]) {
		os.Remove(d.file(i))
		return false
	}
	now := time.Now()
	os.Chtimes(d.file(i), now, now) // it is of use
	copy(p, b[sha256.Size:])
	return true
}

// write keeps a page. What fails is no more than a page that is not kept.
func (d *diskCache) write(i int64, b []byte) {
	if d == nil {
		return
	}
	f, err := os.CreateTemp(d.dir, ".page-*")
	if err != nil {
		return
	}
	sum := sha256.Sum256(b)
	_, err = f.Write(append(sum[:], b...))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), d.file(i))
	}
	if err != nil {
		os.Remove(f.Name())
		return
	}
	if d.wrote.Add(int64(len(b))) > d.max/8 {
		d.wrote.Store(0)
		d.trim()
	}
}

// trim removes the pages that were not used for the longest time, until the folder
// is within its bound.
func (d *diskCache) trim() {
	names, _ := filepath.Glob(filepath.Join(d.dir, "*.page"))
	type page struct {
		name string
		size int64
		used time.Time
	}
	var pages []page
	var total int64
	for _, name := range names {
		if fi, err := os.Lstat(name); err == nil && fi.Mode().IsRegular() {
			pages = append(pages, page{name, fi.Size(), fi.ModTime()})
			total += fi.Size()
		}
	}
	slices.SortFunc(pages, func(a, b page) int { return a.used.Compare(b.used) })
	for _, p := range pages {
		if total <= d.max {
			return
		}
		if os.Remove(p.name) == nil {
			total -= p.size
		}
	}
}
