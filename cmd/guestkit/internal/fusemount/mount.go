//go:build linux || darwin

package fusemount

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A Mounted is a tree that is mounted.
type Mounted struct {
	dir    string
	server *fuse.Server
}

// forever is how long the kernel keeps what it knows: nothing changes.
const forever = 365 * 24 * time.Hour

// Mount mounts a tree, which must stay open until Wait returns.
func Mount(fsys vfs.FS, dir string, o *Options) (*Mounted, error) {
	root, err := vfs.Find(fsys, ".", false)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Stat(dir); errors.Is(err, syscall.ENOTCONN) {
		return nil, fmt.Errorf("%w: a mount lies there whose program has ended; unmount it (fusermount -uz)", err)
	} else if err != nil {
		return nil, err
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("%s: it is no directory", dir)
	}
	t := &tree{fsys: fsys, slots: map[uint64]uint64{}, taken: map[uint64]bool{}}
	timeout := forever
	quiet := log.New(io.Discard, "", 0)
	fo := &fs.Options{EntryTimeout: &timeout, AttrTimeout: &timeout, NegativeTimeout: &timeout, NullPermissions: true, Logger: quiet,
		MountOptions: fuse.MountOptions{FsName: plain(o.Name), Name: "guestkit", AllowOther: o.AllowOther, MaxWrite: 1 << 20, MaxReadAhead: 1 << 20,
			EnableSymlinkCaching: true, Logger: quiet}}
	if o.AllowOther || o.Permissions {
		fo.MountOptions.Options = append(fo.MountOptions.Options, "default_permissions")
	}
	direct(&fo.MountOptions)
	n := &node{t: t, n: root}
	attr := t.stable(root)
	fo.RootStableAttr = &attr
	server, err := fs.Mount(dir, n, fo)
	if err != nil {
		return nil, refused(err, o)
	}
	return &Mounted{dir, server}, nil
}

// refused is the error of a mount. What fusermount has against it it has printed, and
// go-fuse knows that it did not end well.
func refused(err error, o *Options) error {
	switch {
	case !strings.HasPrefix(err.Error(), "fusermount exited"):
		return err
	case o.AllowOther:
		return errors.New("fusermount refuses it; for -o allow_other /etc/fuse.conf must have the line user_allow_other")
	}
	return errors.New("fusermount refuses it")
}

// Wait returns when the tree is mounted no more.
func (m *Mounted) Wait() { m.server.Wait() }

// Unmount ends the mount. Where files are open, root detaches it, so that it goes when
// these are closed; for others that is an error.
func (m *Mounted) Unmount() error {
	err := m.server.Unmount()
	if err == nil || detach(m.dir) == nil {
		return nil
	}
	line, _, _ := strings.Cut(err.Error(), "\n") // of fusermount; go-fuse adds its own
	return errors.New(line)
}

// plain is a name without what separates options.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r == ',' || r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, name)
}

// A tree is what all nodes of a mount share.
type tree struct {
	fsys vfs.FS

	mu    sync.Mutex
	slots map[uint64]uint64 // of filesystems, by their device numbers
	taken map[uint64]bool
}

const (
	inoBits  = 44 // of inode numbers; what is above tells filesystems apart
	slotMask = 1<<19 - 1
	// What go-fuse numbers itself has the top bit.
	hashed = 1 << 62 // and this is that of numbers that are made of paths
)

// stable is the number by which the kernel knows a file: the same in every mount, and
// that of the guest where one filesystem is mounted.
func (t *tree) stable(n *vfs.Node) fs.StableAttr {
	attr := fs.StableAttr{Mode: vfs.ModeToUnix(n.Stat().Mode) & typeMask}
	st, ok := vfs.StatOf(n.Info())
	if !ok {
		st = n.Stat()
	}
	if st.Ino == 0 || st.Ino >= 1<<inoBits {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", st.Dev, st.Ino, n.RawPath()))
		if st.Ino != 0 {
			sum = sha256.Sum256(fmt.Appendf(nil, "%d %d", st.Dev, st.Ino))
		}
		attr.Ino = binary.LittleEndian.Uint64(sum[:])&(hashed-1) | hashed
		return attr
	}
	attr.Ino = t.slot(st.Dev)<<inoBits | st.Ino
	return attr
}

// slot is the part of a filesystem in the numbers of its files.
func (t *tree) slot(dev uint64) uint64 {
	if dev&(1<<32-1) == 0 && dev>>32 <= 1 {
		return 0 // the first filesystem, or the only one
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.slots[dev]; ok {
		return s
	}
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, dev))
	s := binary.LittleEndian.Uint64(sum[:]) & (slotMask >> 1)
	for s == 0 || t.taken[s] {
		s = (s + 1) & (slotMask >> 1)
	}
	t.slots[dev], t.taken[s] = s, true
	return s
}
