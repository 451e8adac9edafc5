package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

func TestCheckUntrusted(t *testing.T) {
	dir := t.TempDir()
	make := func(l qcow2.Layout, change func(b []byte)) block.Reader {
		os.Remove(dir + "/x")
		if _, err := ToFile(context.Background(), bytesDisk(1<<20), &Output{Path: dir + "/x", Format: "qcow2", Qcow2: l}, nil); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(dir + "/x")
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(b)
		}
		return bytes.NewReader(b)
	}
	l1 := func(b []byte) uint64 { return binary.BigEndian.Uint64(b[0x28:]) }
	for _, x := range []struct {
		name string
		r    block.Reader
		gate *Gate
		want error
	}{
		{"clean", make(qcow2.Layout{}, nil), nil, nil},
		{"backing file", make(qcow2.Layout{Backing: "/etc/passwd", BackingFormat: "raw"}, nil), nil, block.ErrRefused},
		{"too large", make(qcow2.Layout{}, nil), &Gate{MaxVirtualSize: 1 << 19}, block.ErrLimit},
		{"unknown feature", make(qcow2.Layout{}, func(b []byte) { b[0x4e] |= 1 }), nil, block.ErrUnsupported},
		{"unknown autoclear bit", make(qcow2.Layout{}, func(b []byte) { b[0x5e] |= 1 }), nil, block.ErrUnsupported},
		{"corrupt", make(qcow2.Layout{}, func(b []byte) { copy(b[l1(b):], b[:8]) }), nil, block.ErrCorrupt},
		{"stated otherwise", make(qcow2.Layout{}, nil), &Gate{Format: "vhdx"}, block.ErrFormat},
	} {
		reasons, err := CheckUntrusted(context.Background(), x.r, x.gate)
		if err != nil {
			t.Fatal(err)
		}
		if x.want == nil && len(reasons) > 0 || x.want != nil && !errors.Is(errors.Join(reasons...), x.want) {
			t.Errorf("%s: %v, want %v", x.name, reasons, x.want)
		}
	}
}

// TestCheckUntrustedMetadata damages a reference of each format in a way that
// a reader may get along with.
func TestCheckUntrustedMetadata(t *testing.T) {
	dir := t.TempDir()
	le, be := binary.LittleEndian, binary.BigEndian
	for format, damage := range map[string]func(b []byte){
		"vmdk": func(b []byte) { le.PutUint32(b[le.Uint64(b[0x38:])*512:], 0xffffff) },    // the grain directory that has a copy
		"vdi":  func(b []byte) { at := le.Uint32(b[0x154:]); copy(b[at+4:], b[at:at+4]) }, // two blocks at one place
		"vhd":  func(b []byte) { at := be.Uint64(b[0x210:]); copy(b[at+4:], b[at:at+4]) }, // the same
		"vhdx": func(b []byte) { copy(b[3<<20+8:], b[3<<20:3<<20+8]) },                    // the same
		"ova":  func(b []byte) { b[bytes.Index(b, []byte("KDMV"))+600] ^= 1 },             // against the manifest
	} {
		out := &Output{Path: dir + "/x." + format, Format: format}
		out.VHDX.BlockSize = 1 << 20
		if _, err := ToFile(context.Background(), bytesDisk(5<<20), out, nil); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out.Path)
		if err != nil {
			t.Fatal(err)
		}
		if reasons, err := CheckUntrusted(context.Background(), bytes.NewReader(b), nil); err != nil || len(reasons) > 0 {
			t.Errorf("%s: clean, %v, %v", format, reasons, err)
		}
		damage(b)
		if reasons, err := CheckUntrusted(context.Background(), bytes.NewReader(b), nil); err != nil || len(reasons) == 0 {
			t.Errorf("%s: damaged, %v, %v", format, reasons, err)
		}
	}
}
