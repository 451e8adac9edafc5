// Package vacant says what of a disk nobody needs: the blocks that its
// filesystems call free, its swap space, the extents that LVM has given to no
// volume, and what lies between partitions. A disk that reads as zeros there is
// as good to its guest, and smaller.
//
// What is not understood is kept. A volume with a journal to replay, a system
// that hibernates, an encrypted or unknown volume, a volume that others read as
// well (the origin of a snapshot, a mirror, a pool) is kept whole, with the reason
// why. A filesystem's own account of its free blocks is true as a whole or counts
// for nothing: its checksums and sums must hold (see [vfs.Free]), and a walk over
// all its files must not meet a block that it calls free, neither of their data
// nor of what tells where they lie.
//
// What a filesystem deleted and did not overwrite is gone from a disk whose
// vacant parts are left out.
package vacant
