// Package ldm reads the dynamic disks of Windows: the database of the Logical Disk
// Manager that is on each, and the volumes that it makes of them.
//
//	MBR  | MBR | sector 6: PRIVHEAD | data of all volumes …     | database, 1 MiB |
//	GPT  | GPT | metadata partition: database, PRIVHEAD at its end | data … |
//
//	database  | TOCBLOCK | VMDB: VBLK, VBLK, … | log | TOCBLOCK | PRIVHEAD |
//
// A group of disks has one database, and each of its disks a copy; the one that was
// committed last counts. Simple, spanned, striped, mirrored and RAID-5 volumes are
// read, the last two without one of their disks as well.
//
// The database was never documented by Microsoft. What is known of it comes from the
// documentation of the linux-ntfs project and block/partitions/ldm.h of Linux; the
// tests hold it against disks that Windows Server 2003 R2 and 2008 R2 made, which
// libldm ships, with an MBR and with a GPT, and against ldmtool.
package ldm
