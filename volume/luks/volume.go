package luks

import (
	"context"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/crypt"
	"github.com/guestkit/guestkit/internal/luks1"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options says how a volume is opened. The zero value, or nil, suits hostile
// input.
type Options struct {
	// Header is the detached header. Nil means that the volume begins with it.
	Header block.Reader
	Limits Limits
}

// Limits bounds what keys may cost. Zero values stand for the defaults.
type Limits struct {
	// Memory bounds what argon2 may take, in bytes. The default is 1 GiB, the
	// most that cryptsetup uses on its own.
	Memory int64
	// Work bounds what one key slot may cost, and TotalWork all keys that are
	// tried on one volume. A unit is one iteration of PBKDF2 for each hash of
	// its result, or one pass of argon2 over 1 KiB: about a microsecond. The
	// defaults are 32 and 256 million.
	Work, TotalWork int64
}

// Info describes a volume. Nothing in it is secret.
type Info struct {
	Version       int
	UUID          string
	Label         string // of LUKS2
	Subsystem     string // of LUKS2
	SequenceID    uint64 // of LUKS2: counts the changes of the header
	Cipher        string // of the payload: "aes-xts-plain64"
	KeyBits       int    // of the volume key
	SectorSize    int    // bytes that are encrypted as one
	PayloadOffset int64  // bytes
	PayloadSize   int64  // bytes
	Slots         []Slot
	Tokens        []Token
	Flags         []string // of LUKS2: how the volume is to be activated
}

// A Slot is a key slot that is in use.
type Slot struct {
	ID       int
	Unbound  bool   // its key is not that of the payload
	Priority string // "ignore", "normal" or "prefer"
	KeyBits  int
	Cipher   string // of the key material
	KDF      string // "pbkdf2", "argon2i", "argon2id"
	Hash     string // of PBKDF2
	// Iterations is those of PBKDF2, or how often argon2 passes over its
	// memory.
	Iterations int64
	Memory     int64 // of argon2, in bytes
	Lanes      int   // of argon2
	// Cost says in words what a try costs.
	Cost string
	// Err says why no key can be tried on the slot, nil if one can.
	Err error
}

// A Token is what LUKS2 has about where keys come from.
type Token struct {
	ID    int
	Type  string // "systemd-tpm2", "clevis", "luks2-keyring"
	Slots []int
}

// A Volume is an encrypted volume whose headers have been read. It is safe for
// concurrent use.
type Volume struct {
	r        block.Device
	info     Info
	lim      crypt.Limits
	problems problem.List
	v1       *luks1.Header // nil if it is LUKS2
	v2       *metadata
}

// Open reads the headers of the volume in r. The error wraps block.ErrFormat if
// it has none.
func Open(r block.Device, opts *Options) (*Volume, error) {
	if opts == nil {
		opts = &Options{}
	}
	v := &Volume{r: r, lim: crypt.Limits(opts.Limits)}
	head := block.Reader(r)
	if opts.Header != nil {
		head = opts.Header
	}
	h, err := luks1.Open(head)
	switch {
	case err == nil:
		if err := v.open1(h, opts.Header != nil); err != nil {
			return nil, err
		}
		return v, nil
	case !errors.Is(err, block.ErrFormat):
		return nil, err
	}
	if err := v.open2(head, opts.Header != nil); err != nil {
		return nil, err
	}
	return v, nil
}

// open1 checks the header of LUKS1 against the volume.
func (v *Volume) open1(h *luks1.Header, detached bool) error {
	if h.Payload == 0 && !detached {
		return block.Errorf("luks", "header", 0x68, block.ErrUnsupported, "it is detached: the payload is in another file, which is to be opened with this header")
	}
	if h.Payload > v.r.Size() {
		return block.Errorf("luks", "header", 0x68, block.ErrTruncated, "the payload begins at %#x, the volume has %#x bytes", h.Payload, v.r.Size())
	}
	v.v1 = h
	v.info = Info{
		Version:       1,
		UUID:          h.UUID,
		Cipher:        h.Spec.String(),
		KeyBits:       h.KeyLen * 8,
		SectorSize:    luks1.Sector,
		PayloadOffset: h.Payload,
		PayloadSize:   (v.r.Size() - h.Payload) / luks1.Sector * luks1.Sector,
	}
	for _, s := range h.Slots {
		v.addSlot(Slot{ID: s.ID, Priority: "normal", KeyBits: h.KeyLen * 8, Cipher: v.info.Cipher, Err: s.Err}, &s.KDF, h.KeyLen)
	}
	return nil
}

// addSlot fills in the costs of a slot, and says whether they are allowed.
func (v *Volume) addSlot(s Slot, k *crypt.KDF, keyLen int) {
	s.KDF, s.Hash, s.Iterations, s.Memory, s.Lanes = k.Type, k.Hash, k.Iterations, k.Memory, k.Lanes
	s.Cost = k.String()
	if s.Err == nil {
		s.Err = block.Locate("luks", fmt.Sprintf("key slot %d", s.ID), -1, crypt.NewBudget(v.lim).Check(k, keyLen))
	}
	v.info.Slots = append(v.info.Slots, s)
}

// Info describes the volume.
func (v *Volume) Info() Info { return v.info }

// Problems returns what was found to be odd when the volume was opened.
func (v *Volume) Problems() []error { return v.problems.All() }

// A Device is an unlocked volume.
type Device struct {
	block.Device
	slot int
}

// Slot returns the key slot that opened the volume, -1 if it was the volume
// key itself.
func (d *Device) Slot() int { return d.slot }

// SectorSize is that of the encryption.
func (d *Device) SectorSize() int { return block.SectorSize(d.Device) }

// A Session tries keys on one volume within one bound of cost. It is not safe
// for concurrent use.
type Session struct {
	v *Volume
	b *crypt.Budget
}

// Session begins to try keys.
func (v *Volume) Session() *Session { return &Session{v, crypt.NewBudget(v.lim)} }

// Unlock is that of a new [Session].
func (v *Volume) Unlock(ctx context.Context, passphrase []byte) (*Device, error) {
	return v.Session().Unlock(ctx, passphrase)
}

// Unlock opens the volume by a passphrase or the content of a key file. The
// error wraps block.ErrEncrypted if it opens no slot, and block.ErrLimit if
// slots were not tried because they cost too much. The passphrase is not kept.
func (s *Session) Unlock(ctx context.Context, passphrase []byte) (*Device, error) {
	var key []byte
	var slot int
	var err error
	if s.v.v1 != nil {
		key, slot, err = s.v.v1.Unlock(ctx, s.b, passphrase)
	} else {
		key, slot, err = s.v.v2.unlock(ctx, s.b, passphrase)
	}
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return s.v.device(key, slot)
}

// UnlockVolumeKey opens the volume by its volume key. The error wraps
// block.ErrEncrypted if it is another one.
func (s *Session) UnlockVolumeKey(ctx context.Context, key []byte) (*Device, error) {
	var ok bool
	var err error
	if s.v.v1 != nil {
		ok, err = s.v.v1.Verify(ctx, s.b, key)
		ok = ok && len(key) == s.v.v1.KeyLen
	} else {
		ok, err = s.v.v2.payloadDigest.verify(ctx, s.b, key)
	}
	if err != nil {
		return nil, block.Locate("luks", "volume key", -1, err)
	}
	if !ok {
		return nil, block.Errorf("luks", "volume key", -1, block.ErrEncrypted, "it is not that of this volume")
	}
	return s.v.device(key, -1)
}

// device makes the decrypted device.
func (v *Volume) device(key []byte, slot int) (*Device, error) {
	if v.v1 != nil {
		c, err := v.v1.Spec.New(key, luks1.Sector, 1)
		if err != nil {
			return nil, block.Locate("luks", "payload", v.v1.Payload, err)
		}
		segs := []crypt.Segment{{Len: v.info.PayloadSize, Host: v.v1.Payload}}
		return &Device{crypt.NewDevice(v.r, c, luks1.Sector, 1, segs), slot}, nil
	}
	s := v.v2.segments[0]
	step := uint64(s.sector / luks1.Sector)
	c, err := s.spec.New(key, s.sector, step)
	if err != nil {
		return nil, block.Locate("luks", "segment 0", s.off, err)
	}
	var segs []crypt.Segment
	for _, s := range v.v2.segments {
		seg := crypt.Segment{Len: s.size, Host: s.off, First: s.ivTweak}
		if s.linear {
			seg.Kind = crypt.Plain
		}
		segs = append(segs, seg)
	}
	return &Device{crypt.NewDevice(v.r, c, s.sector, step, segs), slot}, nil
}
