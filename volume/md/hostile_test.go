package md_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/md"
)

var le = binary.LittleEndian

// seal1 puts the checksum of a superblock of version 1 right.
func seal1(s []byte) {
	n := min(256+2*int(le.Uint32(s[0xdc:])), 4096, len(s))
	le.PutUint32(s[0xd8:], 0)
	sum := uint64(0)
	for i := 0; i+4 <= n; i += 4 {
		sum += uint64(le.Uint32(s[i:]))
	}
	if n%4 == 2 {
		sum += uint64(le.Uint16(s[n-2:]))
	}
	le.PutUint32(s[0xd8:], uint32(sum)+uint32(sum>>32))
}

// seal0 puts the checksum of one of version 0.90 right.
func seal0(s []byte) {
	le.PutUint32(s[0x98:], 0)
	sum := uint64(0)
	for i := 0; i < 4096; i += 4 {
		sum += uint64(le.Uint32(s[i:]))
	}
	le.PutUint32(s[0x98:], uint32(sum)+uint32(sum>>32))
}

func TestHostile(t *testing.T) {
	base := testimg.Case(t, arrays, "raid5-left-symmetric")
	const at = 4096
	for name, c := range map[string]struct {
		change func(s []byte)
		open   error // of Open, else of Assemble
		array  error
	}{
		"magic":                {change: func(s []byte) { s[0]++ }, open: block.ErrFormat},
		"place":                {change: func(s []byte) { s[0x90]++ }, open: block.ErrFormat},
		"roles":                {change: func(s []byte) { le.PutUint32(s[0xdc:], 1<<31) }, open: block.ErrCorrupt},
		"unknown feature":      {change: func(s []byte) { s[0x0a] = 1 }, open: block.ErrUnsupported},
		"data far away":        {change: func(s []byte) { le.PutUint64(s[0x80:], 1<<63) }, open: block.ErrCorrupt},
		"data past the end":    {change: func(s []byte) { le.PutUint64(s[0x80:], 1<<40) }, array: nil},
		"size":                 {change: func(s []byte) { le.PutUint64(s[0x50:], 1<<62) }, open: block.ErrCorrupt},
		"huge size":            {change: func(s []byte) { le.PutUint64(s[0x50:], 1<<51) }, array: block.ErrCorrupt},
		"no members":           {change: func(s []byte) { le.PutUint32(s[0x5c:], 0) }, array: block.ErrCorrupt},
		"many members":         {change: func(s []byte) { le.PutUint32(s[0x5c:], 1900) }, array: block.ErrLimit},
		"more members":         {change: func(s []byte) { le.PutUint32(s[0x5c:], 1<<30) }, open: block.ErrCorrupt},
		"chunk 0":              {change: func(s []byte) { le.PutUint32(s[0x58:], 0) }, array: block.ErrCorrupt},
		"huge chunk":           {change: func(s []byte) { le.PutUint32(s[0x58:], 1<<31) }, array: nil},
		"level":                {change: func(s []byte) { le.PutUint32(s[0x48:], 77) }, array: block.ErrUnsupported},
		"layout":               {change: func(s []byte) { le.PutUint32(s[0x4c:], 77) }, array: block.ErrUnsupported},
		"level 10 of nothing":  {change: func(s []byte) { le.PutUint32(s[0x48:], 10); le.PutUint32(s[0x4c:], 0) }, array: block.ErrCorrupt},
		"level 10, all copies": {change: func(s []byte) { le.PutUint32(s[0x48:], 10); le.PutUint32(s[0x4c:], 0xffff) }, array: block.ErrCorrupt},
		"events":               {change: func(s []byte) { le.PutUint64(s[0xc8:], 1<<64-1) }, array: nil},
		"bad blocks elsewhere": {change: func(s []byte) { le.PutUint32(s[0xbc:], 1<<31) }, array: nil},
		"bad blocks, shift":    {change: func(s []byte) { s[0xb9] = 255 }, array: nil},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for i := range 4 {
				b := bytes.Clone(base[fmt.Sprintf("m%d", i)])
				c.change(b[at:])
				seal1(b[at:])
				files[fmt.Sprintf("m%d", i)] = b
			}
			_, err := md.Open(block.Plain(bytes.NewReader(files["m0"])))
			if c.open != nil {
				if !errors.Is(err, c.open) {
					t.Errorf("Open: %v, want %v", err, c.open)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			a := assemble(t, files)
			if !errors.Is(a.Err, c.array) {
				t.Errorf("%v, want %v", a.Err, c.array)
			}
			if a.Device != nil {
				testimg.ReadDevice(a.Device, 1<<20)
			}
		})
	}
	b := bytes.Clone(base["m0"])
	b[at+0x50]++
	if _, err := md.Open(block.Plain(bytes.NewReader(b))); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("a bad checksum: %v", err)
	}
	for n := range int64(1 << 16) {
		if n%509 == 0 {
			md.Open(block.Plain(bytes.NewReader(base["m0"][:n])))
		}
	}
	// A copy of a member is no other member.
	ms := members(t, base)
	ms = append(ms, members(t, base, 1, 2, 3)...)
	a := md.Assemble(ms)[0]
	if a.Err != nil || a.Members[4].State != md.Duplicate {
		t.Errorf("a copy is %v, %v", a.Members[4].State, a.Err)
	}
	said(t, a, block.ErrAmbiguous, "as copies do")
	// A member whose end was cut off is made up for, and said.
	short := map[string][]byte{"m0": base["m0"][:1200<<10], "m1": base["m1"], "m2": base["m2"], "m3": base["m3"], "sum": base["sum"]}
	said(t, check(t, short), block.ErrTruncated, "it was cut to")
}

func TestMutations(t *testing.T) {
	seals := map[string]func([]byte){"raid5-left-symmetric": seal1, "raid10-f2-3": seal1, "raid0-original": seal1, "badblocks": seal1, "v090-raid5": seal0}
	testimg.Cases(t, arrays, func(name string, files map[string][]byte) {
		if seals[name] == nil {
			return
		}
		t.Run(name, func(t *testing.T) { mutate(t, files, seals[name]) })
	})
}

// mutate damages the superblock of the first member of an array.
func mutate(t *testing.T, files map[string][]byte, seal func([]byte)) {
	image, at := files["m0"], int64(4096)
	if le.Uint32(image[at:]) != 0xa92b4efc {
		at = int64(len(image))&^0xffff - 64<<10
	}
	testimg.Mutate(t, testimg.Mutations{Image: image, Where: []testimg.Range{{Off: at, N: 400}, {Off: at + 0x40, N: 0x80}},
		Seal: func(p *testimg.Patch, _ []int64) {
			s := bytes.Clone(p.Image[at : at+4096])
			seal(s)
			p.Write(at, s)
		},
		Run: func(r block.Reader) error {
			first, err := md.Open(block.Plain(r))
			if err != nil {
				return err
			}
			for _, a := range md.Assemble(append(members(t, files, 0), first)) {
				if a.Err != nil {
					return a.Err
				}
				if err := testimg.ReadDevice(a.Device, 1<<20); err != nil {
					return err
				}
			}
			return nil
		}})
}

// FuzzAssemble puts a superblock on a member of an array.
func FuzzAssemble(f *testing.F) {
	var files map[string][]byte
	testimg.Cases(f, arrays, func(name string, c map[string][]byte) {
		switch name {
		case "raid5-left-symmetric":
			files = c
		case "raid10-f2-3", "raid0-original", "replacing", "recovering", "badblocks":
		default:
			return
		}
		f.Add(c["m0"][4096:8192])
	})
	f.Fuzz(func(t *testing.T, s []byte) {
		if len(s) > 4096 {
			return
		}
		b := make([]byte, 256<<10)
		copy(b[4096:], s)
		if len(s) >= 256 {
			le.PutUint32(b[4096:], 0xa92b4efc)
			le.PutUint32(b[4100:], 1)
			le.PutUint64(b[4096+0x90:], 8)
			seal1(b[4096:8192])
		}
		m, err := md.Open(block.Plain(bytes.NewReader(b)))
		if err != nil {
			return
		}
		for _, a := range md.Assemble(append(members(t, files, 0), m)) {
			if (a.Device == nil) != (a.Err != nil) {
				t.Errorf("a device: %v, and the error %v", a.Device != nil, a.Err)
			}
			if a.Device != nil {
				testimg.ReadDevice(a.Device, 1<<20)
			}
		}
	})
}
