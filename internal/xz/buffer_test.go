package xz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// pack compresses b with xz.
func pack(t testing.TB, b []byte, args ...string) []byte {
	t.Helper()
	cmd := peers.Command(t, "xz", append([]string{"-c", "-q"}, args...)...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err, args)
	}
	return out
}

// code makes bytes in which the branches of each architecture are common.
func code(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	common := []uint32{0xE8, 0xE9E8, 0x000000E8, 0xFFFFFFE8, 0x01000048, 0x4B000001, 0xEB000000, 0x40000000, 0x7FFFFFFF, 0xF800F000,
		0x94000000, 0x97FFFFFF, 0x90000000, 0xB0FFFFFF, 0x0000007F, 0x00000040, 0x05010048, 0x00E8E800}
	for i := 0; i+4 <= n; i += 1 + rng.IntN(8) {
		v := common[rng.IntN(len(common))] ^ rng.Uint32()&rng.Uint32()&rng.Uint32()&rng.Uint32()
		binary.LittleEndian.PutUint32(b[i:], v)
	}
	// IA-64: bundles with branches.
	for i := 0; i+16 <= n; i += 16 * (1 + rng.IntN(4)) {
		b[i] = []byte{16, 18, 22, 29}[rng.IntN(4)]
		for slot := range 3 {
			bit := 5 + 41*slot
			v := binary.LittleEndian.Uint64(append(bytes.Clone(b[i+bit/8:min(i+16, i+bit/8+8)]), make([]byte, 8)...))
			in := v >> (bit % 8)
			in = in&^(0xF<<37|7<<9) | 5<<37
			v = v&(1<<(bit%8)-1) | in<<(bit%8)
			for k := range 6 {
				b[i+bit/8+k] = byte(v >> (8 * k))
			}
		}
	}
	return b
}

// TestFilters decodes what xz has filtered.
func TestFilters(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	inputs := [][]byte{code(rng, 60000), code(rng, 17), code(rng, 4), code(rng, 5), nil, []byte("a"), bytes.Repeat([]byte("abc"), 20000)}
	if exe, err := os.ReadFile("/bin/ls"); err == nil {
		inputs = append(inputs, exe)
	}
	var d Decoder
	for _, f := range []string{"", "x86", "powerpc", "ia64", "arm", "armthumb", "sparc", "arm64", "x86=start=4096", "arm=start=65536", "delta=dist=1", "delta=dist=256", "x86 delta=dist=4"} {
		if f == "arm64" && !knowsARM64(t) {
			continue
		}
		args := []string{"--format=xz", "--check=crc32"}
		for one := range strings.FieldsSeq(f) {
			args = append(args, "--"+one)
		}
		for i, want := range inputs {
			packed := pack(t, want, append(args, "--lzma2=preset=6")...)
			got := make([]byte, len(want)+10)
			n, err := d.Decode(got, packed)
			if err != nil || !bytes.Equal(got[:n], want) {
				t.Errorf("%s, input %d: %d of %d bytes, %v", f, i, n, len(want), err)
			}
			if len(want) == 0 {
				continue
			}
			if _, err := d.Decode(got[:len(want)-1], packed); !errors.Is(err, ErrSpace) {
				t.Errorf("%s, input %d, with too little room: %v", f, i, err)
			}
			for range 8 {
				bad := bytes.Clone(packed)
				bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
				if n, err := d.Decode(got, bad); err == nil && !bytes.Equal(got[:n], want) {
					t.Errorf("%s, input %d: damage gave %d wrong bytes", f, i, n)
				}
				if _, err := d.Decode(got, packed[:rng.IntN(len(packed))]); err == nil {
					t.Errorf("%s, input %d: a part gave no error", f, i)
				}
			}
		}
	}
}

func knowsARM64(t *testing.T) bool {
	return exec.Command(peers.Command(t, "xz").Path, "--arm64", "--lzma2", "-c", "/dev/null").Run() == nil
}

// TestShapes decodes several blocks, other checksums, stored chunks and other
// properties of LZMA.
func TestShapes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	want := append(code(rng, 300000), bytes.Repeat([]byte("0123456789"), 20000)...)
	var d Decoder
	for _, args := range []string{"--block-size=50000", "--check=none", "--check=crc64", "--check=sha256", "-0", "-9e", "--lzma2=lc=0,lp=4,pb=4", "--lzma2=lc=4,lp=0,pb=0,dict=4KiB"} {
		got := make([]byte, len(want))
		n, err := d.Decode(got, pack(t, want, strings.Fields(args)...))
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("%s: %d bytes, %v", args, n, err)
		}
	}
	// The old format does not say its size where xz makes it of a pipe; mksquashfs
	// writes it there afterwards.
	alone := pack(t, want, "--format=lzma")
	got := make([]byte, len(want)+1)
	if _, err := d.Alone(got, alone); err == nil {
		t.Error("a size of -1 gave no error")
	}
	binary.LittleEndian.PutUint64(alone[5:], uint64(len(want)))
	if n, err := d.Alone(got, alone); err != nil || !bytes.Equal(got[:n], want) {
		t.Errorf("lzma: %d bytes, %v", n, err)
	}
	// MicroLZMA is the same without the header and the first byte.
	micro := append([]byte{^alone[0]}, alone[14:]...)
	clear(got)
	if err := d.Micro(got[:len(want)], micro); err != nil || !bytes.Equal(got[:len(want)], want) {
		t.Errorf("MicroLZMA: %v", err)
	}
	if err := d.Micro(got[:len(want)], micro[:len(micro)/2]); err == nil {
		t.Error("half of MicroLZMA gave no error")
	}
}

// FuzzDecode decodes whatever comes, in each of the formats.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"x86.xz", "text.xz"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 1000)
		f.Add(b[24:], 400)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		size = min(max(size, 0), 1<<18)
		var d Decoder
		dst := make([]byte, size+1)
		dst[size] = 0xA5
		if n, err := d.Decode(dst[:size], in); err == nil && n > size {
			t.Error(n)
		}
		d.Alone(dst[:size], in)
		d.Micro(dst[:size], in)
		// Behind the checksums of the headers, too.
		d.chunks(dst[:size], bytes.NewReader(in))
		for id := uint64(filterDelta); id <= filterARM64; id++ {
			Filter{id, []byte{0, 1, 2, 3}[:len(in)%2*4]}.undo(dst[:size])
		}
		if dst[size] != 0xA5 {
			t.Error("written behind the end")
		}
	})
}
