package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/registry"
)

func open(t testing.TB, b []byte, o *registry.Options) *registry.Hive {
	t.Helper()
	h, err := registry.Open(bytes.NewReader(b), o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestFind(t *testing.T) {
	root := (&regftest.Key{Name: "ROOT"}).Set(`Microsoft\Windows NT\CurrentVersion`,
		regftest.SZ("ProductName", "Windows 10 Pro"), regftest.DWORD("UBR", 4170))
	h := open(t, regftest.Build(root, nil), nil)
	k, err := h.Find(`microsoft\WINDOWS nt\CurrentVersion`)
	if err != nil {
		t.Fatal(err)
	}
	v, err := k.Value("productname")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := v.Text(); s != "Windows 10 Pro" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	if _, err := h.Find(`Microsoft\Windows 95`); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent key: %v", err)
	}
	if _, err := k.Value("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent value: %v", err)
	}
	for _, p := range h.Problems() {
		t.Error(p)
	}
}

// TestLookup finds every key that is listed, in lists of all forms, and says so
// if one is out of order.
func TestLookup(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			h := open(t, regftest.Build(rich(), &v.o), nil)
			found(t, h.Root())
			checkProblems(t, h, nil)
			for _, path := range []string{"\\", "many", `MANY\{00000000}`, `names\ÜNÏCÖDÉ latin`, `Names\世界 🙂`, `names\A/B`, `\deep 0\DEEP 1\\deep 2\`} {
				if _, err := h.Find(path); err != nil {
					t.Error(err)
				}
			}
			for _, path := range []string{"Man", "Many0", `Many\{ffffffff}`, `Many\!`, `Many\~`, `Class\x`, "a\x00b"} {
				if _, err := h.Find(path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%q: %v", path, err)
				}
			}
		})
	}
	t.Run("unsorted", func(t *testing.T) {
		root := &regftest.Key{Name: "R"}
		for i := range 200 {
			root.Keys = append(root.Keys, &regftest.Key{Name: fmt.Sprintf("%08x", uint32(i)*2654435761)})
		}
		for _, size := range []int{0, 7} {
			h := open(t, regftest.Build(root, &regftest.Options{Unsorted: true, LeafSize: size}), nil)
			k := h.Root()
			found(t, k)
			checkProblems(t, h, []error{block.ErrCorrupt})
		}
	})
}

func found(t *testing.T, k *registry.Key) {
	t.Helper()
	for sub, err := range k.Subkeys() {
		if err != nil {
			t.Fatal(err)
		}
		at, err := k.Key(strings.ToLower(sub.Name()))
		if err != nil || at.Name() != sub.Name() {
			t.Fatalf("%q: found %v, %v", sub.Name(), at, err)
		}
		if at.Path() != strings.TrimPrefix(k.Path()+`\`+sub.Name(), `\`) {
			t.Fatalf("path %q", at.Path())
		}
		found(t, sub)
	}
	for v, err := range k.Values() {
		if err != nil {
			t.Fatal(err)
		}
		at, err := k.Value(strings.ToUpper(v.Name()))
		if err != nil || at.Name() != v.Name() {
			t.Fatalf("%q: found %v, %v", v.Name(), at, err)
		}
	}
}

// TestReads bounds what one lookup in a large hive reads beside the heads of
// its bins.
func TestReads(t *testing.T) {
	root := &regftest.Key{Name: "R"}
	for i := range 20_000 {
		root.Keys = append(root.Keys, &regftest.Key{Name: fmt.Sprintf("key number %08d", i), Values: []regftest.Value{regftest.QWORD("x", uint64(i))}})
	}
	b := regftest.Build(root, nil)
	trace := &testimg.Trace{Reader: bytes.NewReader(b)}
	h, err := registry.Open(trace, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Find("KEY NUMBER 00013141"); err != nil {
		t.Fatal(err)
	}
	if n := trace.Bytes(); n > 512<<10 {
		t.Errorf("a lookup in %d bytes read %d", len(b), n)
	}
}

func TestValues(t *testing.T) {
	h := open(t, regftest.Build(rich(), nil), nil)
	k, err := h.Find("Types")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"": "the default value", "sz": "text", "empty": "", "expand": `%SystemRoot%\x`, "dword": uint64(0xfedcba98), "qword": uint64(0xfedcba9876543210),
		"dword be": uint64(0x01020304), "multi": []string{"one", "two", "three"}, "multi none": []string{}, "link": `\REGISTRY\MACHINE\X`,
		"odd text": "a", "unended": "no NUL", `back\slash`: "x", "wide": "Grüße, 世界 🙂", "one": registry.ErrType, "none left": registry.ErrType,
	} {
		v, err := k.Value(name)
		if err != nil {
			t.Error(err)
			continue
		}
		text, errText := v.Text()
		list, errList := v.Strings()
		n, errUint := v.Uint()
		switch want := want.(type) {
		case string:
			if text != want || errText != nil || !errors.Is(errList, registry.ErrType) || !errors.Is(errUint, registry.ErrType) {
				t.Errorf("%q: %q, %v", name, text, errText)
			}
		case []string:
			if !slices.Equal(list, want) || list == nil || errList != nil || !errors.Is(errText, registry.ErrType) {
				t.Errorf("%q: %q, %v", name, list, errList)
			}
		case uint64:
			if n != want || errUint != nil || !errors.Is(errText, registry.ErrType) {
				t.Errorf("%q: %#x, %v", name, n, errUint)
			}
		case error:
			if !errors.Is(errText, want) || !errors.Is(errList, want) || !errors.Is(errUint, want) {
				t.Errorf("%q: %v, %v, %v", name, errText, errList, errUint)
			}
		}
	}
	if k, err := h.Find("Class"); err != nil {
		t.Error(err)
	} else if s, err := k.Class(); s != "the class" || err != nil {
		t.Errorf("class %q, %v", s, err)
	}
	for typ, want := range map[registry.Type]string{registry.SZ: "REG_SZ", registry.QWORD: "REG_QWORD", 12: "REG_0xc"} {
		if typ.String() != want {
			t.Errorf("%d: %s", typ, typ)
		}
	}
}

func TestConcurrent(t *testing.T) {
	h := open(t, regftest.Build(rich(), nil), &registry.Options{CacheBytes: 1})
	want := dump(t, open(t, regftest.Build(rich(), nil), nil))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if got := dump(t, h); got != want {
				t.Error("concurrent readers see something else")
			}
		})
	}
	wg.Wait()
}
