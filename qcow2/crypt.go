package qcow2

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/crypt"
	"github.com/guestkit/guestkit/internal/luks1"
)

// cryptSector is the unit of encryption.
const cryptSector = 512

// A decryption is how the data clusters of an encrypted image are read: by
// LUKS1, whose header lies in the image and whose sectors are counted by where
// they lie in the file, or by the AES of old, whose sectors are those of the
// disk.
type decryption struct {
	cipher crypt.Cipher
	guest  bool // sectors are counted by the disk
}

// openDecryption asks for a key, if the image is encrypted.
func (m *metadata) openDecryption(opts *Options) (*decryption, error) {
	method, err := m.hdr.encryption()
	if method == "" || err != nil {
		return nil, err
	}
	if opts.Unlock == nil {
		return nil, block.Errorf(format, "header crypt_method", 0x20, block.ErrEncrypted, "%s, and no key is given", method)
	}
	need := block.KeyNeed{Format: format, Hint: "passphrase"}
	ctx := context.Background()
	if m.hdr.cryptMethod == cryptAES {
		d := &decryption{guest: true}
		// Nothing in the image tells whether the key is right.
		err := opts.Unlock.Try(ctx, need, func(key []byte) (err error) {
			var padded [16]byte // a longer passphrase is cut
			copy(padded[:], key)
			defer clear(padded[:])
			d.cipher, err = crypt.Spec{Cipher: "aes", Mode: "cbc", IV: "plain64"}.New(padded[:], cryptSector, 1)
			return err
		})
		if err != nil {
			return nil, block.Locate(format, "key", -1, err)
		}
		return d, nil
	}
	h, err := m.luksHeader()
	if err != nil {
		return nil, err
	}
	need.UUID = h.UUID
	b := crypt.NewBudget(crypt.Limits{Work: m.lim.KeyWork, TotalWork: 8 * m.lim.KeyWork})
	d := new(decryption)
	err = opts.Unlock.Try(ctx, need, func(key []byte) error {
		volume, _, err := h.Unlock(ctx, b, key)
		if errors.Is(err, block.ErrEncrypted) {
			return block.ErrKey
		}
		if err != nil {
			return err
		}
		defer clear(volume)
		d.cipher, err = h.Spec.New(volume, cryptSector, 1)
		return err
	})
	if err != nil {
		return nil, block.Locate(format, "key", -1, err)
	}
	return d, nil
}

// luksHeader reads the header that the extension for encryption names.
func (m *metadata) luksHeader() (*luks1.Header, error) {
	off, n, err := m.cryptoArea()
	if err != nil {
		return nil, err
	}
	h, err := luks1.Open(block.Section(block.Plain(m.r), off, n))
	if errors.Is(err, block.ErrFormat) {
		return nil, corrupt("encryption header", off, "no header of LUKS1")
	}
	return h, err
}

// cryptoArea is where the header for encryption lies.
func (m *metadata) cryptoArea() (off, n int64, err error) {
	for _, e := range m.ext.all {
		if e.typ != extCrypto {
			continue
		}
		if len(e.data) < 16 {
			return 0, 0, corrupt("header extension", e.off, "%d bytes for encryption", len(e.data))
		}
		off, n := binary.BigEndian.Uint64(e.data), binary.BigEndian.Uint64(e.data[8:])
		size := uint64(m.r.Size())
		if off > size || n > size-off || off%uint64(m.hdr.clusterSize()) != 0 {
			return 0, 0, corrupt("header extension", e.off, "an encryption header of %#x bytes at %#x", n, off)
		}
		return int64(off), int64(n), nil
	}
	return 0, 0, corrupt("header crypt_method", 0x20, "LUKS, without the header extension that says where its header is")
}

// read fills p with data that lies at host and belongs to off on the disk. Both
// are at the same place in a sector.
func (d *decryption) read(r block.Reader, p []byte, off, host int64) error {
	for len(p) > 0 {
		in := host % cryptSector
		q := p[:len(p)/cryptSector*cryptSector]
		part := in != 0 || len(q) == 0
		if part {
			q = make([]byte, cryptSector)
		}
		if err := block.ReadFull(r, q, host-in); err != nil {
			return err
		}
		first := (host - in) / cryptSector
		if d.guest {
			first = (off - in) / cryptSector
		}
		d.cipher.Decrypt(q, uint64(first))
		n := len(q)
		if part {
			n = copy(p, q[in:])
		}
		p, off, host = p[n:], off+int64(n), host+int64(n)
	}
	return nil
}
