package vmdk_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vmdk"
)

const (
	sector = 512
	grain  = 8 * sector // of built images
	perGT  = 16         // entries a grain table
)

var le = binary.LittleEndian

// fill makes the bytes of stored grain i, the same for all kinds.
func fill(i int) []byte {
	b := make([]byte, grain)
	rng := rand.New(rand.NewPCG(uint64(i), 5))
	for j := 0; j < grain; j += 8 {
		le.PutUint64(b[j:], rng.Uint64()&0x0f0f0f0f0f0f0f0f)
	}
	return b
}

// disk is what a plan reads as: a 'd' is a stored grain, all else zeros.
func disk(plan string) []byte {
	b := make([]byte, len(plan)*grain)
	for i, c := range plan {
		if c == 'd' {
			copy(b[i*grain:], fill(i))
		}
	}
	return b
}

func descriptor(createType string, extra string, extents ...string) string {
	s := "# Disk DescriptorFile\nversion=1\nCID=0badf00d\nparentCID=ffffffff\ncreateType=\"" + createType + "\"\n" + extra + "\n# Extent description\n"
	for _, e := range extents {
		s += e + "\n"
	}
	return s + "\n# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.adapterType = \"lsilogic\"\n"
}

// hosted makes a sparse file ("KDMV"): 'd' a stored grain, 'z' a zeroed one,
// '.' none. text is the descriptor inside, "" for none.
func hosted(plan, text string, change func(b []byte)) []byte {
	const descAt, rgdAt, gdAt = 1, 21, 22 // sectors
	tables := (len(plan) + perGT - 1) / perGT
	first := gdAt + 1 + 2*tables // grains begin here
	b := make([]byte, first*sector)
	copy(b, "KDMV")
	le.PutUint32(b[4:], 1)
	le.PutUint32(b[8:], 1|2|4)
	le.PutUint64(b[0x0c:], uint64(len(plan)*grain/sector))
	le.PutUint64(b[0x14:], grain/sector)
	if text != "" {
		le.PutUint64(b[0x1c:], descAt)
		le.PutUint64(b[0x24:], 20)
		copy(b[descAt*sector:], text)
	}
	le.PutUint32(b[0x2c:], perGT)
	le.PutUint64(b[0x30:], rgdAt)
	le.PutUint64(b[0x38:], gdAt)
	le.PutUint64(b[0x40:], uint64(first))
	copy(b[0x49:], "\n \r\n")
	for t := range tables {
		le.PutUint32(b[rgdAt*sector+4*t:], uint32(gdAt+1+t))
		le.PutUint32(b[gdAt*sector+4*t:], uint32(gdAt+1+tables+t))
	}
	for i, c := range plan {
		e := uint32(0)
		switch c {
		case 'z':
			e = 1
		case 'd':
			e = uint32(len(b) / sector)
			b = append(b, fill(i)...)
		}
		for _, base := range []int{gdAt + 1, gdAt + 1 + tables} {
			le.PutUint32(b[(base+i/perGT)*sector+4*(i%perGT):], e)
		}
	}
	if change != nil {
		change(b)
	}
	return b
}

// stream makes a streamOptimized file whose directory is behind the grains.
func stream(plan string, version uint32, change func(b []byte)) []byte {
	b := make([]byte, 21*sector)
	copy(b, "KDMV")
	le.PutUint32(b[4:], version)
	le.PutUint32(b[8:], 1|1<<16|1<<17)
	le.PutUint64(b[0x0c:], uint64(len(plan)*grain/sector))
	le.PutUint64(b[0x14:], grain/sector)
	le.PutUint64(b[0x1c:], 1)
	le.PutUint64(b[0x24:], 20)
	le.PutUint32(b[0x2c:], perGT)
	le.PutUint64(b[0x38:], 1<<64-1)
	le.PutUint64(b[0x40:], 21)
	copy(b[0x49:], "\n \r\n")
	le.PutUint16(b[0x4d:], 1)
	copy(b[sector:], descriptor("streamOptimized", "", fmt.Sprintf(`RDONLY %d SPARSE "x.vmdk"`, len(plan)*grain/sector)))
	pad := func() { b = append(b, make([]byte, -len(b)&(sector-1))...) }
	marker := func(sectors uint64, kind uint32) {
		m := make([]byte, sector)
		le.PutUint64(m, sectors)
		le.PutUint32(m[12:], kind)
		b = append(b, m...)
	}
	var gts [][]byte
	for i, c := range plan {
		if i%perGT == 0 {
			gts = append(gts, make([]byte, sector))
		}
		if c != 'd' {
			continue
		}
		le.PutUint32(gts[i/perGT][4*(i%perGT):], uint32(len(b)/sector))
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		w.Write(fill(i))
		w.Close()
		b = le.AppendUint64(b, uint64(i*grain/sector))
		b = le.AppendUint32(b, uint32(z.Len()))
		b = append(b, z.Bytes()...)
		pad()
	}
	gd := make([]byte, sector)
	for t, gt := range gts {
		marker(1, 1)
		le.PutUint32(gd[4*t:], uint32(len(b)/sector))
		b = append(b, gt...)
	}
	marker(1, 2)
	at := len(b) / sector
	b = append(b, gd...)
	marker(1, 3)
	footer := bytes.Clone(b[:sector])
	le.PutUint64(footer[0x38:], uint64(at))
	b = append(b, footer...)
	b = append(b, make([]byte, sector)...)
	if change != nil {
		change(b)
	}
	return b
}

// cowd makes a vmfsSparse extent.
func cowd(plan string, flags uint32, change func(b []byte)) []byte {
	const table = 4096
	b := make([]byte, 2048+sector+4*table)
	copy(b, "COWD")
	le.PutUint32(b[4:], 1)
	le.PutUint32(b[8:], flags)
	le.PutUint32(b[0x0c:], uint32(len(plan)*grain/sector))
	le.PutUint32(b[0x10:], grain/sector)
	le.PutUint32(b[0x14:], 4)
	le.PutUint32(b[0x18:], 1)
	le.PutUint32(b[2048:], 5)
	for i, c := range plan {
		if c == 'd' {
			le.PutUint32(b[2048+sector+4*i:], uint32(len(b)/sector))
			b = append(b, fill(i)...)
		}
	}
	if change != nil {
		change(b)
	}
	return b
}

// sesparse makes a seSparse extent: 'u' is a grain that the guest unmapped.
func sesparse(plan string, change func(b []byte)) []byte {
	const volatile, gd, gt, grains = 1, 16, 32, 32 + 64 // sectors
	b := make([]byte, grains*sector)
	le.PutUint64(b[0x00:], 0xcafebabe)
	le.PutUint64(b[0x08:], 0x200000001)
	le.PutUint64(b[0x10:], uint64(len(plan)*grain/sector))
	le.PutUint64(b[0x18:], 8)
	le.PutUint64(b[0x20:], 64)
	for i, v := range []uint64{volatile, 1, 2, 2, 4, 2, gd, 1, gt, 64, 6, 1, 8, 1, grains, uint64(len(plan) * 8)} {
		le.PutUint64(b[0x50+8*i:], v)
	}
	le.PutUint64(b[volatile*sector:], 0xcafecafe)
	le.PutUint64(b[gd*sector:], 0x1000000000000000)
	n := uint64(0)
	for i, c := range plan {
		e := uint64(0)
		switch c {
		case 'z':
			e = 2 << 60
		case 'u':
			e = 1 << 60
		case 'd':
			e = 3<<60 | n&0xfff<<48 | n>>12
			n++
			b = append(b, fill(i)...)
		}
		le.PutUint64(b[gt*sector+8*i:], e)
	}
	if change != nil {
		change(b)
	}
	return b
}

// dir is an Opener over files in memory.
type dir map[string][]byte

func (d dir) open(r block.Ref) (block.Device, error) {
	b, ok := d[r.Name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", r.Name, os.ErrNotExist)
	}
	if r.Format == "vmdk" {
		return vmdk.Open(bytes.NewReader(b), &vmdk.Options{Opener: d.open})
	}
	return block.Plain(bytes.NewReader(b)), nil
}
