// Package fs is the front door to the filesystems of guests: [Probe] says what
// a volume holds, by its content alone, and [Open] reads it.
//
// # Probing
//
// Names of types are those of blkid: ext2 ext3 ext4 xfs btrfs ntfs vfat exfat
// iso9660 udf squashfs erofs f2fs swap crypto_LUKS BitLocker LVM2_member
// linux_raid_member zfs_member and many more. A type that is known and has no
// driver is named all the same, with the reason in [Found].
//
// The layers that lie outermost win: what is a member of an array or a volume
// group, or encrypted, is that, whatever its bytes look like further in.
// Otherwise two signatures that both hold make the volume ambiguous; none is
// chosen in silence. Options.Type decides for Open.
//
// # Drivers
//
// All drivers are in one list (drivers.go); a new one is a row there.
package fs
