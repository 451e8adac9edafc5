// Package inspect says what the disks of a guest hold: every volume with what
// became of it, and the operating systems with their version, architecture,
// kernels, mounts and packages.
//
//	disks ──► volume.Scan ──► fs.OpenFound ──► Report.Volumes
//	                                │
//	             finders: which volumes are roots of a system
//	                                │
//	             fstab, drive letters ──► vfs.Join: the guest's own view of its files
//	                                │
//	             detectors: release files, ELF, /boot, package databases, registry
//	                                │
//	                         Report.Systems
//
// # What a value means
//
// A field is what the guest states, and [System.Evidence] says in which file
// and line. What it does not state is [Unknown], or the Unknown of a type;
// nothing is guessed from another field. The distribution is the ID of
// os-release, also if it is in no table. Packages that this version cannot
// read are listed as not read with the reason, never as an empty list.
//
// # Coverage
//
// Nothing is skipped in silence. Every volume has a [Status], and a reason if
// it was not read; [Report.Complete] is true only if all were. Entries of
// fstab that name no volume of these disks stay in the list with the reason.
//
// # Hostile guests
//
// All files are read within bounds ([Options]); what is no regular file, too
// large or malformed is a Problem and counts as not there. Links resolve
// inside of the guest. Nothing of the guest is executed. Text in the results
// is valid UTF-8 (what was not is U+FFFD, with a Problem) and bounded in
// length; it may hold control characters.
package inspect
