// Package lvm reads LVM2: physical volumes, the text metadata that they carry,
// and the logical volumes that it describes.
//
//	sector 0-3             metadata area                    pe_start
//	+-------+-----------+  +------------+----------------+  +------+------+----
//	| label | PV header |  | mda header | text (a ring)  |  | PE 0 | PE 1 | …
//	+-------+-----------+  +------------+----------------+  +------+------+----
//
// The label names the physical volume and where its metadata areas are. The
// header of an area says where in its ring the committed text lies. Every
// physical volume of a group may carry the text; the one with the highest
// sequence number whose checksum is right counts.
//
// Linear and striped logical volumes are read. Volumes with segments of any
// other type (raid, mirror, thin, cache, snapshot, vdo …) are listed with the
// reason why they are not, as are those that need a physical volume which is
// not there.
//
// LVM publishes no specification; the layout is that of its sources,
// lib/format_text/layout.h and lib/label/label.h, checked against what the lvm
// tool writes.
package lvm
