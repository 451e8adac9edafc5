package volume

import (
	"context"
	"encoding/binary"
	"runtime/debug"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// TestLabelInLabel scans disks whose label has a partition of a type that holds
// labels itself, and that begins where the label does: only partitions of an MBR
// or a GPT are looked into.
func TestLabelInLabel(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(16 << 20))
	le := binary.LittleEndian
	const first, count = 64, 2000
	disk := func(kind byte, label func(b []byte)) []byte {
		d := make([]byte, (first+count)*512)
		e := d[446:]
		e[4] = kind
		le.PutUint32(e[8:], first)
		le.PutUint32(e[12:], count)
		d[510], d[511] = 0x55, 0xAA
		label(d[(first+1)*512:])
		return d
	}
	for _, c := range []struct {
		name  string
		image []byte
		want  string
	}{
		{"bsd", disk(0xA5, func(b []byte) {
			le.PutUint32(b[0x00:], 0x82564557)
			le.PutUint32(b[0x28:], 512)
			le.PutUint32(b[0x84:], 0x82564557)
			le.PutUint16(b[0x8A:], 3) // "c" is not in use and starts at 0: addresses count from the slice
			le.PutUint32(b[0x94:], count)
			b[0xA0] = 0xA5
		}), "mbr1:bsd1"},
		{"solaris", disk(0xBF, func(b []byte) {
			le.PutUint32(b[0x0C:], 0x600DDEEE)
			le.PutUint32(b[0x10:], 1)
			le.PutUint16(b[0x1C:], 512)
			le.PutUint16(b[0x1E:], 1)
			le.PutUint16(b[0x48:], 0x82)
			le.PutUint32(b[0x50:], count)
		}), "mbr1:solaris1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, err := Scan(context.Background(), []block.Device{device(c.image)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			var names []string
			for _, v := range tree.Volumes {
				names = append(names, v.Name)
			}
			if _, ok := tree.Lookup(c.want); !ok || len(names) != 3 {
				t.Errorf("%q", names)
			}
		})
	}
}
