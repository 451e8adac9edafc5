package ova

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/tarhead"
)

// memory is a file in memory, which fails from the nth write on if left is set.
type memory struct {
	b    []byte
	left *int
}

var errFull = errors.New("full")

func (m *memory) fails() bool {
	if m.left == nil {
		return false
	}
	*m.left--
	return *m.left < 0
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if m.fails() {
		return 0, errFull
	}
	if end := int(off) + len(p); end > len(m.b) {
		m.b = append(m.b, make([]byte, end-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) Truncate(n int64) error {
	if m.fails() {
		return errFull
	}
	m.b = append(m.b, make([]byte, max(int(n)-len(m.b), 0))...)[:n]
	return nil
}

func (m *memory) Sync() error {
	if m.fails() {
		return errFull
	}
	return nil
}

var layouts = map[string]Layout{
	"plain": {Sizes: []int64{1024}},
	"rich": {Name: "web & <db>", Sizes: []int64{1000, 2048, 512}, OS: "debian12_64Guest", CPUs: 4, Memory: 8 << 30, Firmware: "efi", SecureBoot: true, Controller: "pvscsi",
		NICs: []NIC{{Network: "VM \"Network\"", Model: "VmxNet3"}, {Network: "VM \"Network\"", Model: "E1000e"}}},
	"many": {Name: strings.Repeat("x", 300), Sizes: make([]int64, 15)},
	"sata": {Name: "../..", Sizes: []int64{512}, Controller: "sata", NICs: []NIC{{}}},
	"ide":  {Sizes: []int64{512, 512}, Controller: "ide", OS: "windows2019srv_64Guest"},
}

func write(f Sink, l *Layout) error {
	w, err := NewWriter(f, l)
	if err != nil {
		return err
	}
	for i := range l.Sizes {
		d, err := w.Disk()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(d, strings.Repeat("disk", 100*i)); err != nil {
			return err
		}
		if _, err := io.WriteString(d, "!"); err != nil {
			return err
		}
	}
	return w.Commit()
}

func TestWrite(t *testing.T) {
	for name, l := range layouts {
		f := &memory{}
		if err := write(f, &l); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := Open(bytes.NewReader(f.b), nil)
		if err != nil || len(p.Problems()) > 0 {
			t.Errorf("%s: %v, %v", name, err, p.Problems())
			continue
		}
		if faults, err := p.Verify(context.Background()); err != nil || len(faults) > 0 {
			t.Errorf("%s: %v, %v", name, faults, err)
		}
		disks, err := p.Guest()
		if err != nil || len(disks) != len(l.Sizes) || len(p.Machines) != 1 {
			t.Errorf("%s: disks %v, %v", name, Names(disks), err)
			continue
		}
		full := l.withDefaults()
		for i, d := range disks {
			r, err := p.Open(d.File)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Repeat("disk", 100*i) + "!"
			got := make([]byte, r.Size())
			if r.ReadAt(got, 0); string(got) != want || d.Capacity != full.Sizes[i] || d.Format != "vmdk" {
				t.Errorf("%s: disk %d is %+v with %q", name, i, d, got)
			}
		}
		// What was asked for is what a reader finds, and would ask for again.
		m := p.Machines[0]
		got := m.Layout().withDefaults()
		got.Sizes = full.Sizes
		for i := range full.NICs {
			full.NICs[i].Name = ""
		}
		if !reflect.DeepEqual(got, full) {
			t.Errorf("%s: asks for\n%+v, want\n%+v", name, got, full)
		}
	}
}

func TestEveryWriteFails(t *testing.T) {
	l := layouts["rich"]
	for k := 0; ; k++ {
		left := k
		f := &memory{left: &left}
		err := write(f, &l)
		if left >= 0 {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("write %d failed, and the error is %v", k, err)
		}
		if p, err := Open(bytes.NewReader(f.b), nil); err == nil && len(p.Problems()) > 0 {
			t.Fatalf("after %d writes there is a package that is not whole: %v", k, p.Problems())
		}
	}
}

func TestLayoutRefuses(t *testing.T) {
	one := []int64{512}
	for name, l := range map[string]Layout{
		"no disks":        {},
		"controller":      {Sizes: one, Controller: "floppy"},
		"three on ide":    {Sizes: make([]int64, 3), Controller: "ide"},
		"negative":        {Sizes: []int64{-1024}},
		"processors":      {Sizes: one, CPUs: -1},
		"memory":          {Sizes: one, Memory: 1000},
		"firmware":        {Sizes: one, Firmware: "coreboot"},
		"secure bios":     {Sizes: one, SecureBoot: true},
		"network adapter": {Sizes: one, NICs: []NIC{{Model: "ne2k"}}},
	} {
		if _, err := NewWriter(&memory{}, &l); err == nil || !strings.Contains(err.Error(), "invalid option") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, err := NewWriter(&memory{}, &Layout{Sizes: one})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err == nil {
		t.Error("Commit without the disk")
	}
	if _, err := w.Disk(); err != nil {
		t.Error(err)
	}
	if _, err := w.Disk(); err == nil {
		t.Error("a second disk of one")
	}
}

// A size past 8 GiB needs more digits than the header has.
func TestLargeMember(t *testing.T) {
	h := tarhead.Ustar("big", 100<<30, time.Now())
	r := &sparse{head: h[:], size: 512 + 100<<30 + 1024}
	w, err := readArchive(r, nil)
	if err != nil || len(w.members) != 1 || w.members[0] != (member{name: "big", off: 512, size: 100 << 30}) {
		t.Errorf("%+v, %v", w, err)
	}
}

// sparse is a head and zeros.
type sparse struct {
	head []byte
	size int64
}

func (s *sparse) Size() int64 { return s.size }

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	clear(p)
	if off < int64(len(s.head)) {
		copy(p, s.head[off:])
	}
	return int(min(int64(len(p)), s.size-off)), nil
}

// TestWritePeers: tar lists and unpacks what was written, sha256sum agrees with
// the manifest, and xmllint with the descriptor.
func TestWritePeers(t *testing.T) {
	peers.Need(t, "tar", "sha256sum")
	for name, l := range layouts {
		f := &memory{}
		if err := write(f, &l); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "x.ova")
		if err := os.WriteFile(path, f.b, 0o600); err != nil {
			t.Fatal(err)
		}
		full := l.withDefaults()
		base := full.fileName()
		list := strings.Fields(peers.Run(t, "tar", "-tf", path))
		if len(list) != 2+len(l.Sizes) || list[0] != base+".ovf" || list[1] != base+".mf" || list[2] != base+"-disk1.vmdk" {
			t.Errorf("%s: tar lists %q", name, list)
		}
		peers.Run(t, "tar", "-xf", path, "-C", dir)
		mf, err := os.ReadFile(filepath.Join(dir, base+".mf"))
		if err != nil {
			t.Fatal(err)
		}
		// The form of OpenSSL, with a blank where sha256sum wants one.
		sums := strings.ReplaceAll(strings.ReplaceAll(string(mf), "SHA256(", "SHA256 ("), ")=", ") =")
		check := filepath.Join(dir, "sums")
		if err := os.WriteFile(check, []byte(sums), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := peers.Run(t, "sh", "-c", `cd "$1" && sha256sum -c sums`, "sh", dir); strings.Count(out, ": OK") != 1+len(l.Sizes) {
			t.Errorf("%s: sha256sum says\n%s", name, out)
		}
	}
}
