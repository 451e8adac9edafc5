package lvm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/lvm"
)

// A region is where a hidden volume lies, in one run, on the first physical
// volume of a case.
type region struct {
	files    map[string][]byte
	pv       []byte
	off, len int64
}

// hidden finds a volume of a case that lies in one run.
func hidden(t testing.TB, files map[string][]byte, name string) region {
	t.Helper()
	v := find(t, group(t, files, "m"), name)
	if v.Err != nil {
		t.Fatal(v.Err)
	}
	e, err := v.Device.Extent(0)
	if err != nil || e.Host == nil || e.Len < v.Size {
		t.Fatalf("%s does not lie in one run: %+v, %v", name, e, err)
	}
	r := region{files, nil, e.HostOff, v.Size}
	for i := range 6 {
		b := files["m"+string(rune('0'+i))]
		if b == nil {
			break
		}
		got, want := make([]byte, 4096), make([]byte, 4096)
		if block.ReadFull(e.Host, got, 0) == nil && copy(want, b) == 4096 && bytes.Equal(got, want) {
			r.pv = b
		}
	}
	if r.pv == nil {
		t.Fatalf("%s lies nowhere", name)
	}
	return r
}

// used are the blocks of 4 KiB in the region that hold something, at most n.
func (r region) used(n int) []testimg.Range {
	var out []testimg.Range
	for at := r.off; at < r.off+r.len && len(out) < n; at += 4096 {
		if len(bytes.Trim(r.pv[at:at+4096], "\x00")) > 0 {
			out = append(out, testimg.Range{Off: at, N: 512})
		}
	}
	return out
}

// readAll assembles the case and reads the start of what is shown.
func (r region) readAll(changed block.Reader) error {
	var pvs []*lvm.PhysicalVolume
	for i := range 6 {
		b := r.files["m"+string(rune('0'+i))]
		if b == nil {
			break
		}
		d := block.Plain(bytes.NewReader(b))
		if &b[0] == &r.pv[0] {
			d = block.Plain(changed)
		}
		pv, err := lvm.Open(d)
		if err != nil {
			return err
		}
		pvs = append(pvs, pv)
	}
	groups, problems := lvm.Assemble(pvs)
	errs := problems
	for _, g := range groups {
		for _, v := range g.Volumes {
			if v.Err != nil {
				errs = append(errs, v.Err)
				continue
			}
			errs = append(errs, testimg.ReadDevice(v.Device, 512<<10))
		}
	}
	return errors.Join(errs...)
}

// sealMeta puts the checksum of a block of metadata right, whatever kind it is
// of: what it was of before tells.
func sealMeta(old, b []byte) {
	for _, xor := range []uint32{160774, 121107, 595846735, 9031977} {
		if ^crc32.Checksum(old[4:4096], crc32.MakeTable(crc32.Castagnoli))^xor == le.Uint32(old) {
			le.PutUint32(b, ^crc32.Checksum(b[4:4096], crc32.MakeTable(crc32.Castagnoli))^xor)
			return
		}
	}
}

// TestMetadataMutations damages the metadata of a thin pool, of a cache, of a
// snapshot and of the legs of a raid, with checksums repaired.
func TestMetadataMutations(t *testing.T) {
	targets := map[string]string{"thin": "pool_tmeta", "cachewb2": "cp_cpool_cmeta", "cachewb1": "cp_cpool_cmeta", "snaps": "store", "raids2": "r6rs_6_rmeta_0", "stale": "s6_rmeta_0"}
	testimg.Cases(t, archive, func(name string, files map[string][]byte) {
		if targets[name] == "" {
			return
		}
		t.Run(name, func(t *testing.T) {
			delete(files, "live0")
			target := targets[name]
			if name == "snaps" {
				mutateStore(t, files)
				return
			}
			r := hidden(t, files, target)
			clean := bytes.Clone(r.pv[r.off : r.off+r.len])
			testimg.Mutate(t, testimg.Mutations{Image: r.pv, Where: r.used(40), MaxHeap: 128 << 20,
				Seal: func(p *testimg.Patch, changed []int64) {
					for _, off := range changed {
						at := (off - r.off) &^ 4095
						if off < r.off || at+4096 > r.len {
							continue
						}
						b := bytes.Clone(p.Image[r.off+at : r.off+at+4096])
						sealMeta(clean[at:at+4096], b)
						p.Write(r.off+at, b)
					}
				},
				Run: func(c block.Reader) error { return ignore(r.readAll(c)) }})
		})
	})
}

// ignore leaves out what the case says without damage too.
func ignore(err error) error {
	if err == nil || strings.Count(err.Error(), "\n") == 0 && strings.Contains(err.Error(), "ran full") {
		return nil
	}
	return err
}

// mutateStore damages the table of a snapshot, which has no checksums. The
// store is found by its mark.
func mutateStore(t *testing.T, files map[string][]byte) {
	image := files["m0"]
	var where []testimg.Range
	for at := 0; at < len(image); at += 512 {
		if string(image[at:at+4]) == "SnAp" {
			where = append(where, testimg.Range{Off: int64(at), N: 16}, testimg.Range{Off: int64(at) + 4096, N: 2048})
		}
	}
	if len(where) == 0 {
		t.Fatal("no store")
	}
	r := region{files: files, pv: image}
	testimg.Mutate(t, testimg.Mutations{Image: image, Where: where, Run: func(c block.Reader) error { return ignore(r.readAll(c)) }})
}

// FuzzThin changes the metadata of a thin pool, checksums repaired: entries of
// 12 bytes name a block, an offset in it, and 8 bytes to write there.
func FuzzThin(f *testing.F) {
	r := hidden(f, testimg.Case(f, archive, "thin"), "pool_tmeta")
	f.Add([]byte("\x00\x00\x40\x01\x07\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x05\x00\x20\x00\xff\xff\xff\xff\xff\xff\xff\xff\x06\x00\x10\x00\x00\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, patches []byte) {
		if len(patches) > 40*12 {
			return
		}
		blocks := map[int64][]byte{}
		for ; len(patches) >= 12; patches = patches[12:] {
			n := int64(binary.LittleEndian.Uint16(patches)) % (r.len / 4096)
			b := blocks[n]
			if b == nil {
				b = bytes.Clone(r.pv[r.off+n*4096 : r.off+(n+1)*4096])
				blocks[n] = b
			}
			copy(b[binary.LittleEndian.Uint16(patches[2:])%4096:], patches[4:12])
		}
		o := block.NewOverlay(bytes.NewReader(r.pv), int64(len(r.pv)), 64)
		for n, b := range blocks {
			sealMeta(r.pv[r.off+n*4096:r.off+(n+1)*4096], b)
			if err := o.Set(r.off+n*4096, 4096, bytes.NewReader(b), 0); err != nil {
				t.Fatal(err)
			}
		}
		r.readAll(o.Device())
	})
}
