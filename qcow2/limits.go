package qcow2

// Limits bounds what an image may ask for. A field that is 0 takes its value
// from [DefaultLimits]; sizes are in bytes.
type Limits struct {
	L1Table        int64 // size of an L1 table
	RefcountTable  int64 // size of the refcount table
	Snapshots      int64 // number of internal snapshots
	SnapshotTable  int64 // size of the snapshot table; all names in it are held in memory
	SnapshotExtra  int64 // extra data of one snapshot
	Bitmaps        int64 // number of bitmaps
	BitmapDir      int64 // size of the bitmap directory; all names in it are held in memory
	BackingName    int64 // length of the name of the backing file
	ZstdWindowSize int64 // window that a zstd frame may ask for
	KeyWork        int64 // iterations of PBKDF2 for one try of a key
}

// DefaultLimits returns the limits that apply where none are given. They are
// QEMU's, or stricter.
func DefaultLimits() Limits {
	return Limits{
		L1Table:        32 << 20,
		RefcountTable:  8 << 20,
		Snapshots:      65536,
		SnapshotTable:  16 << 20,
		SnapshotExtra:  1024,
		Bitmaps:        65535,
		BitmapDir:      16 << 20,
		BackingName:    1023,
		ZstdWindowSize: 8 << 20,
		KeyWork:        32e6,
	}
}

// withDefaults fills the fields that are 0.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ v, def *int64 }{
		{&l.L1Table, &d.L1Table},
		{&l.RefcountTable, &d.RefcountTable},
		{&l.Snapshots, &d.Snapshots},
		{&l.SnapshotTable, &d.SnapshotTable},
		{&l.SnapshotExtra, &d.SnapshotExtra},
		{&l.Bitmaps, &d.Bitmaps},
		{&l.BitmapDir, &d.BitmapDir},
		{&l.BackingName, &d.BackingName},
		{&l.ZstdWindowSize, &d.ZstdWindowSize},
		{&l.KeyWork, &d.KeyWork},
	} {
		if *f.v == 0 {
			*f.v = *f.def
		}
	}
	return l
}
