package registry_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/registry"
)

// raw makes a hive of one bin whose cells hold what is given, in order, the
// root key first.
func raw(cells ...[]byte) []byte {
	b := make([]byte, 8192)
	copy(b, "regf")
	for off, v := range map[int]uint32{4: 1, 8: 1, 20: 1, 24: 5, 32: 1, 36: 0x20, 40: 0x1000, 0x1008: 0x1000} {
		binary.LittleEndian.PutUint32(b[off:], v)
	}
	copy(b[0x1000:], "hbin")
	at := 0x1020
	for _, c := range cells {
		n := (len(c) + 4 + 7) &^ 7
		binary.LittleEndian.PutUint32(b[at:], uint32(-n))
		copy(b[at+4:], c)
		at += n
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at))
	regftest.Seal(b)
	return b
}

// le packs numbers: uint16 and uint32 little-endian, strings as they are.
func le(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			b = binary.LittleEndian.AppendUint32(b, uint32(f))
		case uint16:
			b = binary.LittleEndian.AppendUint16(b, f)
		case string:
			b = append(b, f...)
		}
	}
	return b
}

const none = 0xffffffff

// nk is a key whose parent is the root.
func nk(name string, subkeys, list, values, valueList int) []byte {
	return le("nk", uint16(0x2c), 0, 0, 0, 0x20, subkeys, 0, list, none, values, valueList, none, none, 0, 0, 0, 0, 0, uint16(len(name)), uint16(0), name)
}

// second is where the cell behind a root key with a name of 4 letters lies.
const second = 0x20 + 88

// readAll reads all that there is and returns the first error. As keys share no
// values and values no data, all of it is not more than the hive: a small one
// that says otherwise would be read for hours.
func readAll(r block.Reader, o *registry.Options) error {
	h, err := registry.Open(r, o)
	if err != nil {
		return err
	}
	var first error
	left := r.Size()
	if o != nil {
		for _, l := range o.Logs {
			left += l.Size()
		}
	}
	note := func(err error) bool {
		if first == nil {
			first = err
		}
		return err == nil
	}
	var walk func(k *registry.Key)
	walk = func(k *registry.Key) {
		_, err := k.Class()
		note(err)
		for v, err := range k.Values() {
			if note(err) {
				b, err := v.Bytes()
				note(err)
				if left -= int64(len(b)) + 24; left < 0 {
					note(block.Errorf("regf", "hive", -1, block.ErrCorrupt, "more data than the hive has"))
					return
				}
				v.Text()
				v.Strings()
				v.Uint()
			}
		}
		for sub, err := range k.Subkeys() {
			if note(err) {
				walk(sub)
			}
		}
	}
	walk(h.Root())
	return first
}

func TestHostile(t *testing.T) {
	vk := func(size, data int) []byte { return le("vk", uint16(1), size, data, 1, uint16(1), uint16(0), "v") }
	plain := raw(nk("ROOT", 0, none, 0, none))
	poke := func(b []byte, off int, v uint32) []byte {
		b = bytes.Clone(b)
		binary.LittleEndian.PutUint32(b[off:], v)
		regftest.Seal(b)
		return b
	}
	class := nk("ROOT", 0, none, 0, none)
	binary.LittleEndian.PutUint32(class[48:], 0xfffffff0)
	binary.LittleEndian.PutUint16(class[74:], 8)
	deep := &regftest.Key{Name: "R"}
	for at, i := deep, 0; i < 600; i++ {
		at = at.Key("k")
	}
	other := nk("AAAA", 0, none, 0, none)
	binary.LittleEndian.PutUint32(other[16:], 0x100)
	free := raw(nk("ROOT", 1, second, 0, none), le("lh", uint16(1), second+16, 0), nk("AAAA", 0, none, 0, none))
	binary.LittleEndian.PutUint32(free[0x1000+second+16:], 88) // in use no more
	big := regftest.Build((&regftest.Key{}).Set("", regftest.Binary("b", make([]byte, 40000))), nil)
	db := bytes.Index(big, []byte("db"))
	bins := regftest.Build((&regftest.Key{}).Set("K", regftest.Binary("x", make([]byte, 4000)), regftest.Binary("y", make([]byte, 4000))), nil)

	for _, c := range []struct {
		name  string
		hive  []byte
		class error
	}{
		{"R01 an ri that names itself", raw(nk("ROOT", 1, second, 0, none), le("ri", uint16(1), second)), block.ErrCorrupt},
		{"R02 a child that is the root", raw(nk("ROOT", 1, second, 0, none), le("lh", uint16(1), 0x20, 0)), block.ErrLoop},
		{"R03 more subkeys than its cell holds", raw(nk("ROOT", 0x7fffffff, second, 0, none), le("lh", uint16(0xffff), 0, 0, 0, 0)), block.ErrCorrupt},
		{"R04 a long value", raw(nk("ROOT", 0, none, 1, second), le(second+8), vk(0x7fffffff, 0x20)), block.ErrLimit},
		{"R06 a bin of size 0", poke(plain, 0x1008, 0), block.ErrCorrupt},
		{"R08 keys 600 deep", regftest.Build(deep, nil), block.ErrLimit},
		{"R09 too many parts", poke(big, db, 0xffff6264), block.ErrCorrupt},
		{"too few parts", poke(big, db, 0x00026264), block.ErrCorrupt},
		{"R11 a class name past the end", raw(class), block.ErrCorrupt},

		{"empty", nil, block.ErrFormat},
		{"not a hive", make([]byte, 8192), block.ErrFormat},
		{"only a base block", plain[:4096], block.ErrTruncated},
		{"cut off in the only bin", plain[:6000], block.ErrTruncated},
		{"cut off between bins", bins[:len(bins)-4096], block.ErrTruncated},
		{"a log", poke(plain, 28, 6), block.ErrUnsupported},
		{"version 1.2", poke(plain, 24, 2), block.ErrUnsupported},
		{"version 1.7", poke(plain, 24, 7), block.ErrUnsupported},
		{"version 2.5", poke(plain, 20, 2), block.ErrUnsupported},
		{"file format 2", poke(plain, 32, 2), block.ErrUnsupported},
		{"bins of an odd size", poke(plain, 40, 0x1001), block.ErrCorrupt},
		{"bins of no size", poke(plain, 40, 0), block.ErrCorrupt},
		{"bins of 2 GiB and more", poke(plain, 40, 0x80001000), block.ErrLimit},
		{"a root nowhere", poke(plain, 36, none), block.ErrCorrupt},
		{"a root past the bins", poke(plain, 36, 0x1000), block.ErrCorrupt},
		{"a root inside a cell", poke(plain, 36, 0x28), block.ErrCorrupt},
		{"a root in the head of a bin", poke(plain, 36, 0), block.ErrCorrupt},
		{"a root inside the data of a cell", poke(raw(le("data", -88, string(nk("ROOT", 0, none, 0, none)))), 36, 0x28), block.ErrCorrupt},
		{"a root that is no key", raw(le("xx", strings.Repeat("x", 90))), block.ErrCorrupt},
		{"a bin without its mark", poke(plain, 0x1000, 0), block.ErrCorrupt},
		{"a bin elsewhere", poke(plain, 0x1004, 0x1000), block.ErrCorrupt},
		{"a bin longer than all", poke(plain, 0x1008, 0x2000), block.ErrCorrupt},
		{"a second bin without its mark", poke(bins, 0x2000, 0), block.ErrCorrupt},
		{"a cell of size 0", poke(plain, 0x1020, 0), block.ErrCorrupt},
		{"a cell past its bin", poke(plain, 0x1020, 0xffffe000), block.ErrCorrupt},
		{"a cell of the least number", poke(plain, 0x1020, 0x80000000), block.ErrCorrupt},
		{"a cell of an odd size", poke(plain, 0x1020, uint32(0xffffffff-90)), block.ErrCorrupt},
		{"a cell too small for a key", poke(plain, 0x1020, uint32(0xffffffff-63)), block.ErrCorrupt},
		{"a free cell", free, block.ErrCorrupt},
		{"a name longer than its cell", poke(plain, 0x1020+4+72, 500), block.ErrCorrupt},
		{"a list of an unknown kind", raw(nk("ROOT", 1, second, 0, none), le("lx", uint16(1), 0x20, 0)), block.ErrCorrupt},
		{"a list nowhere", raw(nk("ROOT", 1, none, 0, none)), block.ErrCorrupt},
		{"fewer subkeys than said", raw(nk("ROOT", 2, second, 0, none), le("lh", uint16(1), second+16, 0), nk("AAAA", 0, none, 0, none)), block.ErrCorrupt},
		{"more subkeys than said", raw(nk("ROOT", 1, second, 0, none), le("li", uint16(2), second+16, second+16+88), nk("AAAA", 0, none, 0, none), nk("BBBB", 0, none, 0, none)), block.ErrCorrupt},
		{"a subkey twice", raw(nk("ROOT", 2, second, 0, none), le("li", uint16(2), second+16, second+16), nk("AAAA", 0, none, 0, none)), block.ErrCorrupt},
		{"a subkey of another key", raw(nk("ROOT", 1, second, 0, none), le("lh", uint16(1), second+16, 0), other), block.ErrCorrupt},
		{"a list of lists of lists", raw(nk("ROOT", 1, second, 0, none), le("ri", uint16(1), second+16, 0), le("ri", uint16(1), second)), block.ErrCorrupt},
		{"more values than its cell holds", raw(nk("ROOT", 0, none, 1<<30, second), le(second, 0)), block.ErrCorrupt},
		{"a value that is a key", raw(nk("ROOT", 0, none, 1, second), le(0x20)), block.ErrCorrupt},
		{"five bytes in four", raw(nk("ROOT", 0, none, 1, second), le(second+8), vk(0x80000005-1<<32, 0x20)), block.ErrCorrupt},
		{"data longer than its cell", raw(nk("ROOT", 0, none, 1, second), le(second+8), vk(200, 0x20)), block.ErrCorrupt},
		{"big data without parts", raw(nk("ROOT", 0, none, 1, second), le(second+8), vk(20000, second+40), le("db", uint16(2), none)), block.ErrCorrupt},
		{"big data whose parts are its list", raw(nk("ROOT", 0, none, 1, second), le(second+8), vk(20000, second+40), le("db", uint16(2), second+40+16), le(second+40+16, second+40+16)), block.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := readAll(bytes.NewReader(c.hive), nil)
			if !errors.Is(err, c.class) {
				t.Fatalf("%v, not %v", err, c.class)
			}
			var e *block.Error
			if !errors.As(err, &e) {
				t.Errorf("%T is no block.Error", err)
			}
		})
	}
	if err := readAll(bytes.NewReader(plain), nil); err != nil {
		t.Errorf("the hive that they are made of: %v", err)
	}
}

// TestHostileAccepted reads what is odd and no error.
func TestHostileAccepted(t *testing.T) {
	h := open(t, raw(nk("ROOT\x1b[2J", 0, none, 0, none)), nil) // R05
	if k := h.Root(); k.Name() != "ROOT\x1b[2J" {
		t.Errorf("%q", k.Name())
	}
	h = open(t, regftest.Dirty(raw(nk("ROOT", 0, none, 0, none)), 2, 1), nil) // R07
	checkProblems(t, h, []error{block.ErrDirty})
}

// TestDamage finds what is sound beside what is not.
func TestDamage(t *testing.T) {
	root := &regftest.Key{Name: "R"}
	for i := range 9 {
		root.Set(fmt.Sprintf("key %d", i), regftest.DWORD("n", uint32(i)))
	}
	b := regftest.Build(root, nil)
	copy(b[bytes.Index(b, []byte("key 4"))-76:], "xx")
	h := open(t, b, nil)
	k := h.Root()
	good, bad := 0, 0
	for _, err := range k.Subkeys() {
		if err == nil {
			good++
		} else if bad++; !errors.Is(err, block.ErrCorrupt) {
			t.Error(err)
		}
	}
	if good != 8 || bad != 1 {
		t.Errorf("%d subkeys and %d errors", good, bad)
	}
	for i := range 9 {
		_, err := h.Find(fmt.Sprintf("key %d", i))
		if (i == 4) != errors.Is(err, block.ErrCorrupt) || i != 4 && err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
	for _, err := range h.Problems() {
		if !strings.Contains(err.Error(), "it is no key") {
			t.Error(err)
		}
	}
	if _, err := h.Find("key 9"); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("a key that may be the damaged one: %v", err)
	}
}

// TestLongKeyName refuses a name that no path can be made of, and it alone.
func TestLongKeyName(t *testing.T) {
	most, long := strings.Repeat("m", 512), strings.Repeat("n", 513)
	h := open(t, regftest.Build((&regftest.Key{}).Set(most).Set(long), nil), nil)
	if _, err := h.Find(most); err != nil {
		t.Error(err)
	}
	if _, err := h.Find(long); !errors.Is(err, block.ErrCorrupt) || len(err.Error()) > 200 {
		t.Errorf("%.300v", err)
	}
}

// TestListOfOneList names one list again and again, which makes four thousand
// million subkeys of a list that is long enough.
func TestListOfOneList(t *testing.T) {
	list := le("lh", uint16(100))
	for range 100 {
		list = append(list, le(0x20, 0)...)
	}
	first := 0x20 + (76+4+4+7)&^7
	top := le("ri", uint16(600))
	for range 600 {
		top = append(top, le(first)...)
	}
	h := open(t, raw(nk("ROOT", -1, first+(len(list)+4+7)&^7, 0, none), list, top), nil)
	n := 0
	for range h.Root().Subkeys() {
		n++
	}
	if n != 4096/80+1 {
		t.Errorf("%d subkeys are looked at", n)
	}
	if _, err := h.Find("x"); !errors.Is(err, block.ErrLoop) {
		t.Error(err)
	}
}

// TestLargeBins goes to and fro between large bins of small cells, each of which
// is looked through once, however small the cache.
func TestLargeBins(t *testing.T) {
	const size = 128 << 10
	root := &regftest.Key{Name: "R"}
	for i := range 8 {
		root.Set("", regftest.Binary(fmt.Sprint(i), make([]byte, size)))
	}
	b := regftest.Build(root, &regftest.Options{Minor: 3})
	for at := 4096; at < len(b); at += int(binary.LittleEndian.Uint32(b[at+8:])) {
		cell := b[at+32:]
		if n := -int(int32(binary.LittleEndian.Uint32(cell))); n > size {
			for p := 0; p < n; p += 8 {
				binary.LittleEndian.PutUint32(cell[p:], 0xfffffff8) // 8 bytes, in use
			}
		}
	}
	trace := &testimg.Trace{Reader: bytes.NewReader(b)}
	h, err := registry.Open(trace, &registry.Options{CacheBytes: 4096})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		for v, err := range h.Root().Values() {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Bytes(); !errors.Is(err, block.ErrCorrupt) {
				t.Errorf("the value's cell has 8 bytes: %v", err)
			}
		}
	}
	// Once all, and a page or two for every value and its data.
	if most := int64(len(b) + 5*8*3*16<<10); trace.Bytes() > most {
		t.Errorf("%d bytes were read, more than %d", trace.Bytes(), most)
	}
}

func TestLimits(t *testing.T) {
	root := (&regftest.Key{}).Set(`a\x`).Set(`b`, regftest.SZ("1", ""), regftest.SZ("2", ""), regftest.Binary("3", make([]byte, 100)))
	root.Set("c")
	h := open(t, regftest.Build(root, nil), &registry.Options{MaxSubkeys: 2, MaxValues: 2, MaxValueBytes: 50})
	k := h.Root()
	var last error
	n := 0
	for _, err := range k.Subkeys() {
		n, last = n+1, err
	}
	if n != 3 || !errors.Is(last, block.ErrLimit) {
		t.Errorf("%d subkeys, %v", n, last)
	}
	if _, err := k.Key("c"); err != nil {
		t.Errorf("a key past the limit of listing: %v", err)
	}
	k, _ = k.Key("b")
	n = 0
	for v, err := range k.Values() {
		if n, last = n+1, err; err == nil && v.Name() == "3" {
			_, last = v.Bytes()
		}
	}
	if n != 3 || !errors.Is(last, block.ErrLimit) {
		t.Errorf("%d values, %v", n, last)
	}
}

// small is a hive with everything in it, small enough to be damaged all over.
func small(o *regftest.Options) []byte {
	root := (&regftest.Key{Name: "R"}).Set(`A\B`, regftest.SZ("s", "text"), regftest.DWORD("d", 7), regftest.Binary("five", make([]byte, 5)))
	for i := range 12 {
		root.Set(fmt.Sprintf(`Many\%c`, 'a'+i), regftest.MultiSZ("m", "x", "y"))
	}
	root.Set("Big", regftest.Binary("b", make([]byte, 17000)))
	root.Key("Big").Class = "class"
	o.LeafSize = 5
	return regftest.Build(root, o)
}

func TestMutations(t *testing.T) {
	for i, o := range []regftest.Options{{Index: "lh"}, {Index: "li", Minor: 3}, {Index: "lf", Minor: 4}} {
		t.Run(o.Index, func(t *testing.T) {
			testimg.Mutate(t, testimg.Mutations{
				Image: small(&o), Where: structures(small(&o)), Seed: uint64(i),
				Run:  func(r block.Reader) error { return readAll(r, nil) },
				Seal: func(p *testimg.Patch, _ []int64) { seal(p) },
			})
		})
	}
	// A hive and its two logs in one image; hashes are sealed with them.
	hive := regftest.Dirty(state(1), 11, 10)
	one, two := regftest.Log(10, state(1), state(2), state(3)), regftest.Log(12, state(3), state(5))
	old := regftest.OldLog(state(1), state(4))
	cut := func(r block.Reader, at, n int) block.Reader {
		return block.Section(block.Plain(r), int64(at), int64(n))
	}
	t.Run("logs", func(t *testing.T) {
		testimg.Mutate(t, testimg.Mutations{
			Image: slices.Concat(hive, one, two), Seed: 9,
			Where: []testimg.Range{{Off: 0, N: 0x200}, {Off: int64(len(hive)), N: 0x300}, {Off: int64(len(hive) + len(one)), N: 0x300}},
			Run: func(r block.Reader) error {
				return readAll(cut(r, 0, len(hive)), &registry.Options{Logs: []block.Reader{cut(r, len(hive), len(one)), cut(r, len(hive)+len(one), len(two))}})
			},
			Seal: func(p *testimg.Patch, _ []int64) {
				seal(p)
				for _, at := range []int{len(hive), len(hive) + len(one)} {
					sealAt(p, at)
					for e := at + 512; e+40 <= len(p.Image) && string(p.Image[e:e+4]) == "HvLE"; {
						b := bytes.Clone(p.Image[e:])
						regftest.SealEntry(b)
						p.Write(int64(e), b[:40])
						n := int(binary.LittleEndian.Uint32(b[4:]))
						if n < 512 || n > len(b) {
							break
						}
						e += n
					}
				}
			},
		})
	})
	t.Run("old log", func(t *testing.T) {
		testimg.Mutate(t, testimg.Mutations{
			Image: slices.Concat(hive, old), Seed: 10,
			Where: []testimg.Range{{Off: 0, N: 0x200}, {Off: int64(len(hive)), N: 0x240}},
			Run: func(r block.Reader) error {
				return readAll(cut(r, 0, len(hive)), &registry.Options{Logs: []block.Reader{cut(r, len(hive), len(old))}})
			},
			Seal: func(p *testimg.Patch, _ []int64) { seal(p); sealAt(p, len(hive)) },
		})
	})
}

// structures are the bytes of a hive that are no data.
func structures(b []byte) []testimg.Range {
	out := []testimg.Range{{Off: 0, N: 0x30}}
	for at := 4096; at+32 <= len(b); {
		end := at + int(binary.LittleEndian.Uint32(b[at+8:]))
		out = append(out, testimg.Range{Off: int64(at), N: 32})
		for at += 32; at < end; {
			n := int(int32(binary.LittleEndian.Uint32(b[at:])))
			out = append(out, testimg.Range{Off: int64(at), N: int64(min(max(n, -n), 120))})
			at += max(n, -n)
		}
		at = end
	}
	return out
}

func seal(p *testimg.Patch) { sealAt(p, 0) }

func sealAt(p *testimg.Patch, at int) {
	b := bytes.Clone(p.Image[at : at+512])
	regftest.Seal(b)
	p.Write(int64(at+0x1fc), b[0x1fc:])
}

// FuzzRegf reads a hive with what follows its end, by its own word, as its log.
func FuzzRegf(f *testing.F) {
	hive := regftest.Dirty(state(1), 11, 10)
	f.Add(small(&regftest.Options{}))
	f.Add(small(&regftest.Options{Minor: 3, Index: "li"}))
	f.Add(slices.Concat(hive, regftest.Log(10, state(1), state(2))))
	f.Add(slices.Concat(hive, regftest.OldLog(state(1), state(2))))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		if len(b) >= 512 {
			regftest.Seal(b)
		}
		o := &registry.Options{}
		if len(b) >= 0x2c {
			if end := 4096 + int64(binary.LittleEndian.Uint32(b[0x28:])); end+512 <= int64(len(b)) {
				log := bytes.Clone(b[end:])
				regftest.Seal(log)
				for e := 512; e+40 <= len(log); {
					regftest.SealEntry(log[e:])
					n := int(binary.LittleEndian.Uint32(log[e+4:]))
					if n < 512 || n > len(log)-e {
						break
					}
					e += n
				}
				o.Logs = append(o.Logs, bytes.NewReader(log))
				b = b[:end]
			}
		}
		err := readAll(bytes.NewReader(b), o)
		var e *block.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
		h, err := registry.Open(bytes.NewReader(b), o)
		if err != nil {
			return
		}
		// What is listed is found.
		root := h.Root()
		for sub, err := range root.Subkeys() {
			if err != nil || strings.ContainsAny(sub.Name(), "\\") || sub.Name() == "" {
				continue
			}
			if _, err := root.Key(sub.Name()); err != nil {
				t.Fatalf("%q was listed: %v", sub.Name(), err)
			}
		}
	})
}
