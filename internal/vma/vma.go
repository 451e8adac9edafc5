// Package vma reads the disks in an archive of Proxmox VE (VMA), as vzdump writes it.
//
//	header    sizes and names of up to 255 devices, configuration files
//	extent    512 bytes for up to 59 clusters of 64 KiB, and of each the blocks
//	          of 4 KiB that are not zeros
//	extent
//	…
//
// All numbers are big endian but the lengths of the blobs in the header. The
// clusters of the devices come in any order, and every one of them is named, also
// those of zeros, so that an archive that was cut is told from a whole one. The
// header and each extent's own have an MD5; the blocks have no checksum.
//
// The source is vma_spec.txt of pve-qemu, with vma-reader.c. What is read here was
// compared with dissect.archive, which reads the format too; archives that Proxmox VE
// itself wrote were not at hand.
package vma

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const format = "vma"

// Magic is what an archive begins with.
const Magic = "VMA\x00"

const (
	extentMagic    = "VMAE"
	version        = 1
	headerLen      = 12288 // without the blobs
	extentLen      = 512   // of the header of an extent
	blockSize      = 4096
	clusterSize    = 16 * blockSize
	infosPerExtent = 59
	maxDevices     = 256
	stateName      = "vmstate" // the memory of the machine
)

// What bounds an archive.
const (
	maxHeader   = 16 << 20 // bytes
	MaxClusters = 1 << 28  // of all devices, 16 TiB
	maxIndex    = 32 << 20 // clusters that hold something
)

// An Archive is the index of the clusters.
type Archive struct {
	Devices []*Device         // in the order of their numbers, but the memory
	Configs map[string][]byte // qemu-server.conf and the like
}

// A Device is one disk. It is immutable and safe for concurrent use.
type Device struct {
	Name string // "drive-scsi0"

	r        block.Reader
	size     int64
	clusters int64 // named so far
	seen     []uint64
	index    []cluster // in order of their numbers, without those of zeros
}

// A cluster is where the blocks of a cluster lie that are not zeros.
type cluster struct {
	off    int64 // of the first one
	number uint32
	mask   uint16 // of the blocks
}

func bad(what string, off int64, class error, detail string, args ...any) error {
	return block.Errorf(format, what, off, class, detail, args...)
}

// header is VmaHeader. The fields behind headerSize are tables of 256.
type header struct {
	version    uint32   // 0x04
	uuid       [16]byte // 0x08
	md5        [16]byte // 0x20
	blobs      uint32   // 0x30 offset
	blobsLen   uint32   // 0x34
	headerSize uint32   // 0x38
}

const (
	offMD5         = 0x20
	offConfigNames = 0x7fc
	offConfigData  = 0xbfc
	offDevices     = 0x1000 // of 32 bytes: name, 4 bytes, size
)

func (h *header) decode(b []byte) {
	be := binary.BigEndian
	h.version = be.Uint32(b[4:])
	copy(h.uuid[:], b[8:])
	copy(h.md5[:], b[offMD5:])
	h.blobs = be.Uint32(b[0x30:])
	h.blobsLen = be.Uint32(b[0x34:])
	h.headerSize = be.Uint32(b[0x38:])
}

func (h *header) validate(size int64) error {
	switch {
	case h.version != version:
		return bad("header", 4, block.ErrUnsupported, "version %d", h.version)
	case h.headerSize < headerLen || h.headerSize > maxHeader:
		return bad("header", 0x38, block.ErrCorrupt, "its size is %d", h.headerSize)
	case int64(h.headerSize) > size:
		return bad("header", 0x38, block.ErrTruncated, "it has %d bytes, and the file %d", h.headerSize, size)
	case h.blobs < headerLen || h.blobs > h.headerSize || h.blobsLen > h.headerSize-h.blobs:
		return bad("header", 0x30, block.ErrCorrupt, "the blobs of %d bytes at %#x lie outside", h.blobsLen, h.blobs)
	}
	return nil
}

// sumHolds reports whether the MD5 in b at off is that of b without it. It changes
// b.
func sumHolds(b []byte, off int) bool {
	want := bytes.Clone(b[off : off+md5.Size])
	clear(b[off : off+md5.Size])
	got := md5.Sum(b)
	return bytes.Equal(want, got[:])
}

// Open reads the header, and that of each extent.
func Open(r block.Reader) (*Archive, error) { return open(r, maxIndex) }

func open(r block.Reader, most int) (*Archive, error) {
	b, err := block.ReadBytes(r, 0, headerLen, headerLen)
	if err != nil {
		return nil, block.Locate(format, "header", 0, err)
	}
	if string(b[:4]) != Magic {
		return nil, bad("header", 0, block.ErrFormat, "no magic")
	}
	var h header
	h.decode(b)
	if err := h.validate(r.Size()); err != nil {
		return nil, err
	}
	if b, err = block.ReadBytes(r, 0, int64(h.headerSize), maxHeader); err != nil {
		return nil, block.Locate(format, "header", 0, err)
	}
	if !sumHolds(b, offMD5) {
		return nil, bad("header", 0, block.ErrCorrupt, "its checksum is wrong")
	}
	a := &Archive{Configs: map[string][]byte{}}
	ids, err := a.readDevices(r, &h, b)
	if err != nil {
		return nil, err
	}
	if err := readExtents(r, &h, ids, most); err != nil {
		return nil, err
	}
	for _, d := range a.Devices {
		if want := (d.size + clusterSize - 1) / clusterSize; d.clusters != want {
			return nil, bad("device "+d.Name, -1, block.ErrTruncated, "%d of its %d clusters are in the archive", d.clusters, want)
		}
		d.seen = nil
		slices.SortFunc(d.index, func(a, b cluster) int { return cmp.Compare(a.number, b.number) })
	}
	return a, nil
}

// readDevices reads the tables of the header. It returns the devices by number; that
// of the memory has no clusters of its own.
func (a *Archive) readDevices(r block.Reader, h *header, b []byte) ([]*Device, error) {
	be := binary.BigEndian
	blobs := b[h.blobs : h.blobs+h.blobsLen]
	blob := func(at uint32) []byte {
		if at == 0 || int64(at)+2 > int64(len(blobs)) {
			return nil
		}
		n := int64(binary.LittleEndian.Uint16(blobs[at:]))
		if int64(at)+2+n > int64(len(blobs)) {
			return nil
		}
		return blobs[at+2:][:n]
	}
	text := func(at uint32) string { return strings.TrimRight(string(blob(at)), "\x00") }
	for i := range maxDevices {
		if name := text(be.Uint32(b[offConfigNames+4*i:])); name != "" {
			a.Configs[name] = blob(be.Uint32(b[offConfigData+4*i:]))
		}
	}
	ids := make([]*Device, maxDevices)
	total := int64(0)
	for i := 1; i < maxDevices; i++ {
		at := offDevices + 32*i
		name, size := text(be.Uint32(b[at:])), be.Uint64(b[at+8:])
		if name == "" || size == 0 {
			continue
		}
		if size > MaxClusters*clusterSize {
			return nil, bad("device "+name, int64(at), block.ErrLimit, "it has %d bytes; at most %d are taken", size, int64(MaxClusters*clusterSize))
		}
		d := &Device{Name: name, r: r, size: int64(size)}
		ids[i] = d
		if name == stateName {
			continue
		}
		clusters := (d.size + clusterSize - 1) / clusterSize
		if total += clusters; total > MaxClusters {
			return nil, bad("device "+name, int64(at), block.ErrLimit, "the devices have more than %d clusters", MaxClusters)
		}
		d.seen = make([]uint64, (clusters+63)/64)
		a.Devices = append(a.Devices, d)
	}
	if room := (r.Size() - int64(h.headerSize)) / extentLen * infosPerExtent; total > room {
		return nil, bad("archive", r.Size(), block.ErrTruncated, "it has room for %d clusters at most, and its devices have %d", room, total)
	}
	return ids, nil
}

// readExtents reads the headers of all extents, in which at most that many clusters
// hold something.
func readExtents(r block.Reader, h *header, ids []*Device, most int) error {
	held := 0
	b := make([]byte, extentLen)
	for off := int64(h.headerSize); off < r.Size(); {
		if r.Size()-off < extentLen {
			return bad("extent", off, block.ErrTruncated, "its header ends too early")
		}
		if err := block.ReadFull(r, b, off); err != nil {
			return block.Locate(format, "extent", off, err)
		}
		switch {
		case string(b[:4]) != extentMagic:
			return bad("extent", off, block.ErrCorrupt, "no magic")
		case !bytes.Equal(b[8:24], h.uuid[:]):
			return bad("extent", off, block.ErrCorrupt, "it is of another archive")
		case !sumHolds(b, 24):
			return bad("extent", off, block.ErrCorrupt, "its checksum is wrong")
		}
		blocks := int64(binary.BigEndian.Uint16(b[6:]))
		at := off + extentLen
		end := at + blocks*blockSize
		if end > r.Size() {
			return bad("extent", off, block.ErrTruncated, "%d blocks, and the file ends before them", blocks)
		}
		for i := range infosPerExtent {
			info := binary.BigEndian.Uint64(b[40+8*i:])
			c := cluster{at, uint32(info), uint16(info >> 48)}
			id := byte(info >> 32)
			if id == 0 {
				continue
			}
			if at += int64(bits.OnesCount16(c.mask)) * blockSize; at > end {
				return bad("extent", off, block.ErrCorrupt, "its clusters have more than its %d blocks", blocks)
			}
			d := ids[id]
			if d == nil {
				return bad("extent", off, block.ErrCorrupt, "there is no device %d", id)
			}
			if d.Name == stateName {
				continue
			}
			if err := d.add(c, off); err != nil {
				return err
			}
			if c.mask == 0 {
				continue
			}
			if held++; held > most {
				return bad("extent", off, block.ErrLimit, "more than %d clusters hold something", most)
			}
		}
		if at != end {
			return bad("extent", off, block.ErrCorrupt, "its clusters do not have its %d blocks", blocks)
		}
		off = end
	}
	return nil
}

// add takes a cluster into the index.
func (d *Device) add(c cluster, off int64) error {
	if int64(c.number)*clusterSize >= d.size {
		return bad("extent", off, block.ErrCorrupt, "cluster %d lies behind the end of %s", c.number, d.Name)
	}
	bit := uint64(1) << (c.number % 64)
	if d.seen[c.number/64]&bit != 0 {
		return bad("extent", off, block.ErrCorrupt, "cluster %d of %s comes twice", c.number, d.Name)
	}
	d.seen[c.number/64] |= bit
	d.clusters++
	if c.mask != 0 {
		d.index = append(d.index, c)
	}
	return nil
}

// Size implements block.Reader.
func (d *Device) Size() int64 { return d.size }

// run returns the blocks from off on that lie together, or are zeros together, in one
// cluster; host is -1 for zeros.
func (d *Device) run(off int64) (host, n int64) {
	number := uint32(off / clusterSize)
	i := sort.Search(len(d.index), func(i int) bool { return d.index[i].number >= number })
	if i == len(d.index) {
		return -1, d.size - off
	}
	c := d.index[i]
	if c.number > number {
		return -1, int64(c.number)*clusterSize - off
	}
	first := int(off % clusterSize / blockSize)
	set := func(k int) bool { return c.mask>>k&1 != 0 }
	k := first
	for k < 16 && set(k) == set(first) {
		k++
	}
	n = int64(number)*clusterSize + int64(k)*blockSize - off
	if !set(first) {
		return -1, n
	}
	before := bits.OnesCount16(c.mask & (1<<first - 1))
	return c.off + int64(before)*blockSize + off%blockSize, n
}

// ReadAt implements io.ReaderAt.
func (d *Device) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, d.size)
	for done := 0; done < len(q); {
		host, n := d.run(off + int64(done))
		part := q[done:min(int64(len(q)), int64(done)+n)]
		if host < 0 {
			clear(part)
		} else if err := block.ReadFull(d.r, part, host); err != nil {
			return done, block.Locate(format, "block", host, err)
		}
		done += len(part)
	}
	return len(q), eof
}

// Extent implements block.Device.
func (d *Device) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= d.size {
		return block.Extent{}, io.EOF
	}
	host, n := d.run(off)
	if host < 0 {
		return block.Extent{Off: off, Len: n, Zero: true}, nil
	}
	return block.Extent{Off: off, Len: n, Host: d.r, HostOff: host}, nil
}

// Verify has nothing to add to what Open has verified: blocks have no checksum.
func (d *Device) Verify(context.Context, func(error)) error { return nil }
