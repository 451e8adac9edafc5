//go:build libguestfs && linux

package guestfish

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/lru"
)

const (
	defaultCache = 16 << 20
	statCost     = 256      // bytes in memory, beside the path
	pageLen      = 1 << 20  // bytes of a file that are read at once
	maxNames     = 64 << 20 // bytes of the names of one directory
	maxEntries   = 1 << 20
	maxAnswer    = 64 << 10 // bytes, of most commands
	maxXattrs    = 1 << 20  // bytes of the attributes of one file
)

// Options says how a filesystem is opened.
type Options struct {
	// Info is what is known of it already. Its Type is mounted.
	Info vfs.Info
	// CacheBytes bounds the memory for metadata and content; 0 means 16 MiB.
	CacheBytes int64
	// Cancel ends Open when it is closed; nil never is.
	Cancel <-chan struct{}
}

// Open has guestfish mount the filesystem on r. The process ends when the
// filesystem is closed.
func Open(r block.Reader, o Options) (vfs.FS, error) {
	c, err := start(r)
	if err != nil {
		return nil, block.Errorf(o.Info.Type, "filesystem", -1, err, "")
	}
	f := &fsys{c: c, info: o.Info}
	open := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-o.Cancel:
			c.Close()
		case <-open:
		}
	})
	err = f.mount()
	close(open)
	watch.Wait()
	if err != nil {
		c.Close()
		return nil, block.Errorf(o.Info.Type, "filesystem", -1, err, "")
	}
	cache := o.CacheBytes
	if cache == 0 {
		cache = defaultCache
	}
	f.stats = lru.New[string, *vfs.Stat](cache / 4)
	f.pages = lru.New[page, []byte](cache - cache/4)
	return vfs.New(f)
}

// fsys is a mounted filesystem.
type fsys struct {
	c     *child
	info  vfs.Info
	stats *lru.Cache[string, *vfs.Stat] // by path
	pages *lru.Cache[page, []byte]
}

// A page is the n-th piece of a file.
type page struct {
	path string
	n    int64
}

func (f *fsys) Info() vfs.Info { return f.info }
func (f *fsys) Close() error   { return f.c.Close() }

func (f *fsys) Problems() []error {
	return []error{block.Errorf(f.info.Type, "filesystem", -1, block.ErrUnsupported, "read by guestfish, not by guestkit")}
}

// mount starts the appliance and mounts the volume in it.
func (f *fsys) mount() error {
	_, complaint, err := f.c.ask(maxAnswer, maxStart,
		fmt.Sprintf(`add-drive "" readonly:true format:raw protocol:nbd server:unix:%s`, f.c.socket()), "launch")
	if err != nil {
		return err
	}
	os.Remove(f.c.socket()) // all who read the volume are connected
	if complaint != "" {
		return fmt.Errorf("%w: guestfish does not start: %s", block.ErrUnsupported, complaint)
	}
	if _, err := f.one(maxAnswer, "mount-vfs", "ro", f.info.Type, "/dev/sda", "/"); err != nil {
		if strings.Contains(err.Error(), "unknown filesystem type") {
			err = fmt.Errorf("%w: %w", block.ErrUnsupported, err)
		}
		return err
	}
	b, err := f.one(maxAnswer, "statvfs", "/")
	if err != nil {
		return err
	}
	n, err := numbers(b)
	if err != nil {
		return err
	}
	f.info.ReadBy = "guestfish"
	f.info.BlockSize = int(n["bsize"])
	f.info.Free = n["bfree"] * n["frsize"]
	return nil
}

// one runs one command. It fails where guestfish complains.
func (f *fsys) one(limit int, name string, args ...string) ([]byte, error) {
	answers, complaint, err := f.c.ask(limit, maxCommand, command(name, args...))
	if err == nil && complaint != "" {
		err = failure(complaint)
	}
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// failure makes an error of what guestfish says.
func failure(complaint string) error {
	if strings.Contains(complaint, "No such file or directory") {
		return os.ErrNotExist
	}
	return errors.New("guestfish: " + complaint)
}

// numbers reads a structure as guestfish prints it: lines of a name and a
// number.
func numbers(b []byte) (map[string]int64, error) {
	out := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			// The few that are unsigned may be past what is signed.
			u, uerr := strconv.ParseUint(value, 10, 64)
			if uerr != nil {
				return nil, fmt.Errorf("what guestfish says: %w", err)
			}
			n = int64(u)
		}
		out[name] = n
	}
	return out, nil
}

// stat returns the metadata of a path.
func (f *fsys) stat(path string) (*vfs.Stat, error) {
	return f.stats.Get(path, func() (*vfs.Stat, int64, error) {
		b, err := f.one(maxAnswer, "lstatns", path)
		if err != nil {
			return nil, 0, err
		}
		st, err := newStat(b)
		return st, int64(statCost + len(path)), err
	})
}

// keep puts what is known of a path into the cache.
func (f *fsys) keep(path string, st *vfs.Stat) {
	f.stats.Get(path, func() (*vfs.Stat, int64, error) { return st, int64(statCost + len(path)), nil })
}

func (f *fsys) Root() (vfs.Inode, error) {
	st, err := f.stat("/")
	if err != nil {
		return nil, err
	}
	return &inode{f: f, st: st}, nil
}
