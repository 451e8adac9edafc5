package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
)

// descriptor is a VMDK of one extent, and of a parent if that has a name.
func descriptor(kind, createType, extent, parent string) []byte {
	b := []byte("# Disk DescriptorFile\nversion=1\nCID=fffffffe\n")
	if parent == "" {
		b = fmt.Appendf(b, "parentCID=ffffffff\n")
	} else {
		b = fmt.Appendf(b, "parentCID=12345678\nparentFileNameHint=\"%s\"\n", parent)
	}
	return fmt.Appendf(b, "createType=\"%s\"\nRW 8 %s \"%s\"\n", createType, kind, extent)
}

func utf16Bytes(order binary.AppendByteOrder, s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

// childVHD lets child, a differencing VHD with its headers at the beginning,
// name its parent by a locator of that code, or in the header if code is "".
func childVHD(child []byte, code, name string) []byte {
	be := binary.BigEndian
	b := bytes.Clone(child)
	h := b[512:1536]
	clear(h[0x40 : 0x40+512+8*24])
	if code == "" {
		copy(h[0x40:0x240], utf16Bytes(be, name))
	} else {
		text := utf16Bytes(binary.LittleEndian, name)
		copy(h[0x240:], code)
		be.PutUint32(h[0x244:], 512)
		be.PutUint32(h[0x248:], uint32(len(text)))
		be.PutUint64(h[0x250:], uint64(len(b)-512))
		b = append(append(b[:len(b)-512:len(b)-512], append(text, make([]byte, 512-len(text))...)...), b[:512]...)
		h = b[512:1536]
	}
	clear(h[0x24:0x28])
	sum := uint32(0)
	for _, v := range h {
		sum += uint32(v)
	}
	be.PutUint32(h[0x24:], ^sum)
	return b
}

// childVHDX gives a VHDX a parent locator with one key. Its metadata has no
// checksum.
func childVHDX(t *testing.T, image []byte, key, name string) []byte {
	t.Helper()
	le := binary.LittleEndian
	b := bytes.Clone(image)
	table := bytes.Index(b, []byte("metadata"))
	if table < 0 {
		t.Fatal("no metadata table")
	}
	loc := make([]byte, 20+2*12)
	id := guid.Must("b04aefb7-d19e-4a81-b789-25b8e9445913")
	copy(loc, id[:])
	le.PutUint16(loc[18:], 2)
	for i, kv := range [][2]string{{"parent_linkage", "{00000000-0000-0000-0000-000000000001}"}, {key, name}} {
		e := loc[20+12*i:]
		k, v := utf16Bytes(le, kv[0]), utf16Bytes(le, kv[1])
		le.PutUint32(e, uint32(len(loc)))
		le.PutUint32(e[4:], uint32(len(loc)+len(k)))
		le.PutUint16(e[8:], uint16(len(k)))
		le.PutUint16(e[10:], uint16(len(v)))
		loc = append(append(loc, k...), v...)
	}
	n := int(le.Uint16(b[table+10:]))
	parameters := guid.Must("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
	for i := range n {
		if e := b[table+32+32*i:]; bytes.Equal(e[:16], parameters[:]) {
			b[table+int(le.Uint32(e[16:]))+4] |= 2 // it has a parent
		}
	}
	e := b[table+32+32*n:]
	id = guid.Must("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
	copy(e, id[:])
	le.PutUint32(e[16:], 0x18000)
	le.PutUint32(e[20:], uint32(len(loc)))
	le.PutUint32(e[24:], 4)
	copy(b[table+0x18000:], loc)
	le.PutUint16(b[table+10:], uint16(n+1))
	return b
}

// TestHypervisorReferences is recipes V08 to V10, V13, V14 and H10, and the
// same of VHDX: what a VMDK, VHD or VHDX names outside of its folder is not
// opened by any command, and each says so. The secret holds what the image asks
// for.
func TestHypervisorReferences(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "images")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := filepath.Join(top, "secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("the secret\n"), 400), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link-out": "../secret", "link-abs": secret, "link-dir": ".."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	put("base.raw", make([]byte, 4096))
	for _, args := range [][]string{{"create", "-f", "vhd", filepath.Join(dir, "p.vhd"), "2M"}, {"create", "-b", "p.vhd", filepath.Join(dir, "c.vhd")},
		{"create", "-f", "vhdx", "-o", "block_size=1M", filepath.Join(dir, "p.vhdx"), "2M"}} {
		if r := gk(t, args...); r.code != exitDone {
			t.Fatalf("%v: %+v", args, r)
		}
	}
	vhd, err := os.ReadFile(filepath.Join(dir, "c.vhd"))
	if err != nil {
		t.Fatal(err)
	}
	vhdx, err := os.ReadFile(filepath.Join(dir, "p.vhdx"))
	if err != nil {
		t.Fatal(err)
	}
	watch := watchOpens(t, secret)
	for _, name := range []string{secret, "../secret", "images/../../secret", "link-out", "link-abs", "link-dir/secret", "/etc/passwd", "/dev/zero", "/proc/self/environ",
		`..\secret`, `\\server\share\secret`, `C:\secret`, `\\?\C:\secret`, `json:{"driver":"file","filename":"` + secret + `"}`, "nbd://127.0.0.1:1/x", "nbd:127.0.0.1:1",
		"http://127.0.0.1:1/secret", "file:" + secret, "fd:0", "base.raw\x00", "..", ".", "image"} {
		images := map[string][]byte{
			"flat":            descriptor("FLAT", "monolithicFlat", name, ""),
			"VMFS":            descriptor("VMFS", "vmfs", name, ""),
			"sparse":          descriptor("SPARSE", "twoGbMaxExtentSparse", name, ""),
			"COWD":            descriptor("VMFSSPARSE", "vmfsSparse", name, ""),
			"seSparse":        descriptor("SESPARSE", "seSparse", name, ""),
			"parent of VMDK":  descriptor("VMFS", "vmfs", "base.raw", name),
			"relative VHD":    childVHD(vhd, "W2ru", name),
			"absolute VHD":    childVHD(vhd, "W2ku", name),
			"name in a VHD":   childVHD(vhd, "", name),
			"relative VHDX":   childVHDX(t, vhdx, "relative_path", name),
			"absolute VHDX":   childVHDX(t, vhdx, "absolute_win32_path", name),
			"device in VMDK":  descriptor("FLAT", "fullDevice", name, ""),
			"raw device VMDK": descriptor("VMFSRDM", "vmfsRawDeviceMap", name, ""),
		}
		for what, b := range images {
			path := put("image", b)
			for _, command := range [][]string{{"convert", "-O", "raw", path, filepath.Join(dir, "out")}, {"check", path}} {
				if command[0] == "check" && (strings.Contains(what, "VHD") || what == "parent of VMDK") { // of the file alone
					continue
				}
				r := gk(t, command...)
				said := false
				for _, class := range []error{block.ErrRefused, block.ErrLoop, block.ErrUnsupported, block.ErrCorrupt, block.ErrParent} {
					said = said || strings.Contains(r.err, class.Error())
				}
				if r.code != exitFailed || !said {
					t.Errorf("%s of %q: %s: code %d, %s%s", what, name, command[0], r.code, r.out, r.err)
				}
			}
			r := gk(t, "info", path)
			if strings.Contains(r.out+r.err, "the secret") || r.code == exitDone && !strings.Contains(r.out, "Problems") {
				t.Errorf("%s of %q: info says nothing of it: %s", what, name, r.out)
			}
			if watch.opened() {
				t.Fatalf("%s of %q: the secret was opened", what, name)
			}
			if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
				t.Fatalf("%s of %q: there is an output", what, name)
			}
		}
	}
}
