package qcow2_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
)

// The base of the recipes: header at 0, L1 table at 0x30000, its L2 table at
// 0x40000, a cluster of 'A' at 0x50000.
const (
	l1At, l2At, dataAt = 0x30000, 0x40000, 0x50000
	extAt              = 0x70
)

// A poke overwrites bytes.
type poke struct {
	off  int
	data []byte
}

func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// ext is a header extension with its padding.
func ext(typ uint32, data string) []byte {
	b := append(u32(typ), u32(uint32(len(data)))...)
	return append(append(b, data...), make([]byte, -len(data)&7)...)
}

// backing points the image at a backing file.
func backing(name, format string) []poke {
	exts := make([]byte, 0x200)
	if format != "" {
		copy(exts, ext(0xe2792aca, format))
	}
	return []poke{{l2At, u64(0)}, {extAt, exts}, {0x800, []byte(name)}, {8, u64(0x800)}, {16, u32(uint32(len(name)))}}
}

func apply(base []byte, pokes []poke) []byte {
	b := bytes.Clone(base)
	for _, p := range pokes {
		copy(b[p.off:], p.data)
	}
	return b
}

// deflated is a raw deflate stream of n zeros.
func deflated(n int) []byte {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, 9)
	z.Write(make([]byte, n))
	z.Close()
	return b.Bytes()
}

// compressedEntry is the L2 entry of a compressed cluster of 64 KiB.
func compressedEntry(off, sectors uint64) []byte { return u64(1<<62 | (sectors-1)<<54 | off) }

func repeat(v uint64, n int) []byte { return bytes.Repeat(u64(v), n) }

// recipes damage the base. class is what opening it, or reading and mapping
// all of it, must give; nil where the disk is readable.
var recipes = []struct {
	id    string
	pokes []poke
	size  int // of the file, if it is cut
	class error
	text  string // in the error
}{
	{"Q01", []poke{{4, u32(4)}}, 0, block.ErrUnsupported, "version 4"},
	{"Q02", []poke{{20, u32(8)}}, 0, block.ErrCorrupt, "cluster_bits"},
	{"Q03", []poke{{20, u32(63)}}, 0, block.ErrCorrupt, "cluster_bits"},
	{"Q04", []poke{{100, u32(0xffffffff)}}, 0, block.ErrCorrupt, "header_length"},
	{"Q05", []poke{{100, u32(72)}}, 0, block.ErrCorrupt, "header_length"},
	{"Q06", []poke{{36, u32(0x7fffffff)}}, 0, block.ErrLimit, "L1 table"},
	{"Q07", []poke{{36, u32(0x400001)}, {24, u64(0x400001 << 29)}}, 0, block.ErrLimit, "L1 table"},
	{"Q08", []poke{{40, u64(0x1234567890abcdef)}, {36, u32(1)}}, 0, block.ErrCorrupt, "L1 table"},
	{"Q09", []poke{{36, u32(0)}}, 0, block.ErrCorrupt, "L1 table"},
	{"Q10", []poke{{24, u64(1<<64 - 1)}}, 0, block.ErrCorrupt, "size"},
	{"Q11", []poke{{72, u64(0x20)}}, 0, block.ErrUnsupported, "bit 5"},
	{"Q12", []poke{{72, u64(1 << 63)}}, 0, block.ErrUnsupported, "bit 63"},
	{"Q13", []poke{{72, u64(4)}, {l2At, u64(1 << 63)}, {extAt, append(ext(0x44415441, "/etc/passwd"), u64(0)...)}}, 0, block.ErrRefused, "/etc/passwd"},
	{"Q14", []poke{{72, u64(4)}, {extAt, append(ext(0x44415441, `json:{"driver":"qcow2"}`), u64(0)...)}}, 0, block.ErrRefused, "json:"},
	{"Q15", backing("/etc/passwd", ""), 0, block.ErrRefused, "/etc/passwd"},
	{"Q16", backing("/etc/passwd", "raw"), 0, block.ErrRefused, "/etc/passwd"},
	{"Q17", backing("http://169.254.169.254/latest/meta-data/", "raw"), 0, block.ErrRefused, "http"},
	{"Q18", backing("nbd://127.0.0.1:10809/x", "raw"), 0, block.ErrRefused, "nbd"},
	{"Q19", backing(`json:{"file.driver":"http","file.url":"http://127.0.0.1:1/"}`, ""), 0, block.ErrRefused, "json"},
	{"Q22", backing("../../../../../../etc/passwd", "raw"), 0, block.ErrRefused, ".."},
	{"Q23", []poke{{8, u64(0x1000)}, {16, u32(0xffffffff)}}, 0, block.ErrCorrupt, "backing"},
	{"Q24", []poke{{extAt, append(u32(0x12345678), u32(0x7fffffff)...)}}, 0, block.ErrCorrupt, "extension"},
	{"Q25", []poke{{l1At, u64(1<<63 | l1At)}}, 0, block.ErrCorrupt, "over the L1 table"},
	{"Q26", []poke{{l1At, u64(1<<63 | 0x42a00)}}, 0, block.ErrCorrupt, "L1 table entry at offset 0x30000"},
	{"Q27", []poke{{l2At, u64(1<<63 | 0x52a00)}}, 0, block.ErrCorrupt, "L2 table entry at offset 0x40000"},
	{"Q28", []poke{{l2At, u64(0x80ffffffffff0000)}}, 0, block.ErrTruncated, "L2 table entry at offset 0x40000"},
	{"Q29", nil, dataAt + 4096, block.ErrTruncated, "0x51000"},
	{"Q30", []poke{{l2At, compressedEntry(dataAt, 256)}, {dataAt, deflated(1 << 24)}}, 0, nil, ""},
	{"Q31", []poke{{l2At, compressedEntry(dataAt, 1)}, {dataAt, bytes.Repeat([]byte{0xff}, 512)}}, 0, block.ErrCorrupt, "compressed cluster at offset 0x50000"},
	{"Q32", []poke{{60, u32(0xffffffff)}}, 0, block.ErrLimit, "snapshot table"},
	{"Q33", []poke{{64, u64(0x1234567890abcdef)}, {60, u32(1)}}, 0, block.ErrCorrupt, "snapshot table"},
	{"Q34", []poke{{96, u32(7)}}, 0, block.ErrCorrupt, "refcount_order"},
	{"Q35", []poke{{32, u32(1)}}, 0, block.ErrEncrypted, "AES"},
	{"Q36", []poke{{32, u32(0xdeadbeef)}}, 0, block.ErrUnsupported, "encryption method"},
	{"Q37", []poke{{72, u64(1)}}, 0, nil, "dirty bit"},
	{"Q38", []poke{{72, u64(2)}}, 0, nil, "corrupt bit"},
	{"Q39", []poke{{72, u64(8)}, {104, []byte{7}}}, 0, block.ErrUnsupported, "compression type 7"},
	{"Q40", []poke{{104, []byte{1}}}, 0, block.ErrCorrupt, "compression_type"},
	{"Q41", []poke{{72, u64(0x10)}, {20, u32(13)}}, 0, block.ErrCorrupt, "subclusters"},
	{"Q42", nil, 71, block.ErrTruncated, "header"},
	{"Q43", []poke{{24, u64(32 << 29)}, {36, u32(32)}, {l1At, repeat(1<<63|l2At, 32)}, {l2At, repeat(1<<63|dataAt, 8192)}}, 0, nil, "in use twice"},
	{"Q44", []poke{{56, u32(0xffffffff)}}, 0, block.ErrLimit, "refcount table"},

	// What the kit has not.
	{"data over the header", []poke{{l2At, u64(1 << 63)}, {l2At + 8, compressedEntry(0x100, 1)}}, 0, block.ErrCorrupt, "over the header"},
	{"data over the refcount table", []poke{{l2At, u64(1<<63 | 0x10000)}}, 0, block.ErrCorrupt, "over the refcount table"},
	{"data over a refcount block", []poke{{l2At, u64(1<<63 | 0x20000)}}, 0, block.ErrCorrupt, "refcount block"},
	{"data over the L1 table", []poke{{l2At, u64(1<<63 | l1At)}}, 0, block.ErrCorrupt, "over the L1 table"},
	{"data over an L2 table", []poke{{l2At, u64(1<<63 | l2At)}}, 0, block.ErrCorrupt, "over the L2 table"},
	{"L2 table over the header", []poke{{l1At, u64(1 << 9)}}, 0, block.ErrCorrupt, "L1 table entry"},
	{"L2 table past the end", []poke{{l1At, u64(1<<63 | 0x60000)}}, 0, block.ErrTruncated, "L1 table entry"},
	{"reserved bits in L1", []poke{{l1At, u64(1<<63 | 1<<56 | l2At)}}, 0, nil, "reserved"},
	{"reserved bits in L2", []poke{{l2At, u64(1<<63 | 2 | dataAt)}}, 0, nil, "reserved"},
	{"zero cluster in version 2", []poke{{4, u32(2)}, {l2At, u64(1)}}, 0, block.ErrCorrupt, "version 2"},
	{"compressed past the end", []poke{{l2At, compressedEntry(0x60000, 1)}}, 0, block.ErrTruncated, "L2 table entry"},
	{"compressed stream cut by the end", []poke{{l2At, compressedEntry(0x5fff0, 2)}, {0x5fff0, []byte{0x00, 0xff, 0xff, 0x00, 0x00}}}, 0, block.ErrTruncated, "compressed cluster"},
	{"compressed stream too short", []poke{{l2At, compressedEntry(dataAt, 2)}, {dataAt, deflated(65535)}}, 0, block.ErrCorrupt, "it holds 65535 bytes"},
	{"L1 table over the header", []poke{{40, u64(0)}}, 0, block.ErrCorrupt, "over the header"},
	{"L1 table past the end", []poke{{40, u64(1 << 40)}}, 0, block.ErrTruncated, "L1 table"},
	{"refcount table past the end", []poke{{48, u64(1 << 40)}}, 0, block.ErrTruncated, "refcount table"},
	{"no refcount table", []poke{{56, u32(0)}}, 0, block.ErrCorrupt, "refcount table"},
	{"snapshot table past the end", []poke{{64, u64(0x50000)}, {60, u32(65536)}}, 0, block.ErrTruncated, "snapshot table"},
	{"snapshot extra data", []poke{{64, u64(dataAt)}, {60, u32(1)}, {dataAt, make([]byte, 40)}, {dataAt + 0x24, u32(1025)}}, 0, block.ErrLimit, "extra data"},
	{"named feature", []poke{{72, u64(1 << 7)}, {extAt, append(ext(0x6803f857, "\x00\x07time travel"+strings.Repeat("\x00", 35)), u64(0)...)}}, 0, block.ErrUnsupported, `"time travel" (bit 7)`},
	{"data file without a name", []poke{{72, u64(4)}, {extAt, u64(0)}}, 0, block.ErrParent, "does not name it"},
}

func TestRecipes(t *testing.T) {
	base := fixture(t, "base.qcow2")
	for _, r := range recipes {
		t.Run(r.id, func(t *testing.T) {
			b := apply(base, r.pokes)
			if r.size > 0 {
				b = b[:r.size]
			}
			text, err := consume(bytes.NewReader(b))
			if r.class == nil && err != nil || !errors.Is(err, r.class) {
				t.Fatalf("got %v, want %v", err, r.class)
			}
			if err != nil {
				text = err.Error()
				if !strings.HasPrefix(text, "qcow2: ") {
					t.Errorf("%q does not name the format", text)
				}
			}
			if !strings.Contains(text, r.text) {
				t.Errorf("%q does not contain %q", text, r.text)
			}
		})
	}
}

// consume opens, reads and maps an image, and returns its problems.
func consume(r block.Reader) (string, error) {
	im, err := qcow2.Open(r, nil)
	if err != nil {
		return "", err
	}
	defer im.Close()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < min(im.Size(), 64<<20); off += int64(len(buf)) {
		if err := block.ReadFull(im, buf[:min(int64(len(buf)), im.Size()-off)], off); err != nil {
			return "", err
		}
	}
	for _, err := range block.Extents(im, 0, im.Size()) {
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprint(im.Problems()), nil
}

// TestNotMine is about files that are no qcow2 image.
func TestNotMine(t *testing.T) {
	for _, s := range []string{"", "QFI", "RAW DATA", "KDMV", strings.Repeat("\x00", 4096)} {
		if _, err := qcow2.Open(strings.NewReader(s), nil); !errors.Is(err, block.ErrFormat) {
			t.Errorf("%.8q: %v, want ErrFormat", s, err)
		}
	}
}
