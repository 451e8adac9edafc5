// Package diff tells two guests apart: their files ([Trees]), their packages
// ([Packages]), texts ([Unified]) and keys of their registries ([Registry]).
//
// Two snapshots of one image, and two images with one backing file, share most of
// their blocks. What lies at the same place of the same file of this machine is the
// same, and is not read: [Same] asks the extents of both first.
package diff
