package bitlocker

import (
	"bytes"
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

const (
	format    = "bitlocker"
	bootSize  = 512
	signature = "-FVE-FS-"
	toGo      = "MSWIN4.1" // of the FAT volume that hides BitLocker To Go
	copies    = 3
)

var (
	infoGUID = guid.Must("4967d63b-2e29-4ad8-8399-f6a339e3d001")
	eowGUID  = guid.Must("92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8")
)

// boot is what the boot sector says. Integers are little-endian.
type boot struct {
	oem               [8]byte // 0x03
	bytesPerSector    uint16  // 0x0b
	sectorsPerCluster uint8   // 0x0d
	informationLCN    uint64  // 0x38 where the metadata is, of Vista

	info []int64 // offsets of the metadata
	eow  []int64 // offsets of the information about encrypt-on-write
}

func (h *boot) decode(b []byte) {
	le := binary.LittleEndian
	copy(h.oem[:], b[0x03:])
	h.bytesPerSector = le.Uint16(b[0x0b:])
	h.sectorsPerCluster = b[0x0d]
	h.informationLCN = le.Uint64(b[0x38:])
	h.info, h.eow = nil, nil
	if at := bytes.Index(b, eowGUID[:]); at >= 0 && at+16+8*(copies+2) <= len(b) {
		h.info, h.eow = offsets(b[at+16:], copies), offsets(b[at+16+8*copies:], 2)
	} else if at := bytes.Index(b, infoGUID[:]); at >= 0 && at+16+8*copies <= len(b) {
		h.info = offsets(b[at+16:], copies)
	} else if string(h.oem[:]) == signature {
		h.info = []int64{int64(h.informationLCN) * int64(h.bytesPerSector) * int64(h.sectorsPerCluster)}
	}
}

func offsets(b []byte, n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return out
}

func readBoot(r block.Reader) (*boot, error) {
	if r.Size() < bootSize {
		return nil, block.Errorf(format, "boot sector", 0, block.ErrFormat, "")
	}
	b, err := block.ReadBytes(r, 0, bootSize, bootSize)
	if err != nil {
		return nil, block.Locate(format, "boot sector", 0, err)
	}
	h := new(boot)
	h.decode(b)
	if h.info == nil || string(h.oem[:]) != signature && string(h.oem[:]) != toGo {
		return nil, block.Errorf(format, "boot sector", 0, block.ErrFormat, "")
	}
	if h.bytesPerSector == 0 {
		h.bytesPerSector = 512
	}
	if n := h.bytesPerSector; n < 512 || n > 4096 || n&(n-1) != 0 {
		return nil, block.Errorf(format, "boot sector", 0x0b, block.ErrUnsupported, "sectors of %d bytes", n)
	}
	if h.sectorsPerCluster == 0 {
		h.sectorsPerCluster = 1
	}
	return h, nil
}
