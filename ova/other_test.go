package ova

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// The disks in testdata/two.vma.gz and two.xva.gz, as make.py makes them.
var (
	diskOne = lines(6<<20+512, 0, 70000, 1<<20, 100, 3<<20, 5000, 6<<20-4096, 4608)
	diskTwo = lines(200000/512*512, 4096, 8192, 131072, 60000)
)

func lines(size int, runs ...int) []byte {
	b := make([]byte, size)
	for i := 0; i < len(runs); i += 2 {
		off, n := runs[i], runs[i+1]
		copy(b[off:min(off+n, size)], strings.Repeat(fmt.Sprintf("guestkit at %d\n", off), n/14+1))
	}
	return b
}

func unpacked(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var bare = &Options{Bare: true}

// disksAre compares the disks of a guest.
func disksAre(t *testing.T, p *Package, want map[string][]byte, order ...string) {
	t.Helper()
	disks, err := p.Guest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range disks {
		got = append(got, d.ID)
	}
	if !slices.Equal(got, order) {
		t.Errorf("the guest has the disks %q, want %q", got, order)
	}
	for name, b := range want {
		d, err := p.Disk(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Open(d.File)
		if err != nil {
			t.Fatal(name, err)
		}
		testimg.TestDevice(t, r, bytes.NewReader(b), 4096)
	}
}

func TestVMA(t *testing.T) {
	image := unpacked(t, "two.vma")
	p, err := Open(bytes.NewReader(image), bare)
	if err != nil {
		t.Fatal(err)
	}
	disksAre(t, p, map[string][]byte{"drive-scsi0": diskOne, "drive-scsi1": diskTwo, "drive-efidisk0": diskTwo[:131072]}, "drive-scsi0", "drive-scsi1")
	if m := p.Machines[0]; m.Name != "web" || m.CPUs != 2 || m.Memory != 2<<30 || m.Firmware != "efi" || m.OS != "l26" {
		t.Errorf("%+v", m)
	}
	if _, err := Open(bytes.NewReader(image), nil); !errors.Is(err, block.ErrFormat) {
		t.Errorf("without Bare: %v", err)
	}
	first := int(binary.BigEndian.Uint32(image[0x38:]))
	change := func(edit func(b []byte)) []byte {
		b := bytes.Clone(image)
		edit(b)
		return b
	}
	for name, c := range map[string]struct {
		image []byte
		class error
		text  string
	}{
		"header":             {change(func(b []byte) { b[0x20] ^= 1 }), block.ErrCorrupt, "checksum"},
		"version":            {change(func(b []byte) { b[7] = 2 }), block.ErrUnsupported, "version 2"},
		"header of 4 GiB":    {change(func(b []byte) { b[0x38] = 0xff }), block.ErrCorrupt, "size"},
		"extent":             {change(func(b []byte) { b[first+100] ^= 1 }), block.ErrCorrupt, "checksum"},
		"of another archive": {change(func(b []byte) { b[first+8] ^= 1; sealVMA(b) }), block.ErrCorrupt, "another archive"},
		"no such device":     {change(func(b []byte) { b[first+40+3] = 9; sealVMA(b) }), block.ErrCorrupt, "no device 9"},
		"cluster twice":      {change(func(b []byte) { copy(b[first+40+12:], b[first+40+4:][:4]); b[first+40+8+3] = b[first+40+3]; sealVMA(b) }), block.ErrCorrupt, "twice"},
		"cluster too far":    {change(func(b []byte) { b[first+40+4] = 1; sealVMA(b) }), block.ErrCorrupt, "behind the end"},
		"more blocks":        {change(func(b []byte) { b[first+7]++; sealVMA(b) }), block.ErrCorrupt, ""},
		"a device of 2^60":   {change(func(b []byte) { b[0x1000+32+8] = 0x10; sealVMA(b) }), block.ErrLimit, ""},
		"a larger device":    {change(func(b []byte) { b[0x1000+32+8+5]++; sealVMA(b) }), block.ErrTruncated, "of its"},
		"cut":                {image[:len(image)-1], block.ErrTruncated, ""},
		"cut before extents": {image[:first], block.ErrTruncated, "room for"},
	} {
		_, err := Open(bytes.NewReader(c.image), bare)
		if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.class, c.text)
		}
	}
}

// sealVMA repairs the checksums of the header and of the first extent.
func sealVMA(b []byte) {
	if len(b) < 12288 || string(b[:4]) != "VMA\x00" {
		return
	}
	n := int64(binary.BigEndian.Uint32(b[0x38:]))
	if n < 12288 || n > int64(len(b)) {
		return
	}
	seal := func(b []byte, at int) {
		clear(b[at : at+16])
		sum := md5.Sum(b)
		copy(b[at:], sum[:])
	}
	seal(b[:n], 0x20)
	for off := n; off+512 <= int64(len(b)) && string(b[off:off+4]) == "VMAE"; {
		seal(b[off:off+512], 24)
		off += 512 + int64(binary.BigEndian.Uint16(b[off+6:]))*4096
	}
}

func TestXVA(t *testing.T) {
	image := unpacked(t, "two.xva")
	p, err := Open(bytes.NewReader(image), bare)
	if err != nil {
		t.Fatal(err)
	}
	if odd := p.Problems(); len(odd) > 0 {
		t.Error(odd)
	}
	disksAre(t, p, map[string][]byte{"Ref:12": diskOne, "Ref:7": diskTwo}, "Ref:12", "Ref:7")
	if m := p.Machines[0]; m.Name != "web" || m.CPUs != 2 || m.Memory != 2<<30 || m.Firmware != "efi" {
		t.Errorf("%+v", m)
	}
	at := bytes.Index(image, []byte("guestkit at 3145728"))
	damaged := bytes.Clone(image)
	damaged[at] ^= 1
	if p, err = Open(bytes.NewReader(damaged), bare); err != nil {
		t.Fatal(err)
	}
	d, err := p.Open(p.disk("Ref:12").File)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadAt(make([]byte, 10), 3<<20+100); !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a damaged chunk: %v", err)
	}
	if _, err := d.ReadAt(make([]byte, 10), 0); err != nil {
		t.Errorf("a chunk before it: %v", err)
	}
	last := bytes.LastIndex(image, []byte("Ref:12/")) - 1024 - 512 // the header of the last chunk, of 512 bytes
	for name, n := range map[string]int{"in a header": at - 600, "in a chunk": at + 10, "before the last chunk": last, "before all": 20000} {
		if _, err := Open(bytes.NewReader(image[:n/512*512]), bare); !errors.Is(err, block.ErrTruncated) {
			t.Errorf("cut %s: %v", name, err)
		}
	}
}

// TestXVAPax reads an archive that tools wrote anew in the pax format, with records
// before each member and before all.
func TestXVAPax(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "two.xva")
	if err := os.WriteFile(image, unpacked(t, "two.xva"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := peers.Run(t, "tar", "-tf", image)
	list := filepath.Join(dir, "list")
	peers.Run(t, "tar", "-C", dir, "-xf", image)
	if err := os.WriteFile(list, []byte(names), 0o600); err != nil {
		t.Fatal(err)
	}
	const python = `
import sys, tarfile
src = tarfile.open(sys.argv[1])
with tarfile.open(sys.argv[2], "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "all"}) as out:
    for m in src:
        m.pax_headers = {"mtime": "1700000000.25", "comment": m.name}
        out.addfile(m, src.extractfile(m))
`
	for name, make := range map[string]func(to string){
		"GNU tar": func(to string) {
			peers.Run(t, "tar", "-C", dir, "--format=pax", "--no-recursion", "-cf", to, "-T", list)
		},
		"Python": func(to string) { peers.Run(t, "python3", "-c", python, image, to) },
	} {
		path := filepath.Join(dir, "pax.xva")
		make(path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b[:512], []byte("PaxHeader")) && !bytes.Contains(b[:512], []byte("pax_global_header")) && b[156] != 'g' && b[156] != 'x' {
			t.Fatalf("%s: it begins without a pax header: %q", name, b[:160])
		}
		p, err := Open(bytes.NewReader(b), bare)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if odd := p.Problems(); len(odd) > 0 || p.Kind != "xva" {
			t.Error(name, p.Kind, odd)
		}
		disksAre(t, p, map[string][]byte{"Ref:12": diskOne, "Ref:7": diskTwo}, "Ref:12", "Ref:7")
	}
}

func zipOf(t testing.TB, method uint16, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZip(t *testing.T) {
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		p, err := Open(bytes.NewReader(zipOf(t, method, map[string][]byte{"vm/disk.raw": diskOne, "vm/readme.txt": nil})), bare)
		if err != nil {
			t.Fatal(err)
		}
		if p.Kind != "zip" {
			t.Errorf("it is %q", p.Kind)
		}
		disksAre(t, p, map[string][]byte{"vm/disk.raw": diskOne}, "vm/disk.raw")
	}
	image := zipOf(t, zip.Deflate, map[string][]byte{"disk.raw": diskTwo})
	dir := bytes.LastIndex(image, []byte("PK\x01\x02"))
	end := len(image) - 22
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		class  error
	}{
		"encrypted":        {func(b []byte) []byte { b[dir+8] |= 1; return b }, block.ErrEncrypted},
		"Deflate64":        {func(b []byte) []byte { b[dir+10] = 9; return b }, block.ErrUnsupported},
		"cut":              {func(b []byte) []byte { return b[:len(b)-30] }, block.ErrTruncated},
		"several parts":    {func(b []byte) []byte { b[end+4] = 1; return b }, block.ErrUnsupported},
		"members":          {func(b []byte) []byte { b[end+10] = 2; return b }, block.ErrCorrupt},
		"directory":        {func(b []byte) []byte { b[end+16]++; return b }, block.ErrCorrupt},
		"4 GiB":            {func(b []byte) []byte { copy(b[dir+42:], "\xff\xff\xff\xff"); return b }, block.ErrCorrupt},
		"another header":   {func(b []byte) []byte { b[0x1] = 'X'; b[2] = 3; b[dir+42] = 5; return b }, block.ErrCorrupt},
		"bytes that lack":  {func(b []byte) []byte { b[dir+22] = 1; return b }, block.ErrTruncated},
		"more than it has": {func(b []byte) []byte { b[dir+24]++; return b }, nil},
	} {
		b := c.change(bytes.Clone(image))
		p, err := Open(bytes.NewReader(b), bare)
		if c.class != nil {
			if !errors.Is(err, c.class) {
				t.Errorf("%s: %v, want %v", name, err, c.class)
			}
			continue
		}
		if err != nil {
			t.Fatal(name, err)
		}
		d, err := p.Open(p.Disks[0].File)
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := io.Copy(io.Discard, io.NewSectionReader(d, 0, d.Size())); !errors.Is(err, block.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A wrong checksum is found where all is read.
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		b := zipOf(t, method, map[string][]byte{"disk.raw": diskTwo})
		b[bytes.LastIndex(b, []byte("PK\x01\x02"))+16] ^= 1
		p, err := Open(bytes.NewReader(b), bare)
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.Open(p.Disks[0].File)
		if err != nil {
			t.Fatal(err)
		}
		faults := 0
		err = d.(*zipped).Verify(t.Context(), func(error) { faults++ })
		if faults != 1 || err != nil {
			t.Errorf("method %d: %d faults, %v", method, faults, err)
		}
	}
}

// A holed keeps what is written to it but for zeros of its own.
type holed struct {
	zeros []byte
	parts map[int64][]byte
	size  int64
}

func (h *holed) Write(p []byte) (int, error) {
	if len(p) != len(h.zeros) || &p[0] != &h.zeros[0] {
		h.parts[h.size] = bytes.Clone(p)
	}
	h.size += int64(len(p))
	return len(p), nil
}

func (h *holed) Size() int64 { return h.size }

func (h *holed) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, h.size)
	clear(q)
	for at, b := range h.parts {
		for i := range b {
			if k := at + int64(i) - off; k >= 0 && k < int64(len(q)) {
				q[k] = b[i]
			}
		}
	}
	return len(q), eof
}

// TestZip64 reads a member of more than 4 GiB, and one behind it.
func TestZip64(t *testing.T) {
	h := &holed{zeros: make([]byte, 16<<20), parts: map[int64][]byte{}}
	const size = 5 << 30
	z := zip.NewWriter(h)
	f, err := z.CreateRaw(&zip.FileHeader{Name: "disk.raw", Method: zip.Store, CompressedSize64: size, UncompressedSize64: size})
	if err != nil {
		t.Fatal(err)
	}
	for range size / len(h.zeros) {
		f.Write(h.zeros)
	}
	small := []byte("what lies behind it")
	if f, err = z.CreateRaw(&zip.FileHeader{Name: "small.raw", Method: zip.Store, CRC32: crc32.ChecksumIEEE(small), CompressedSize64: uint64(len(small)), UncompressedSize64: uint64(len(small))}); err != nil {
		t.Fatal(err)
	}
	f.Write(small)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := Open(h, bare)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Disks) != 2 || p.Disks[0].File.Size != size {
		t.Fatalf("%+v", p.Files)
	}
	d, err := p.Open(p.Disks[1].File)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(small))
	if err := block.ReadFull(d, got, 0); err != nil || !bytes.Equal(got, small) {
		t.Errorf("%q, %v", got, err)
	}
	for _, b := range h.parts { // the end is said to lie in part 65,536
		if i := bytes.Index(b, []byte("PK\x06\x06")); i >= 0 {
			b[i+16+2] = 1
		}
	}
	if _, err := Open(h, bare); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("in several parts: %v", err)
	}
}

// FuzzBare opens archives without a descriptor: no panic, and no more memory than
// there is input for.
func FuzzBare(f *testing.F) {
	f.Add(zipOf(f, zip.Deflate, map[string][]byte{"disk.raw": []byte("disk")}))
	f.Add(zipOf(f, zip.Store, map[string][]byte{"disk.raw": []byte("disk")}))
	vma := unpacked(f, "two.vma")
	f.Add(vma[:binary.BigEndian.Uint32(vma[0x38:])+512])
	xva := unpacked(f, "two.xva")
	f.Add(xva[:bytes.Index(xva, []byte("Ref:7/00000000\x00"))+2048])
	f.Add(oldSparse(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		sealVMA(b)
		p, err := Open(bytes.NewReader(b), bare)
		if err != nil {
			var e *block.Error
			if !errors.As(err, &e) && !errors.Is(err, block.ErrFormat) {
				t.Errorf("%v has no class", err)
			}
			return
		}
		p.Guest()
		for _, file := range p.Files {
			d, err := p.Open(file)
			if err != nil {
				continue
			}
			buf := make([]byte, 4096)
			d.ReadAt(buf, 0)
			d.ReadAt(buf, max(0, d.Size()-100))
			n := 0
			for range block.Extents(d, 0, d.Size()) {
				if n++; n > 1000 {
					break
				}
			}
			block.Close(d)
		}
	})
}
