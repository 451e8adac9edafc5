package bitlocker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"hash/crc32"

	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/xts"
)

// What follows writes a small volume as the package reads it, to reach states
// for which there is no image of Windows: a conversion that is going on or was
// interrupted, encrypt-on-write, Vista. That the structures are right, the images
// of cryptsetup show; here it is about which bytes are taken to be encrypted.

const (
	builtSize  = 1 << 20
	builtInfo  = 0x20000 // and 0x40000, 0x60000
	builtMoved = 0x80000
	builtEOW   = 0x90000
	builtMap   = 0xa0000
	builtLog   = 0xb0000
	builtChunk = 0x10000
)

var builtID = guid.Must("12345678-1234-1234-1234-123456789abc")

// built says what to build.
type built struct {
	state     uint16
	watermark uint64
	logSize   uint32
	chunks    uint64 // of encrypt-on-write: a bit for each that is encrypted; 0: none of it
	plain     []byte // the whole volume as it is to be read, but for the areas that are not its own
}

func datumOf(role, typ uint16, body []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(8+len(body)))
	b = binary.LittleEndian.AppendUint16(b, role)
	b = binary.LittleEndian.AppendUint16(b, typ)
	b = binary.LittleEndian.AppendUint16(b, 1)
	return append(b, body...)
}

func keyDatum(typ uint16, key []byte) []byte {
	return datumOf(0, typeKey, append(binary.LittleEndian.AppendUint16(nil, typ), append([]byte{0, 0}, key...)...))
}

// wrap is AES-CCM.
func wrap(key, plain []byte) []byte {
	b, _ := aes.NewCipher(key)
	nonce := []byte("nonce nonce!")
	iv := append(append([]byte{2}, nonce...), 0, 0, 0)
	s0, text := make([]byte, 16), make([]byte, len(plain))
	stream := cipher.NewCTR(b, iv)
	stream.XORKeyStream(s0, s0)
	stream.XORKeyStream(text, plain)
	mac := append(append([]byte{58}, nonce...), 0, byte(len(plain)>>8), byte(len(plain)))
	b.Encrypt(mac, mac)
	for p := plain; len(p) > 0; p = p[min(16, len(p)):] {
		subtle.XORBytes(mac, mac, p[:min(16, len(p))])
		b.Encrypt(mac, mac)
	}
	subtle.XORBytes(mac, mac, s0)
	return append(append(nonce, mac...), text...)
}

// build makes the volume, which a clear key opens.
func (s *built) build() []byte {
	le := binary.LittleEndian
	out := make([]byte, builtSize)
	// The first 16 sectors lie elsewhere.
	copy(out, s.plain)
	copy(out[builtMoved:], s.plain[:8192])
	fvek := make([]byte, 32)
	for i := range fvek {
		fvek[i] = byte(i * 11)
	}
	c, _ := xts.New(fvek, aes.NewCipher)
	for off := 0; off < builtSize; off += 512 {
		encrypted := s.chunks>>(off/builtChunk)&1 != 0
		if s.chunks == 0 {
			encrypted = uint64(off) < s.watermark
		}
		if encrypted {
			c.Encrypt(out[off:off+512], 512, func(_ int, iv *[16]byte) { *iv = [16]byte{}; le.PutUint64(iv[:], uint64(off/512)) })
		}
	}
	clearKey, vmk := make([]byte, 32), make([]byte, 32)
	clearKey[0], vmk[0] = 1, 2
	head := make([]byte, 28)
	copy(head, builtID[:])
	entry := append(head, keyDatum(0x2000, clearKey)...)
	entry = append(entry, datumOf(0, typeWrapped, wrap(clearKey, keyDatum(0x2003, vmk)))...)
	data := datumOf(roleVMK, typeVMK, entry)
	data = append(data, datumOf(roleFVEK, typeWrapped, wrap(vmk, keyDatum(0x8004, fvek)))...)
	data = append(data, datumOf(roleDescription, typeUnicode, []byte("a\x00b\x00\x00\x00"))...)
	info := make([]byte, infoSize+datasetSize, 1024)
	copy(info, signature)
	info = append(info, data...)
	info = append(info, make([]byte, -len(info)&15)...)
	le.PutUint16(info[0x08:], uint16(len(info)/16))
	le.PutUint16(info[0x0a:], 2)
	le.PutUint16(info[0x0c:], s.state)
	le.PutUint64(info[0x10:], s.watermark)
	le.PutUint32(info[0x18:], s.logSize)
	le.PutUint32(info[0x1c:], 16)
	le.PutUint64(info[0x38:], builtMoved)
	le.PutUint32(info[0x40:], uint32(datasetSize+len(data)))
	le.PutUint32(info[0x44:], 1)
	le.PutUint32(info[0x48:], datasetSize)
	le.PutUint32(info[0x4c:], uint32(datasetSize+len(data)))
	copy(info[0x50:], builtID[:])
	le.PutUint16(info[0x64:], 0x8004)
	boot := out[:512]
	clear(boot)
	copy(boot, "\xeb\x58\x90"+signature)
	le.PutUint16(boot[0x0b:], 512)
	boot[0x0d] = 8
	id := infoGUID
	if s.chunks != 0 {
		id = eowGUID
	}
	copy(boot[160:], id[:])
	for i := range copies {
		off := uint64(builtInfo * (i + 1))
		le.PutUint64(boot[176+8*i:], off)
		le.PutUint64(info[0x20+8*i:], off)
	}
	for i := range copies {
		at := out[builtInfo*(i+1):][:64<<10]
		clear(at)
		n := copy(at, info)
		le.PutUint16(at[n:], 8)
		le.PutUint16(at[n+2:], 2)
	}
	sealInfo(func(off int64, b []byte) { copy(out[off:], b) }, out)
	if s.chunks != 0 {
		le.PutUint64(boot[200:], builtEOW)
		le.PutUint64(boot[208:], builtEOW)
		s.buildEOW(out)
	}
	return out
}

// sealInfo repairs the checksums of the metadata.
func sealInfo(write func(int64, []byte), image []byte) {
	for i := range copies {
		off := builtInfo * (i + 1)
		n := int(binary.LittleEndian.Uint16(image[off+8:])) * 16
		if n > 60<<10 {
			continue
		}
		write(int64(off+n+4), binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(image[off:off+n])))
	}
}

func (s *built) buildEOW(out []byte) {
	le := binary.LittleEndian
	e := out[builtEOW:][:512]
	clear(e)
	copy(e, eowSignature)
	le.PutUint16(e[0x08:], eowHeader)
	le.PutUint16(e[0x0a:], eowHeader+8)
	le.PutUint32(e[0x0c:], 512)
	le.PutUint32(e[0x14:], builtChunk)
	le.PutUint32(e[0x18:], 0x1000)
	le.PutUint32(e[0x20:], 1)
	le.PutUint64(e[0x38:], builtMap)
	le.PutUint32(e[0x24:], crcWithout(e[:eowHeader+8], 0x24))
	m := out[builtMap:][:4096]
	clear(m)
	copy(m, bitmapSignature)
	le.PutUint16(m[0x0a:], bitmapHeader)
	le.PutUint32(m[0x0c:], 4096)
	le.PutUint64(m[0x1c:], builtSize)
	le.PutUint64(m[0x24:], builtLog)
	le.PutUint32(m[0x2c:], 512)
	le.PutUint32(m[0x30:], 1024)
	le.PutUint32(m[0x38:], crcWithout(m[:512], 0x38))
	for i := range 2 { // the newer one is the first
		r := m[512*(i+1):][:recordHeader+8]
		copy(r, recordSignature)
		le.PutUint16(r[0x0a:], recordHeader)
		le.PutUint32(r[0x0c:], recordHeader+8)
		le.PutUint32(r[0x10:], builtSize/builtChunk)
		le.PutUint64(r[0x14:], uint64(9-i))
		if i == 0 {
			le.PutUint64(r[recordHeader:], s.chunks)
		}
		le.PutUint32(r[0x20:], crcWithout(r, 0x20))
	}
	clear(out[builtLog:][:0x1000])
}
