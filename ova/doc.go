// Package ova reads and writes virtual machines that travel as one file: an OVA
// is a tar archive of an OVF package.
//
//	x.ova                          x.ovf (XML)
//	+-----------------+            +------------------------------------------+
//	| x.ovf           |            | References     File id, href, size       |
//	+-----------------+            | DiskSection    Disk id, fileRef, capacity|
//	| x.mf            | checksums  | VirtualSystem  CPUs, memory, NICs,       |
//	+-----------------+            |                controllers and disks     |
//	| x.cert          | signature  +------------------------------------------+
//	+-----------------+
//	| x-disk1.vmdk    |  a disk, streamOptimized as a rule
//	+-----------------+
//
// The members need not be unpacked: each is a run of bytes of the archive. A
// descriptor beside its files, which is how OVF comes without the archive,
// reads alike; its files are opened by the caller's Opener.
//
// # Read
//
// Envelopes of the versions 1 and 2, several machines in one package, disks
// that are split into chunks (x.vmdk.000000000) and disks compressed with gzip.
// Those have to be inflated once to know their size, and again where they are
// read out of order. The manifest (SHA-1, SHA-256, SHA-512) is read, and
// checked by Verify; the certificate is named and not checked. Envelopes of
// version 0.9 and disks compressed with bzip2 are refused by name.
//
// With [Options.Bare], archives of other kinds are packages too: tar archives and zip
// archives that hold images and no descriptor, backups of Proxmox VE (VMA) and exports
// of XenServer (XVA). Their machine is what the configuration in them says.
//
// # Trust
//
// A name in the archive is never a path of this machine, and a File leads to a
// member of exactly that name, or to nothing: not to a URL, not out of the
// package. Links and devices hold no bytes and are listed as problems.
//
// The sources are DMTF DSP0243 (OVF 1.1 and 2.1), DSP8023 (its schema), and
// what VMware's and VirtualBox's exports hold.
package ova
