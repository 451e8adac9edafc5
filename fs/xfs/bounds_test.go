package xfs

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/guestkit/guestkit/internal/testimg"
)

// TestLogConstants holds the bits of log items to Linux's xfs_log_format.h.
func TestLogConstants(t *testing.T) {
	for name, pair := range map[string][2]int{
		"XFS_LI_EFI": {itemEFI, 0x1236}, "XFS_LI_EFD": {itemEFD, 0x1237}, "XFS_LI_INODE": {itemInode, 0x123b}, "XFS_LI_BUF": {itemBuf, 0x123c},
		"XFS_LI_DQUOT": {itemDquot, 0x123d}, "XFS_LI_QUOTAOFF": {itemQuotaff, 0x123e}, "XFS_LI_ICREATE": {itemICreate, 0x123f},
		"XFS_LI_RUI": {itemRUI, 0x1240}, "XFS_LI_RUD": {itemRUD, 0x1241}, "XFS_LI_CUI": {itemCUI, 0x1242}, "XFS_LI_CUD": {itemCUD, 0x1243},
		"XFS_LI_BUI": {itemBUI, 0x1244}, "XFS_LI_BUD": {itemBUD, 0x1245}, "XFS_LI_ATTRI": {itemATTRI, 0x1246}, "XFS_LI_ATTRD": {itemATTRD, 0x1247},
		"XFS_LI_EFI_RT": {itemEFIRT, 0x124a}, "XFS_LI_CUD_RT": {itemCUDRT, 0x124f},
		"XFS_LI_XMI": {itemXMI, 0x1248}, "XFS_LI_XMD": {itemXMD, 0x1249},
		"XFS_BLF_INODE_BUF": {bufInodes, 1}, "XFS_BLF_CANCEL": {bufCancel, 2}, "XFS_BLF_UDQUOT_BUF, PDQUOT, GDQUOT": {bufDquots, 4 + 8 + 16},
		"XFS_BLF_CHUNK": {bufChunk, 128}, "XFS_BLFT_BITS": {bufTypeLog, 16 - 5}, "XFS_BLFT_DINO_BUF": {bufTypeIno, 8},
		"XFS_ILOG_CORE": {logCore, 0x001}, "XFS_ILOG_DDATA": {logDData, 0x002}, "XFS_ILOG_DEXT": {logDExt, 0x004}, "XFS_ILOG_DBROOT": {logDRoot, 0x008},
		"XFS_ILOG_DEV": {logDev, 0x010}, "XFS_ILOG_ADATA": {logAData, 0x040}, "XFS_ILOG_AEXT": {logAExt, 0x080}, "XFS_ILOG_ABROOT": {logARoot, 0x100},
		"XFS_ILOG_DOWNER": {logDOwner, 0x200}, "XFS_ILOG_AOWNER": {logAOwner, 0x400}, "XFS_ILOG_DFORK": {logDFork, 0x00e}, "XFS_ILOG_AFORK": {logAFork, 0x1c0},
		"sizeof xfs_inode_log_format": {inodeFormat64, 56}, "sizeof xfs_inode_log_format_32": {inodeFormat32, 52},
		"sizeof xfs_icreate_log": {icreateFormatSize, 28}, "XFS_INODES_PER_CHUNK": {inodesPerChunk, 64},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %#x, not %#x", name, pair[1], pair[0])
		}
	}
}

// TestBufferItems: a map of chunks that is cut short, and buffers at the end of the
// device and past it.
func TestBufferItems(t *testing.T) {
	le := binary.LittleEndian
	item := func(count uint16, blkno int64, words uint32, bits ...uint32) *logItem {
		b := make([]byte, 4, 64)
		b = le.AppendUint16(b, 0)
		b = le.AppendUint16(b, count)
		b = le.AppendUint64(b, uint64(blkno))
		b = le.AppendUint32(b, words)
		for _, w := range bits {
			b = le.AppendUint32(b, w)
		}
		return &logItem{head: b}
	}
	const size = 100 * 512
	for _, c := range []struct {
		it   *logItem
		good bool
	}{
		{item(8, 0, 1, 1), true}, {item(8, 0, 2, 1), false}, {item(8, 0, 0), true}, {item(8, 92, 1, 1), true}, {item(8, 93, 1, 1), false},
		{item(0, 0, 1, 1), false}, {item(1, 99, 1, 1), true}, {item(1, 100, 1, 1), false}, {item(1, -1, 1, 1), false}, {item(100, 0, 1, 1), true}, {item(101, 0, 1, 1), false},
		{&logItem{head: make([]byte, 19)}, false},
	} {
		if f, err := bufItem(c.it, le, size); (err == nil) != c.good {
			t.Errorf("%x: %+v, %v", c.it.head, f, err)
		}
	}
	f, err := bufItem(item(8, 0, 2, 1<<31|1, 1<<1|1<<31), le, size)
	if err != nil {
		t.Fatal(err)
	}
	var set []int
	for bit := range 200 {
		if f.set(bit, le) {
			set = append(set, bit)
		}
	}
	if len(set) != 4 || set[0] != 0 || set[1] != 31 || set[2] != 33 || set[3] != 63 {
		t.Errorf("the chunks %v are set", set)
	}
}

// TestInodeFormats: where CPUs of 32 bits wrote it, the number of the inode follows
// without padding.
func TestInodeFormats(t *testing.T) {
	le := binary.LittleEndian
	for _, size := range []int{52, 56} {
		b := make([]byte, size)
		le.PutUint32(b[0x04:], 0x11)
		le.PutUint16(b[0x08:], 0x21)
		le.PutUint16(b[0x0a:], 0x22)
		at := size - 52 + 0x0c
		le.PutUint64(b[at:], 0x1122334455667788)
		le.PutUint32(b[at+0x08:], 0x31)
		le.PutUint64(b[at+0x18:], 0x41)
		le.PutUint32(b[at+0x20:], 0x51)
		le.PutUint32(b[at+0x24:], 0x61)
		var f inodeFormat
		f.decode(b, le)
		if f != (inodeFormat{0x11, 0x21, 0x22, 0x1122334455667788, 0x31, 0x41, 0x51, 0x61}) {
			t.Errorf("%d bytes: %+v", size, f)
		}
	}
}

// TestIntents: an intent counts until the item that ends it, of its kind and number; a
// change of a parent pointer is not shown.
func TestIntents(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	item := func(order binary.AppendByteOrder, id, a, b uint64) []byte {
		x := order.AppendUint64(make([]byte, 8), id)
		return order.AppendUint64(order.AppendUint64(x, a), b)
	}
	p := intents{}
	note := func(typ uint16, b []byte, order binary.ByteOrder, want int) {
		t.Helper()
		if err := p.note(typ, b, order); err != nil || len(p) != want {
			t.Errorf("%#x: %v, %d are left: %v", typ, err, len(p), p)
		}
	}
	note(itemBUI, item(le, 1, 7, 0), le, 1)
	note(itemATTRI, item(le, 1, 8, 3), le, 2)
	note(itemATTRI, item(le, 2, 8, 4), le, 2)
	note(itemATTRI, item(le, 3, 8, 0x106), le, 2)
	note(itemATTRI, item(le, 4, 8, 7), le, 3)
	note(itemATTRI, item(be, 5, 8, 5), be, 4)
	note(itemXMI, item(le, 1, 9, 10), le, 5)
	note(itemXMI, item(le, 6, 0, 0)[:16], le, 6)
	note(itemEFI, item(le, 7, 0, 0), le, 6)
	for key, want := range map[intentKey]string{
		{itemBUD, 1}: "a change of the map of inode 7", {itemATTRD, 1}: "a change of an attribute of inode 8",
		{itemXMD, 1}: "an exchange of the contents of inodes 9 and 10", {itemXMD, 6}: "an exchange of the contents of inodes 0 and 0",
	} {
		if p[key] != want {
			t.Errorf("%v: %q, want %q", key, p[key], want)
		}
	}
	note(itemBUD, item(le, 1, 0, 0), le, 5)
	note(itemBUD, item(le, 6, 0, 0), le, 5)
	note(itemXMD, item(le, 6, 0, 0), le, 4)
	note(itemATTRD, item(le, 4, 0, 0)[:16], le, 3)
	if err := p.note(itemBUI, make([]byte, 15), le); err == nil {
		t.Error("an item of 15 bytes is taken")
	}
}

// TestKeptInodes: an inode in the cache keeps its own bytes, and not the cluster that it
// was read in.
func TestKeptInodes(t *testing.T) {
	f, err := open(bytes.NewReader(testimg.Unpack(t, "testdata/v4-ftype.img.bz2")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := f.root; cap(n.data.b)+cap(n.attr.b) > 2*int(f.sb.inodesize) {
		t.Errorf("an inode of %d bytes keeps %d and %d", f.sb.inodesize, cap(n.data.b), cap(n.attr.b))
	}
}
