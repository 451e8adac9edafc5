// Package volume is the front door to what lies on disks: it takes the disks
// of one guest and gives the tree of their volumes, each a [block.Device].
//
//	disk              a disk without a partition table, or the table's parent
//	├─ gpt1           partition 1 of its GPT
//	├─ gpt2
//	│  └─ lvm:vg/lv   a logical volume; partition 2 is a physical one
//	disk2             the second disk of the same guest
//	├─ disk2:mbr1     partition 1 of its MBR
//	├─ disk2:mbr2     an extended partition: listed, not read
//	└─ disk2:mbr5     a logical partition in it
//
// # Names
//
// The first disk is "disk", its partitions "gpt2" or "mbr5": the scheme of the
// table and the number that Linux gives the partition. Those of the second
// disk and on have its name before a colon. A name depends on the disk and
// its table alone, so it stays the same when disks are added behind it.
// [Tree.Lookup] takes "disk1" and "disk1:gpt2" for the first disk as well.
//
// # What a volume holds
//
// This package does not look into volumes: a [Volume] that is a leaf
// ([Volume.Leaf]) is for fs.Probe and fs.Open. Only the labels of LVM are looked
// for: a logical volume hangs below the physical one on which it begins, named
// "lvm:vg/lv", and may reach over others. Every layer that makes volumes of
// volumes has names of its own scheme, and a [Kind].
//
// A disk whose table cannot be trusted stays in the tree with the reason in
// Err, so that the other disks can be read and nothing is left out silently.
package volume
