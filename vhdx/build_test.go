package vhdx_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"unicode/utf16"

	"github.com/guestkit/guestkit/internal/guid"
)

// Where the parts of a built image lie.
const (
	mib        = 1 << 20
	logAt      = 1 * mib
	metadataAt = 2 * mib
	tableAt    = 3 * mib // the BAT
	blocksAt   = 4 * mib
	blockSize  = 1 * mib
	chunk      = (1 << 23) * 512 / blockSize
)

var le = binary.LittleEndian

func putGUID(b []byte, s string) { g := guid.Must(s); copy(b, g[:]) }

// sum writes the CRC-32C of b into its bytes 4 to 7.
func sum(b []byte) {
	clear(b[4:8])
	le.PutUint32(b[4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// seal repairs the checksums of headers and region tables.
func seal(b []byte) {
	sum(b[64<<10 : 68<<10])
	sum(b[128<<10 : 132<<10])
	sum(b[192<<10 : 256<<10])
	sum(b[256<<10 : 320<<10])
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

// build makes an image byte by byte. Each letter of the plan is a block: 'd'
// fully present, 'p' partially (every third sector, differencing only), 'z'
// zero, 'u' unmapped, 'o' the old unmapped, '.' not present. A parent makes it
// a differencing image whose locator has those keys. disk holds what the image
// itself stores.
func build(plan string, size int64, parent map[string]string, change func(b []byte)) (image, disk []byte) {
	b := make([]byte, blocksAt)
	copy(b, "vhdxfile")
	copy(b[8:], utf16le("guestkit test"))
	for i, at := range []int{64 << 10, 128 << 10} {
		h := b[at:]
		copy(h, "head")
		le.PutUint64(h[0x08:], uint64(7+i))
		putGUID(h[0x10:], "00000000-0000-0000-0000-000000000001")
		putGUID(h[0x20:], "00000000-0000-0000-0000-00000000da7a")
		le.PutUint16(h[0x42:], 1)
		le.PutUint32(h[0x44:], mib)
		le.PutUint64(h[0x48:], logAt)
	}
	for _, at := range []int{192 << 10, 256 << 10} {
		t := b[at:]
		copy(t, "regi")
		le.PutUint32(t[8:], 2)
		for i, e := range []struct {
			id  string
			off uint64
		}{{"2dc27766-f623-4200-9d64-115e9bfd4a08", tableAt}, {"8b7ca206-4790-4b9a-b8fe-575f050f886e", metadataAt}} {
			putGUID(t[16+32*i:], e.id)
			le.PutUint64(t[16+32*i+16:], e.off)
			le.PutUint32(t[16+32*i+24:], mib)
			le.PutUint32(t[16+32*i+28:], 1)
		}
	}
	m := b[metadataAt:]
	copy(m, "metadata")
	n, at := 0, 64<<10
	item := func(id string, data []byte) {
		e := m[32+32*n:]
		putGUID(e, id)
		le.PutUint32(e[16:], uint32(at))
		le.PutUint32(e[20:], uint32(len(data)))
		le.PutUint32(e[24:], 4)
		copy(m[at:], data)
		at += (len(data) + 15) / 16 * 16
		n++
		le.PutUint16(m[10:], uint16(n))
	}
	params := le.AppendUint32(le.AppendUint32(nil, blockSize), 0)
	if parent != nil {
		params[4] = 2
	}
	item("caa16737-fa36-4d43-b3b6-33f0aa44e76b", params)
	item("2fa54224-cd1b-4876-b211-5dbed83bf4b8", le.AppendUint64(nil, uint64(size)))
	item("8141bf1d-a96f-4709-ba47-f233a8faab5f", le.AppendUint32(nil, 512))
	item("cda348c7-445d-4471-9cc9-e9885251c556", le.AppendUint32(nil, 4096))
	item("beca12ab-b2e6-4523-93ef-c309e000c746", bytes.Repeat([]byte{0xd1}, 16))
	if parent != nil {
		item("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", locator(parent))
	}
	rng := rand.New(rand.NewPCG(uint64(len(plan)), 11))
	disk = make([]byte, len(plan)*blockSize)
	image = b
	bitmap := make([]byte, mib)
	for i, c := range plan {
		entry := uint64(strings.IndexRune(".?zu?odp", c)) // the state is the place
		if c == 'd' || c == 'p' {
			entry |= uint64(len(image))
			data := make([]byte, blockSize)
			for s := range blockSize / 512 {
				sector := data[s*512 : (s+1)*512]
				for j := 0; j < 512; j += 8 {
					le.PutUint64(sector[j:], rng.Uint64())
				}
				if c == 'd' || s%3 == 0 {
					copy(disk[i*blockSize+s*512:], sector)
					bit := i*blockSize/512 + s
					bitmap[bit/8] |= 1 << (bit % 8)
				}
			}
			image = append(image, data...)
		}
		le.PutUint64(image[tableAt+8*i:], entry)
	}
	if parent != nil {
		le.PutUint64(image[tableAt+8*chunk:], uint64(len(image))|6)
		image = append(image, bitmap...)
	}
	if change != nil {
		change(image)
	}
	seal(image)
	return image, disk[:size]
}

// locator encodes a parent locator.
func locator(keys map[string]string) []byte {
	b := make([]byte, 20+12*len(keys))
	putGUID(b, "b04aefb7-d19e-4a81-b789-25b8e9445913")
	le.PutUint16(b[18:], uint16(len(keys)))
	i := 0
	for k, v := range keys {
		e := 20 + 12*i
		kb, vb := utf16le(k), utf16le(v)
		le.PutUint32(b[e:], uint32(len(b)))
		le.PutUint16(b[e+8:], uint16(len(kb)))
		b = append(b, kb...)
		le.PutUint32(b[e+4:], uint32(len(b)))
		le.PutUint16(b[e+10:], uint16(len(vb)))
		b = append(b, vb...)
		i++
	}
	return b
}

const logID = "10f09a1b-2c3d-4e5f-8091-a2b3c4d5e6f7"

// A logWrite is one descriptor: zeros if data is nil, else a sector.
type logWrite struct {
	off, n int64
	data   []byte
}

// logEntry encodes one entry; tail and the two ends of the file are as given.
func logEntry(sequence uint64, tail uint32, flushed, last int64, writes ...logWrite) []byte {
	b := make([]byte, 64+32*len(writes))
	copy(b, "loge")
	le.PutUint32(b[12:], tail)
	le.PutUint64(b[16:], sequence)
	le.PutUint32(b[24:], uint32(len(writes)))
	putGUID(b[32:], logID)
	le.PutUint64(b[48:], uint64(flushed))
	le.PutUint64(b[56:], uint64(last))
	var sectors []byte
	for i, w := range writes {
		d := b[64+32*i:]
		le.PutUint64(d[16:], uint64(w.off))
		le.PutUint64(d[24:], sequence)
		if w.data == nil {
			copy(d, "zero")
			le.PutUint64(d[8:], uint64(w.n))
			continue
		}
		copy(d, "desc")
		copy(d[8:16], w.data[:8])
		copy(d[4:8], w.data[4092:])
		s := make([]byte, 4096)
		copy(s, "data")
		le.PutUint32(s[4:], uint32(sequence>>32))
		copy(s[8:4092], w.data[8:4092])
		le.PutUint32(s[4092:], uint32(sequence))
		sectors = append(sectors, s...)
	}
	b = append(b, make([]byte, -len(b)&4095)...)
	b = append(b, sectors...)
	le.PutUint32(b[8:], uint32(len(b)))
	sum(b)
	return b
}

// withLog puts entries into the ring of an image from off on and marks the log
// as used.
func withLog(image []byte, off int, entries ...[]byte) []byte {
	b := bytes.Clone(image)
	for _, e := range entries {
		for i := range e { // the ring may wrap
			b[logAt+(off+i)%mib] = e[i]
		}
		off += len(e)
	}
	putGUID(b[64<<10+0x30:], logID)
	putGUID(b[128<<10+0x30:], logID)
	seal(b)
	return b
}
