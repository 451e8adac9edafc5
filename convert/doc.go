// Package convert copies one disk into another format.
//
//	block.Device ──▶ plan: what its extents ──▶ workers: read, look ──▶ Target
//	                 say is zero is not read    for zeros, compress
//
// [Run] is the one pipeline for every target. Workers take pieces of the disk
// in order and do everything that can be done side by side; what a [Target]
// must see in order (where a piece is placed) they do in turns. A target that
// only places pieces in order takes their bytes side by side again.
//
// [CreateFile] is an output file that appears complete or not at all, and
// [Compare] tells two disks apart.
package convert
