package bitlocker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

// builtPlain is the content of what is built, with zeros where BitLocker's own
// areas are.
func builtPlain(eow bool) []byte {
	b := make([]byte, builtSize)
	for i := range b {
		b[i] = byte(i*7 + i/251 + i/512)
	}
	for i := range copies {
		clear(b[builtInfo*(i+1):][:64<<10])
	}
	clear(b[builtMoved:][:8192])
	if eow {
		clear(b[builtEOW:][:512])
		clear(b[builtMap:][:4096])
		clear(b[builtLog:][:4096])
	}
	return b
}

func openBuilt(t *testing.T, b []byte) *Device {
	t.Helper()
	v, err := Open(block.Plain(bytes.NewReader(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := v.Problems(); len(p) > 0 {
		t.Error(p)
	}
	if i := v.Info(); !i.Suspended || i.Description != "ab" || i.ID != builtID.String() {
		t.Errorf("%+v", i)
	}
	d, err := v.Unlock(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestConversion reads volumes of which a part is encrypted.
func TestConversion(t *testing.T) {
	for name, s := range map[string]*built{
		"all":             {state: stateEncrypted, watermark: builtSize},
		"half":            {state: stateSwitching, watermark: builtSize / 2},
		"paused":          {state: statePaused, watermark: 0x90000},
		"before the move": {state: stateSwitching, watermark: 0x10000},
		"bitmap":          {state: stateSwitching, watermark: builtSize, chunks: 0xa5a6},
		"bitmap, all":     {state: stateEncrypted, watermark: builtSize, chunks: 0xffff},
	} {
		t.Run(name, func(t *testing.T) {
			s.plain = builtPlain(s.chunks != 0)
			d := openBuilt(t, s.build())
			testimg.TestDevice(t, d, bytes.NewReader(s.plain), 512)
		})
	}
}

// TestInterrupted reads all but what was being converted.
func TestInterrupted(t *testing.T) {
	s := &built{state: stateDirty, watermark: 0xc0000, logSize: 0x1000, plain: builtPlain(false)}
	d := openBuilt(t, s.build())
	got := make([]byte, 0xc0000)
	if err := block.ReadFull(d, got, 0); err != nil || !bytes.Equal(got, s.plain[:len(got)]) {
		t.Error(err)
	}
	if _, err := d.ReadAt(got[:512], 0xc0200); !errors.Is(err, block.ErrDirty) {
		t.Errorf("what was being converted: %v", err)
	}
	if _, err := d.ReadAt(got[:512], 0xc1000); err != nil || !bytes.Equal(got[:512], s.plain[0xc1000:][:512]) {
		t.Errorf("behind it: %v", err)
	}
}

// TestVista reads a volume of version 1, on which the first 8 KiB are plain.
func TestVista(t *testing.T) {
	s := &built{state: stateEncrypted, watermark: builtSize, plain: builtPlain(false)}
	copy(s.plain[0x03:], "NTFS    ")
	binary.LittleEndian.PutUint64(s.plain[0x38:], 0x1234)
	b := s.build()
	copy(b, s.plain[:8192])
	copy(b[0x03:], signature)
	binary.LittleEndian.PutUint16(b[0x0b:], 512)
	b[0x0d] = 8
	copy(s.plain[0x0b:], b[0x0b:0x0e])
	binary.LittleEndian.PutUint64(b[0x38:], builtInfo/4096)
	for i := range copies {
		at := b[builtInfo*(i+1):]
		n := binary.LittleEndian.Uint16(at[8:]) * 16
		binary.LittleEndian.PutUint16(at[8:], n)
		binary.LittleEndian.PutUint16(at[0x0a:], 1)
		binary.LittleEndian.PutUint64(at[0x38:], 0x1234)
		binary.LittleEndian.PutUint32(at[n+4:], crc32.ChecksumIEEE(at[:n]))
	}
	d := openBuilt(t, b)
	got := make([]byte, builtInfo)
	if err := block.ReadFull(d, got, 0); err != nil || !bytes.Equal(got, s.plain[:builtInfo]) {
		t.Error("the beginning differs", err)
	}
	// Windows Vista keeps 16 KiB for each copy.
	if _, err := d.ReadAt(got[:16<<10], builtInfo); err != nil || !bytes.Equal(got[:16<<10], make([]byte, 16<<10)) {
		t.Error("the metadata is not zeros", err)
	}
	if _, err := d.ReadAt(got[:512], 0xd0000); err != nil || !bytes.Equal(got[:512], s.plain[0xd0000:][:512]) {
		t.Error("the rest differs", err)
	}
}

// readBuilt reads all that is in an image.
func readBuilt(r block.Reader) error {
	v, err := Open(block.Plain(r), &Options{Tries: 1})
	if err != nil {
		return err
	}
	d, err := v.Unlock(context.Background(), nil)
	if err != nil {
		return err
	}
	b := make([]byte, 64<<10)
	for off := int64(0); off < min(d.Size(), builtSize); off += int64(len(b)) {
		if err := block.ReadFull(d, b[:min(int64(len(b)), d.Size()-off)], off); err != nil {
			return err
		}
	}
	n := 0
	for _, err := range block.Extents(d, 0, d.Size()) {
		if n++; err != nil || n > 1<<16 {
			return err
		}
	}
	return nil
}

func TestMutations(t *testing.T) {
	for i, s := range []*built{{state: stateEncrypted, watermark: builtSize}, {state: stateSwitching, watermark: builtSize, chunks: 0xa5a6}} {
		s.plain = builtPlain(s.chunks != 0)
		where := []testimg.Range{{Off: 0, N: 256}, {Off: builtInfo, N: 640}, {Off: 2 * builtInfo, N: 640}}
		if s.chunks != 0 {
			where = append(where, testimg.Range{Off: builtEOW, N: 72}, testimg.Range{Off: builtMap, N: 64}, testimg.Range{Off: builtMap + 512, N: 48})
		}
		testimg.Mutate(t, testimg.Mutations{Image: s.build(), Where: where, Run: readBuilt, Seed: uint64(i), Seal: func(p *testimg.Patch, _ []int64) {
			sealInfo(p.Write, p.Image)
			sealEOW(p.Write, p.Image)
		}})
	}
}

// sealEOW repairs the checksums of encrypt-on-write.
func sealEOW(write func(int64, []byte), b []byte) {
	put := func(off, n, at int) {
		if n > at+4 && off+n <= len(b) {
			write(int64(off+at), binary.LittleEndian.AppendUint32(nil, crcWithout(b[off:off+n], at)))
		}
	}
	put(builtEOW, int(binary.LittleEndian.Uint16(b[builtEOW+0x0a:])), 0x24)
	put(builtMap, int(binary.LittleEndian.Uint32(b[builtMap+0x2c:])), 0x38)
	put(builtMap+512, int(binary.LittleEndian.Uint32(b[builtMap+512+0x0c:])), 0x20)
}

func TestHostile(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		name   string
		change func(b []byte)
		class  error
	}{
		{"no volume", func(b []byte) { clear(b[:512]) }, block.ErrFormat},
		{"no copy is valid", func(b []byte) {
			for i := range copies {
				b[builtInfo*(i+1)+0x70] ^= 1
			}
		}, block.ErrCorrupt},
		{"copies past the end", func(b []byte) {
			for i := range copies {
				le.PutUint64(b[176+8*i:], 1<<40)
			}
		}, block.ErrTruncated},
		{"negative offsets", func(b []byte) {
			for i := range copies {
				le.PutUint64(b[176+8*i:], 1<<63)
			}
		}, block.ErrTruncated},
		{"sectors of 3 bytes", func(b []byte) { b[0x0b] = 3; b[0x0c] = 0 }, block.ErrUnsupported},
		{"an unknown state", func(b []byte) { eachInfo(b, func(p []byte) { p[0x0c] = 9 }) }, block.ErrUnsupported},
		{"a giant relocation", func(b []byte) { eachInfo(b, func(p []byte) { le.PutUint32(p[0x1c:], 1<<31) }) }, block.ErrCorrupt},
		{"an entry past the end", func(b []byte) { eachInfo(b, func(p []byte) { le.PutUint16(p[0x70:], 0xffff) }) }, block.ErrCorrupt},
		{"version 3", func(b []byte) { eachInfo(b, func(p []byte) { p[0x0a] = 3 }) }, block.ErrUnsupported},
		{"another key", func(b []byte) { eachInfo(b, func(p []byte) { p[0x70+8+28+12] ^= 1 }) }, block.ErrEncrypted},
	} {
		b := (&built{state: stateEncrypted, watermark: builtSize, plain: builtPlain(false)}).build()
		c.change(b)
		if err := readBuilt(bytes.NewReader(b)); !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", c.name, err, c.class)
		}
	}
	// One bad copy is a problem, and the next one is read.
	b := (&built{state: stateEncrypted, watermark: builtSize, plain: builtPlain(false)}).build()
	b[builtInfo+0x70] ^= 1
	v, err := Open(block.Plain(bytes.NewReader(b)), nil)
	if err != nil || len(v.Problems()) != 1 {
		t.Error(err)
	}
}

// eachInfo changes all copies and repairs their checksums.
func eachInfo(b []byte, change func([]byte)) {
	for i := range copies {
		change(b[builtInfo*(i+1):])
	}
	sealInfo(func(off int64, p []byte) { copy(b[off:], p) }, b)
}

func FuzzOpen(f *testing.F) {
	for _, s := range []*built{{state: stateEncrypted, watermark: builtSize}, {state: stateSwitching, watermark: builtSize, chunks: 0xa5a6}} {
		s.plain = builtPlain(s.chunks != 0)
		b := s.build()
		f.Add(b[:512], b[builtInfo:][:640], b[builtEOW:][:128], b[builtMap:][:1100])
	}
	f.Fuzz(func(t *testing.T, boot, info, eow, bits []byte) {
		b := make([]byte, builtSize)
		copy(b, boot[:min(512, len(boot))])
		copy(b[builtInfo:], info[:min(64<<10, len(info))])
		copy(b[builtEOW:], eow[:min(64<<10, len(eow))])
		copy(b[builtMap:], bits[:min(64<<10, len(bits))])
		write := func(off int64, p []byte) { copy(b[off:], p) }
		sealInfo(write, b)
		sealEOW(write, b)
		readBuilt(bytes.NewReader(b))
	})
}
