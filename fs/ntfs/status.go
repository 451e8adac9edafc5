package ntfs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"

	"github.com/guestkit/guestkit/block"
)

// status is what the volume says of itself.
type status struct {
	label        string
	major, minor uint8
	flags        uint16
	dirtyLog     bool
	hibernated   bool
}

// Flags of $VOLUME_INFORMATION.
const (
	volumeDirty = 0x0001
)

var volumeFlags = []struct {
	bit  uint16
	name string
}{
	{volumeDirty, "dirty"},
	{0x0002, "resize_logfile"},
	{0x0004, "upgrade_on_mount"},
	{0x0008, "mounted_on_nt4"},
	{0x0010, "delete_usn_underway"},
	{0x0020, "repair_object_id"},
	{0x4000, "chkdsk_underway"},
	{0x8000, "modified_by_chkdsk"},
}

// readStatus fills v.status. What cannot be read is a problem; the volume can
// be used all the same.
func (v *volume) readStatus() {
	v.problems.Add(v.readVolumeFile())
	v.problems.Add(v.readLog())
	v.problems.Add(v.readHiberfil())
}

// readVolumeFile reads label, version and flags from $Volume.
func (v *volume) readVolumeFile() error {
	n, err := v.inode(recVolume)
	if err != nil {
		return err
	}
	label, err := n.value(attrVolumeName, "", 1<<10)
	if err != nil {
		return err
	}
	v.status.label = decodeName(label)
	b, err := n.value(attrVolumeInformation, "", 1<<10)
	if err != nil {
		return err
	}
	if len(b) < 12 {
		return n.corrupt("$VOLUME_INFORMATION has %d bytes", len(b))
	}
	v.status.major, v.status.minor = b[8], b[9]
	v.status.flags = binary.LittleEndian.Uint16(b[10:])
	if v.status.flags&volumeDirty != 0 {
		v.problems.Add(block.Errorf("ntfs", "$Volume", v.recordOffset(recVolume), block.ErrDirty, "the volume is marked as dirty; chkdsk has not looked at it"))
	}
	return nil
}

// readHiberfil finds out whether a hibernated or fast-started system keeps
// changes of this volume in its memory image.
func (v *volume) readHiberfil() error {
	root, err := v.inode(recRoot)
	if err != nil {
		return err
	}
	n, err := root.child("hiberfil.sys")
	if err != nil || n.isDir() || n.size < 4 {
		return nil // Open will say what is wrong with it
	}
	d, err := n.Content()
	if err != nil {
		return err
	}
	var magic [4]byte
	if err := block.ReadFull(d, magic[:], 0); err != nil {
		return err
	}
	switch string(magic[:]) {
	case "hibr", "HIBR", "rstr", "RSTR": // saved, or about to be restored
		v.status.hibernated = true
		return block.Errorf("ntfs", "hiberfil.sys", -1, block.ErrDirty, "Windows is hibernated or was shut down by fast startup; what it keeps in memory is not on the volume")
	}
	return nil // "wake": it was restored
}

// maxBitmap bounds the bitmap that is counted for the free space: 16 MiB are
// 512 GiB in clusters of 4 KiB.
const maxBitmap = 16 << 20

// freeSpace is counted when it is asked for.
type freeSpace struct {
	once  sync.Once
	bytes int64
}

func (v *volume) freeBytes() int64 {
	v.free.once.Do(func() {
		n, err := v.countFree()
		if err != nil {
			v.problems.Add(fmt.Errorf("free space: %w", err))
			n = -1
		}
		v.free.bytes = n
	})
	return v.free.bytes
}

// countFree counts the zero bits of $Bitmap, -1 if it is too long.
func (v *volume) countFree() (int64, error) {
	n, err := v.inode(recBitmap)
	if err != nil {
		return 0, err
	}
	d, err := n.Content()
	if err != nil {
		return 0, err
	}
	size := (v.clusters + 7) / 8
	if size > maxBitmap {
		return -1, nil
	}
	if d.Size() < size {
		return 0, n.corrupt("$Bitmap has %d bytes for %d clusters", d.Size(), v.clusters)
	}
	used := int64(0)
	buf := make([]byte, 64<<10)
	for off := int64(0); off < size; off += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), size-off)]
		if err := block.ReadFull(d, b, off); err != nil {
			return 0, err
		}
		if tail := v.clusters - 8*off; tail < 8*int64(len(b)) { // bits past the end are set
			b[len(b)-1] &= 1<<(tail&7) - 1
		}
		for _, c := range b {
			used += int64(bits.OnesCount8(c))
		}
	}
	return (v.clusters - used) * v.cluster, nil
}
