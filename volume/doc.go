// Package volume is the front door to what lies on disks: it takes the disks
// of one guest and gives the tree of their volumes, each a [block.Device].
//
//	disk              a disk without a partition table, or the table's parent
//	├─ gpt1           partition 1 of its GPT
//	├─ gpt2
//	└─ …
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
// ([Volume.Leaf]) is for fs.Probe and fs.Open. Layers that make volumes of
// volumes (LVM, RAID, LUKS) hang below what they are made of, with names of
// their own scheme, such as "lvm:vg/lv", and a [Kind] each.
//
// A disk whose table cannot be trusted stays in the tree with the reason in
// Err, so that the other disks can be read and nothing is left out silently.
package volume
