package bitlocker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
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
		binary.LittleEndian.PutUint32(at[n+4:], crcOf(at[:n]))
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

func crcOf(b []byte) uint32 { return crcWithout(append(bytes.Clone(b), 0, 0, 0, 0), len(b)) ^ crcWithout(make([]byte, len(b)+4), len(b)) ^ crcZero(len(b)+4) ^ crcFix(b) }
