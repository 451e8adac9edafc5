// Package luks1 reads LUKS1 headers and makes the volume key of a passphrase:
// what disks with LUKS1 and the qcow2 images that carry such a header share.
//
//	0        0x250                              payload offset
//	+--------+-----------+-----+-----------+----+---------
//	| header | key       |  …  | key       |    | payload
//	| 592 B  | material 0|     | material 7|    |
//	+--------+-----------+-----+-----------+----+---------
//
// The specification is "LUKS1 On-Disk Format Specification", version 1.2.3, by
// Clemens Fruhwirth and Milan Broz.
package luks1

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/crypt"
)

const (
	// Magic begins headers of LUKS1 and LUKS2.
	Magic = "LUKS\xba\xbe"

	// Sector is the unit of all offsets, and of encryption.
	Sector = 512

	headerSize  = 592
	slots       = 8
	slotEnabled = 0x00ac71f3
	slotFree    = 0x0000dead
	digestSize  = 20
	maxKey      = 512
	maxMaterial = 16 << 20
)

// header is the header on the disk. Integers are big-endian.
type header struct {
	magic         [6]byte     // 0x00
	version       uint16      // 0x06
	cipherName    string      // 0x08, 32 bytes
	cipherMode    string      // 0x28, 32 bytes
	hashSpec      string      // 0x48, 32 bytes
	payloadOffset uint32      // 0x68 in sectors
	keyBytes      uint32      // 0x6c
	mkDigest      [20]byte    // 0x70
	mkDigestSalt  [32]byte    // 0x84
	mkDigestIter  uint32      // 0xa4
	uuid          string      // 0xa8, 40 bytes
	slots         [slots]slot // 0xd0, 48 bytes each
}

// slot is a key slot on the disk.
type slot struct {
	active         uint32   // 0x00
	iterations     uint32   // 0x04
	salt           [32]byte // 0x08
	materialOffset uint32   // 0x28 in sectors
	stripes        uint32   // 0x2c
}

func (h *header) decode(b []byte) {
	be := binary.BigEndian
	copy(h.magic[:], b)
	h.version = be.Uint16(b[0x06:])
	h.cipherName = cString(b[0x08:0x28])
	h.cipherMode = cString(b[0x28:0x48])
	h.hashSpec = cString(b[0x48:0x68])
	h.payloadOffset = be.Uint32(b[0x68:])
	h.keyBytes = be.Uint32(b[0x6c:])
	copy(h.mkDigest[:], b[0x70:])
	copy(h.mkDigestSalt[:], b[0x84:])
	h.mkDigestIter = be.Uint32(b[0xa4:])
	h.uuid = cString(b[0xa8:0xd0])
	for i := range h.slots {
		s, p := &h.slots[i], b[0xd0+48*i:]
		s.active = be.Uint32(p)
		s.iterations = be.Uint32(p[0x04:])
		copy(s.salt[:], p[0x08:])
		s.materialOffset = be.Uint32(p[0x28:])
		s.stripes = be.Uint32(p[0x2c:])
	}
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// A Slot is a key slot that is in use.
type Slot struct {
	ID  int
	KDF crypt.KDF
	Err error // why no key can be tried on it

	material int64
	stripes  int
}

// A Header is a LUKS1 header whose fields have been checked.
type Header struct {
	UUID    string
	Spec    crypt.Spec
	Hash    string
	KeyLen  int   // bytes
	Payload int64 // where the encrypted sectors begin, in bytes
	Slots   []Slot

	r      block.Reader
	digest crypt.KDF
	want   [digestSize]byte
}

// Open reads the header at the beginning of r. The error wraps block.ErrFormat
// if there is none.
func Open(r block.Reader) (*Header, error) {
	if r.Size() < headerSize {
		return nil, fault(0, block.ErrFormat, "")
	}
	b, err := block.ReadBytes(r, 0, headerSize, headerSize)
	if err != nil {
		return nil, block.Locate("luks", "header", 0, err)
	}
	var h header
	h.decode(b)
	if string(h.magic[:]) != Magic || h.version != 1 {
		return nil, fault(0, block.ErrFormat, "")
	}
	return h.validate(r)
}

func fault(off int64, class error, detail string, args ...any) error {
	return block.Errorf("luks", "header", off, class, detail, args...)
}

func (h *header) validate(r block.Reader) (*Header, error) {
	spec, err := crypt.ParseSpec(h.cipherName + "-" + h.cipherMode)
	if err != nil {
		return nil, block.Locate("luks", "header", 0x08, err)
	}
	if err := crypt.KnownHash(h.hashSpec); err != nil {
		return nil, block.Locate("luks", "header", 0x48, err)
	}
	if h.keyBytes < 1 || h.keyBytes > maxKey || !spec.KeySize(int(h.keyBytes)) {
		return nil, fault(0x6c, block.ErrCorrupt, "a key of %d bytes for %s", h.keyBytes, spec)
	}
	out := &Header{
		UUID:    h.uuid,
		Spec:    spec,
		Hash:    h.hashSpec,
		KeyLen:  int(h.keyBytes),
		Payload: int64(h.payloadOffset) * Sector,
		r:       r,
		digest:  crypt.KDF{Type: "pbkdf2", Hash: h.hashSpec, Iterations: int64(h.mkDigestIter), Salt: h.mkDigestSalt[:]},
		want:    h.mkDigest,
	}
	if err := out.digest.Validate(); err != nil {
		return nil, block.Locate("luks", "header", 0xa4, err)
	}
	for i := range h.slots {
		if s := &h.slots[i]; s.active != slotFree {
			out.Slots = append(out.Slots, out.slot(i, s))
		}
	}
	return out, nil
}

// slot checks key slot i. A fault of it is no fault of the others.
func (h *Header) slot(i int, s *slot) Slot {
	out := Slot{
		ID:       i,
		KDF:      crypt.KDF{Type: "pbkdf2", Hash: h.Hash, Iterations: int64(s.iterations), Salt: bytes.Clone(s.salt[:])},
		material: int64(s.materialOffset) * Sector,
		stripes:  int(s.stripes),
	}
	broken := func(off int64, class error, detail string, args ...any) Slot {
		out.Err = block.Errorf("luks", fmt.Sprintf("key slot %d", i), 0xd0+48*int64(i)+off, class, detail, args...)
		return out
	}
	size := int64(h.KeyLen) * int64(s.stripes)
	switch end := out.material + size; {
	case s.active != slotEnabled:
		return broken(0, block.ErrCorrupt, "its state is %#x, neither in use nor free", s.active)
	case s.stripes < 1 || size > maxMaterial:
		return broken(0x2c, block.ErrCorrupt, "%d stripes", s.stripes)
	case out.material < headerSize:
		return broken(0x28, block.ErrCorrupt, "its key material at %#x lies over the header", out.material)
	case h.Payload != 0 && out.material < h.Payload && end > h.Payload:
		return broken(0x28, block.ErrCorrupt, "its key material ends at %#x, behind the beginning of the payload at %#x", end, h.Payload)
	case h.Payload != 0 && out.material >= h.Payload:
		return broken(0x28, block.ErrCorrupt, "its key material at %#x lies in the payload, which begins at %#x", out.material, h.Payload)
	case end > h.r.Size():
		return broken(0x28, block.ErrTruncated, "its key material ends at %#x, the file at %#x", end, h.r.Size())
	}
	if err := out.KDF.Validate(); err != nil {
		return broken(0x04, err, "")
	}
	return out
}

// End returns where the key material of the slots ends.
func (h *Header) End() int64 {
	end := int64(headerSize)
	for _, s := range h.Slots {
		if s.Err == nil {
			end = max(end, s.material+int64(s.stripes)*int64(h.KeyLen))
		}
	}
	return end
}

// Unlock returns the volume key, and the number of the slot that the passphrase
// opens. The error wraps block.ErrEncrypted if it opens none, and what kept
// slots from being tried. The caller wipes the key.
func (h *Header) Unlock(ctx context.Context, b *crypt.Budget, passphrase []byte) (key []byte, id int, err error) {
	var skipped []error
	for i := range h.Slots {
		s := &h.Slots[i]
		if s.Err != nil {
			skipped = append(skipped, s.Err)
			continue
		}
		key, err := h.try(ctx, b, s, passphrase)
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if err != nil {
			skipped = append(skipped, block.Locate("luks", fmt.Sprintf("key slot %d", s.ID), s.material, err))
			continue
		}
		if key != nil {
			return key, s.ID, nil
		}
	}
	if len(h.Slots) == 0 {
		return nil, 0, block.Errorf("luks", "header", 0xd0, block.ErrEncrypted, "no key slot is in use, so that no passphrase opens it")
	}
	return nil, 0, NoSlot(len(h.Slots), skipped)
}

// NoSlot is the error for a passphrase that opens none of n key slots, or for n
// slots of which none could be tried.
func NoSlot(n int, skipped []error) error {
	if len(skipped) == n {
		return errors.Join(skipped...)
	}
	err := block.Errorf("luks", "key slots", -1, block.ErrEncrypted, "the key opens none of them")
	return errors.Join(append([]error{err}, skipped...)...)
}

// try returns nil if the passphrase does not open the slot.
func (h *Header) try(ctx context.Context, b *crypt.Budget, s *Slot, passphrase []byte) ([]byte, error) {
	derived, err := b.Derive(ctx, &s.KDF, passphrase, h.KeyLen)
	if err != nil {
		return nil, err
	}
	defer clear(derived)
	key, err := Material(h.r, s.material, h.Spec, derived, h.KeyLen, s.stripes, h.Hash)
	if err != nil {
		return nil, err
	}
	ok, err := h.Verify(ctx, b, key)
	if err != nil || !ok {
		clear(key)
		return nil, err
	}
	return key, nil
}

// Material decrypts the key material at off, of stripes parts of n bytes, and
// merges it.
func Material(r block.Reader, off int64, spec crypt.Spec, derived []byte, n, stripes int, hash string) ([]byte, error) {
	c, err := spec.New(derived, Sector, 1)
	if err != nil {
		return nil, err
	}
	size := int64(n) * int64(stripes)
	whole := (size + Sector - 1) / Sector * Sector
	// A file may end in the middle of the last sector, of which not all is needed
	// if it is the last slot: what is beyond reads as zeros.
	p, err := block.ReadBytes(r, off, min(whole, r.Size()-off), maxMaterial+Sector)
	if err != nil {
		return nil, err
	}
	if int64(len(p)) < whole {
		p = append(p, make([]byte, whole-int64(len(p)))...)
	}
	defer clear(p)
	c.Decrypt(p, 0)
	return crypt.MergeAF(p[:size], n, stripes, hash)
}

// Verify reports whether key is the volume key.
func (h *Header) Verify(ctx context.Context, b *crypt.Budget, key []byte) (bool, error) {
	sum, err := b.Derive(ctx, &h.digest, key, digestSize)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, h.want[:]) == 1, nil
}
