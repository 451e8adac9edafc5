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
// A partition of a table in another volume has that volume's name before a colon:
// "lvm:vg/lv:gpt1". Of two volume groups of one name each has its UUID too:
// "lvm:vg@UUID/lv". The content of an encrypted volume is "luks:gpt2" or
// "bitlocker:gpt2".
//
// # Layers
//
// [Scan] probes each volume once; [Volume.Found] is what it holds. A member of a
// layer (encryption, an array, a volume group) goes to that layer, which makes
// volumes of it, and so on until nothing new comes: one list (layers.go) has them
// all. A volume has all its members as Parents. One that lacks a member or a key
// stays in the tree, with [block.ErrMissing] or [block.ErrEncrypted] in Err.
// Options.Unlock gives keys, Options.Layers adds layers.
//
// A volume that is a leaf ([Volume.Leaf]) is for fs.OpenFound. A disk whose table
// cannot be trusted stays in the tree with the reason in Err, so that the other
// disks can be read and nothing is left out silently.
//
// A [Tree] that is no longer used is closed, before the disks are.
package volume
