//go:build qemu && linux

package format_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

const borrowedSize = 4 << 20

// borrowedContent is the disk of all images here: data at its start, in the
// middle and at its end, and zeros.
func borrowedContent() []byte {
	b := make([]byte, borrowedSize)
	copy(b, bytes.Repeat([]byte{0x11}, 64<<10))
	copy(b[1<<20:], bytes.Repeat([]byte{0x22}, 300<<10))
	copy(b[len(b)-64<<10:], bytes.Repeat([]byte{0x33}, 64<<10))
	return b
}

// borrowedImages makes the disk as an image of each format that only qemu-img
// reads, by qemu-io where it writes the format and by hand where it does not.
func borrowedImages(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	images := map[string]string{}
	for _, name := range []string{"qcow", "parallels"} {
		path := filepath.Join(dir, name)
		peers.Run(t, "qemu-img", "create", "-q", "-f", name, path, "4M")
		peers.Run(t, "qemu-io", "-f", name, "-c", "write -q -P 0x11 0 64k", "-c", "write -q -P 0x22 1M 300k", "-c", "write -q -P 0x33 4032k 64k", path)
		images[name] = path
	}
	for name, b := range map[string][]byte{
		"bochs": bochsImage(borrowedContent()),
		"cloop": cloopImage(borrowedContent()),
		"dmg":   dmgImage(borrowedContent()),
	} {
		images[name] = filepath.Join(dir, name)
		if err := os.WriteFile(images[name], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return images
}

// bochsImage is a growing image whose extents are all there.
func bochsImage(disk []byte) []byte {
	const extent = 1 << 20
	b := make([]byte, 512)
	copy(b, "Bochs Virtual HD Image\x00")
	copy(b[32:], "Redolog")
	copy(b[48:], "Growing")
	for off, v := range map[int]uint32{64: 0x20000, 68: 512, 72: uint32(len(disk) / extent), 76: extent / 512 / 8, 80: extent} {
		binary.LittleEndian.PutUint32(b[off:], v)
	}
	binary.LittleEndian.PutUint64(b[88:], uint64(len(disk)))
	for n := range len(disk) / extent {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	for ; len(disk) > 0; disk = disk[extent:] {
		bitmap := bytes.Repeat([]byte{0xff}, (extent/512/8+511)&^511)
		b = append(append(b, bitmap...), disk[:extent]...)
	}
	return b
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func cloopImage(disk []byte) []byte {
	const unit = 64 << 10
	b := make([]byte, 128)
	copy(b, "#!/bin/sh\n#V2.0 Format\n")
	n := len(disk) / unit
	b = binary.BigEndian.AppendUint32(b, unit)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	at := len(b) + 8*(n+1)
	var data []byte
	for ; len(disk) > 0; disk = disk[unit:] {
		b = binary.BigEndian.AppendUint64(b, uint64(at+len(data)))
		data = append(data, deflated(disk[:unit])...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(at+len(data)))
	return append(b, data...)
}

// dmgImage is a UDIF image of zlib chunks.
func dmgImage(disk []byte) []byte {
	const unit = 1 << 20
	var data []byte
	mish := make([]byte, 204)
	copy(mish, "mish")
	for off := 0; off < len(disk); off += unit {
		z := deflated(disk[off : off+unit])
		mish = binary.BigEndian.AppendUint64(mish, 0x80000005<<32)
		for _, v := range []int{off / 512, unit / 512, len(data), len(z)} {
			mish = binary.BigEndian.AppendUint64(mish, uint64(v))
		}
		data = append(data, z...)
	}
	plist := "<plist><dict><key>blkx</key><array><dict><data>" + base64.StdEncoding.EncodeToString(mish) + "</data></dict></array></dict></plist>"
	koly := make([]byte, 512)
	copy(koly, "koly")
	binary.BigEndian.PutUint32(koly[8:], 512)
	binary.BigEndian.PutUint64(koly[0xd8:], uint64(len(data)))
	binary.BigEndian.PutUint64(koly[0xe0:], uint64(len(plist)))
	binary.BigEndian.PutUint64(koly[0x1ec:], uint64(len(disk)/512))
	return append(append(data, plist...), koly...)
}

// scratchIn has scratch files made in a folder, which is empty at all times.
func scratchIn(t *testing.T) (empty func()) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return func() {
		t.Helper()
		if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
			t.Errorf("scratch files with names: %v %v", names, err)
		}
	}
}

func TestFallback(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	images := borrowedImages(t)
	empty := scratchIn(t)
	for name, path := range images {
		t.Run(name, func(t *testing.T) {
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			im, err := format.OpenFile(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			empty()
			testimg.TestDevice(t, im, bytes.NewReader(borrowedContent()), 64<<10)
			if e, err := im.Extent(512 << 10); err != nil || !e.Zero || e.Host != nil {
				t.Errorf("a hole is %+v, %v", e, err)
			}
			for _, info := range []*format.Info{im.Info(), described(t, path)} {
				if info.Format != name || info.ReadBy != "qemu-img" || info.VirtualSize != borrowedSize || info.FileSize != int64(len(before)) {
					t.Errorf("%+v", info)
				}
			}
			if p := im.Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrUnsupported) || !strings.Contains(p[0].Error(), "read by qemu-img, not by guestkit") {
				t.Errorf("problems: %v", p)
			}
			if err := im.Close(); err != nil {
				t.Error(err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Error("the source has changed")
			}
		})
	}
}

func described(t *testing.T, path string) *format.Info {
	t.Helper()
	info, problems, err := format.DescribeFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 1 {
		t.Errorf("problems: %v", problems)
	}
	return info
}

// TestFallbackRefuses: what qemu-img would read in other files, not at all or as
// zeros is an error.
func TestFallbackRefuses(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	images := borrowedImages(t)
	empty := scratchIn(t)
	dir := t.TempDir()
	create := func(name string, args ...string) string {
		path := filepath.Join(dir, name)
		args = append([]string{"create", "-q"}, args...)
		peers.Run(t, "qemu-img", append(args[:len(args)-1:len(args)-1], path, args[len(args)-1])...)
		return path
	}
	half := func(name string) string {
		b, err := os.ReadFile(images[name])
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "half-"+name)
		if err := os.WriteFile(path, b[:len(b)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name, path string
		opts       *format.Options
		want       error
	}{
		{"a backing file that may be followed", create("b.qcow", "-f", "qcow", "-b", images["qcow"], "-F", "qcow", "4M"), &format.Options{AllowDirs: []string{"/"}}, block.ErrRefused},
		{"a QCOW image with a backing file", create("a.qcow", "-f", "qcow", "-b", "/etc/passwd", "-F", "raw", "4M"), nil, block.ErrRefused},
		{"an encrypted image", create("e.qcow", "-f", "qcow", "--object", "secret,id=s,data=abc", "-o", "encrypt.format=aes,encrypt.key-secret=s", "4M"), nil, block.ErrEncrypted},
		{"a disk of 2 TiB", create("h.qcow", "-f", "qcow", "2T"), nil, block.ErrLimit},
		{"half a Parallels image", half("parallels"), nil, block.ErrCorrupt},
		{"a snapshot", images["qcow"], &format.Options{Snapshot: "1"}, block.ErrUnsupported},
	} {
		im, err := format.OpenFile(c.path, c.opts)
		if err == nil {
			im.Close()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if info := described(t, filepath.Join(dir, "a.qcow")); info.Backing == nil || *info.Backing != (format.Reference{Name: "/etc/passwd"}) {
		t.Errorf("described with the backing file %+v", info.Backing)
	}
	for _, name := range []string{"qcow", "bochs", "cloop", "dmg"} {
		im, err := format.OpenFile(half(name), &format.Options{Format: name})
		if err != nil {
			continue
		}
		if p := im.Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "reads zeros") {
			t.Errorf("half a %s image opens, with the problems %v", name, p)
		}
		im.Close()
	}

	b, err := os.ReadFile(images["qcow"])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := format.Open(bytes.NewReader(b), nil); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("an image in memory: %v", err)
	}
	t.Setenv("PATH", dir)
	if _, err := format.OpenFile(images["qcow"], nil); !errors.Is(err, block.ErrUnsupported) || !strings.Contains(err.Error(), "qemu-img") {
		t.Errorf("without qemu-img: %v", err)
	}
	empty()
}
