package regf_test

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/guestkit/guestkit/internal/regf"
	"github.com/guestkit/guestkit/internal/regf/regftest"
)

func open(t testing.TB, b []byte, o *regf.Options) *regf.Hive {
	t.Helper()
	h, err := regf.Open(bytes.NewReader(b), o)
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
