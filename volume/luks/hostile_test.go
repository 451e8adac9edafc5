package luks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/crypt"
	"github.com/guestkit/guestkit/internal/testimg"
)

// low is bounds under which no mutant takes long.
var low = &Options{Limits: Limits{Memory: 4 << 20, Work: 20000, TotalWork: 100000}}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	return testimg.Unpack(t, "testdata/"+name+".img.gz")
}

// cheap gives a LUKS1 image a digest that is quick to check.
func cheap(t testing.TB, b []byte) []byte {
	t.Helper()
	v, err := Open(block.Plain(bytes.NewReader(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := v.v1.Unlock(context.Background(), crypt.NewBudget(crypt.Limits{}), []byte("geheim"))
	if err != nil {
		t.Fatal(err)
	}
	k := crypt.KDF{Type: "pbkdf2", Hash: "sha256", Iterations: 1000, Salt: b[0x84:0xa4]}
	sum, err := crypt.NewBudget(crypt.Limits{}).Derive(context.Background(), &k, key, 20)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[0x70:], sum)
	binary.BigEndian.PutUint32(b[0xa4:], 1000)
	return b
}

// readAll opens an image and reads what is in it.
func readAll(r block.Reader) error {
	v, err := Open(block.Plain(r), low)
	if err != nil {
		return err
	}
	v.Info()
	d, err := v.Unlock(context.Background(), []byte("geheim"))
	if err != nil {
		return err
	}
	b := make([]byte, 64<<10)
	for off := int64(0); off < min(d.Size(), 1<<20); off += int64(len(b)) {
		if err := block.ReadFull(d, b[:min(int64(len(b)), d.Size()-off)], off); err != nil {
			return err
		}
	}
	for _, err := range block.Extents(d, 0, d.Size()) {
		if err != nil {
			return err
		}
	}
	return nil
}

// seal repairs the checksums of both copies.
func seal(write func(int64, []byte), image []byte) {
	for _, off := range []int64{0, 16 << 10} {
		if int64(len(image)) < off+16<<10 {
			return
		}
		head := bytes.Clone(image[off : off+16<<10])
		clear(head[csumOff : csumOff+64])
		sum := sha256.Sum256(head)
		write(off+csumOff, sum[:])
	}
}

func TestMutations(t *testing.T) {
	one := cheap(t, fixture(t, "luks1"))
	testimg.Mutate(t, testimg.Mutations{Image: one, Where: []testimg.Range{{Off: 0, N: 592}}, Run: readAll, Seed: 1})
	testimg.Mutate(t, testimg.Mutations{Image: fixture(t, "luks2"), Where: []testimg.Range{{Off: 0, N: 512}, {Off: 4096, N: 1024}, {Off: 16 << 10, N: 512}, {Off: 20 << 10, N: 1024}}, Run: readAll, Seed: 2,
		Seal: func(p *testimg.Patch, _ []int64) { seal(p.Write, p.Image) }})
}

// edit replaces a text in both JSON areas and repairs the checksums.
func edit(t *testing.T, old, new string) []byte {
	t.Helper()
	b := fixture(t, "luks2")
	for _, off := range []int{4096, 20 << 10} {
		area := b[off : off+12<<10]
		text, _, _ := bytes.Cut(area, []byte{0})
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("no %q in %s", old, text)
		}
		n := bytes.Replace(text, []byte(old), []byte(new), 1)
		clear(area)
		copy(area, n)
	}
	seal(func(off int64, p []byte) { copy(b[off:], p) }, b)
	return b
}

func TestHostileJSON(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, c := range []struct {
		old, new string
		class    error
		says     string
	}{
		{`"memory":64`, `"memory":67108864`, block.ErrLimit, "65536 MiB"}, // 64 GiB
		{`"time":4`, `"time":4294967295`, block.ErrLimit, "4294967295 passes"},
		{`"time":4`, `"time":-4`, block.ErrCorrupt, "time"},
		{`"time":4`, `"time":1e9`, block.ErrCorrupt, "time"},
		{`"time":4`, `"TIME":4`, block.ErrCorrupt, "time"},
		{`"cpus":1`, `"cpus":0`, block.ErrCorrupt, "lanes"},
		{`"stripes":4000`, `"stripes":60000`, block.ErrCorrupt, "stripes"},
		{`"stripes":4000`, `"stripes":0`, block.ErrCorrupt, "stripes"},
		{`"offset":"32768"`, `"offset":"1048576"`, block.ErrCorrupt, "leaves that of the key slots"},
		{`"offset":"32768"`, `"offset":"0"`, block.ErrCorrupt, "leaves that of the key slots"},
		{`"offset":"1048576"`, `"offset":"9223372036854775807"`, block.ErrCorrupt, "no sector"},
		{`"offset":"1048576"`, `"offset":"9223372036854775296"`, block.ErrTruncated, "begins at"},
		{`"offset":"1048576"`, `"offset":"40960"`, block.ErrCorrupt, "area of the key slots"},
		{`"offset":"1048576"`, `"offset":"0"`, block.ErrUnsupported, "detached"},
		{`"size":"dynamic"`, `"size":"1048576"`, block.ErrTruncated, "segment 0"},
		{`"type":"crypt"`, `"type":"linear2"`, block.ErrUnsupported, "linear2"},
		{`"type":"crypt"`, `"integrity":{"type":"hmac(sha256)"},"type":"crypt"`, block.ErrUnsupported, "dm-integrity"},
		{`"type":"luks2"`, `"type":"reencrypt"`, block.ErrUnsupported, "reencryption"},
		{`"config":{`, `"config":{"requirements":{"mandatory":["opal"]},`, block.ErrUnsupported, "opal"},
		{`"config":{`, `"config":{"flags":` + deep + `,`, block.ErrCorrupt, "flags"},
		{`"tokens":{`, `"tokens":` + deep + `,"x":{`, block.ErrCorrupt, "tokens"},
		{`"tokens":{`, `"tokens":{"0":{"type":"x","keyslots":["00"]}`, block.ErrCorrupt, "keyslots"},
		{`"encryption":"aes-cbc-essiv:sha256","sector_size":512`, `"encryption":"camellia-xts-plain64","sector_size":512`, block.ErrUnsupported, "camellia"},
		{`"sector_size":512`, `"sector_size":513`, block.ErrCorrupt, "sector_size"},
		{`"keyslots":["0"]`, `"keyslots":[]`, block.ErrEncrypted, "none is for the payload"},
		{`"segments":["0"]`, `"segments":["1"]`, block.ErrCorrupt, "no digest"},
	} {
		err := readAll(bytes.NewReader(edit(t, c.old, c.new)))
		if !errors.Is(err, c.class) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%.40s: %v, want %v with %q", c.new, err, c.class, c.says)
		}
	}
}

// TestCopies checks which of two copies that disagree counts.
func TestCopies(t *testing.T) {
	const seq1, seq2 = 0x10 + 7, 16<<10 + 0x10 + 7
	for _, c := range []struct {
		name     string
		change   func(b []byte)
		problems int
		err      error
	}{
		{"as it is", func([]byte) {}, 0, nil},
		{"the first is newer", func(b []byte) { b[seq1]++; seal(func(o int64, p []byte) { copy(b[o:], p) }, b) }, 1, nil},
		{"the second is newer", func(b []byte) { b[seq2]++; seal(func(o int64, p []byte) { copy(b[o:], p) }, b) }, 1, nil},
		{"the first is damaged", func(b []byte) { b[5000] ^= 1 }, 1, nil},
		{"the second is damaged", func(b []byte) { b[21000] ^= 1 }, 1, nil},
		{"the first is gone", func(b []byte) { clear(b[:4096]) }, 1, nil},
		{"the second is gone", func(b []byte) { clear(b[16<<10 : 20<<10]) }, 1, nil},
		{"both are damaged", func(b []byte) { b[5000] ^= 1; b[21000] ^= 1 }, 0, block.ErrCorrupt},
		{"both are gone", func(b []byte) { clear(b[:4096]); clear(b[16<<10 : 20<<10]) }, 0, block.ErrFormat},
	} {
		b := fixture(t, "luks2")
		c.change(b)
		v, err := Open(block.Plain(bytes.NewReader(b)), nil)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err != nil {
			continue
		}
		if p := v.Problems(); len(p) != c.problems {
			t.Errorf("%s: %v", c.name, p)
		}
		if _, err := v.Unlock(context.Background(), []byte("geheim")); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSession checks that keys share one bound, and the volume key itself.
func TestSession(t *testing.T) {
	v, err := Open(block.Plain(bytes.NewReader(fixture(t, "luks2"))), &Options{Limits: Limits{TotalWork: 3000}})
	if err != nil {
		t.Fatal(err)
	}
	s := v.Session()
	for i := range 100 {
		_, err = s.Unlock(context.Background(), []byte("falsch"))
		if errors.Is(err, block.ErrLimit) {
			if i == 0 {
				t.Error("the first key was not tried")
			}
			break
		}
	}
	if !errors.Is(err, block.ErrLimit) {
		t.Errorf("a hundred keys: %v", err)
	}
	if _, err := v.Session().UnlockVolumeKey(context.Background(), make([]byte, 16)); !errors.Is(err, block.ErrEncrypted) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := v.Unlock(ctx, []byte("geheim")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(cheap(f, fixture(f, "luks1"))[:592])
	f.Add(fixture(f, "luks2")[:32<<10])
	f.Fuzz(func(t *testing.T, head []byte) {
		b := make([]byte, 1<<20+1024)
		copy(b, head)
		readAll(bytes.NewReader(b))
		seal(func(off int64, p []byte) { copy(b[off:], p) }, b)
		readAll(bytes.NewReader(b))
	})
}
