// Package probe says what a run of bytes holds, by its content alone: a
// filesystem, swap space, a member of a layer (an array, a volume group), what
// is encrypted, zeros, or nothing that is known.
//
// Names of types are those of blkid: ext2 ext3 ext4 xfs btrfs ntfs vfat exfat
// iso9660 udf squashfs erofs f2fs swap crypto_LUKS BitLocker LVM2_member
// linux_raid_member zfs_member and many more. Whether anything reads a type is
// for packages volume and fs to say.
//
// The layers that lie outermost win: what is a member of an array or a volume
// group, or encrypted, is that, whatever its bytes look like further in.
// Otherwise two signatures that both hold make the volume ambiguous; none is
// chosen in silence. What a few bytes tell counts only where nothing else is
// found, and a disc of ISO 9660 and UDF is the former, which has a driver: its
// Reason says both.
package probe
