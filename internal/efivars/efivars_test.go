package efivars

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func stores(t testing.TB) map[string][]byte {
	return testimg.Case(t, "testdata/stores.tar.zst", "ovmf")
}

func read(t testing.TB, b []byte) *Store {
	t.Helper()
	s, err := Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStores reads what Debian ships and what virt-firmware writes. The wanted are what
// virt-fw-vars --print --verbose says of them.
func TestStores(t *testing.T) {
	const esp = "1a2b3c4d-0001-4000-8000-000000000001"
	keys := `[{PK 1 0 ["Debian UEFI Secure Boot (PK/KEK key)"]} {KEK 2 0 ["Debian UEFI Secure Boot (PK/KEK key)" "Microsoft Corporation KEK CA 2011"]} {db 2 0 ["Microsoft Windows Production PCA 2011" "Microsoft Corporation UEFI CA 2011"]} {dbx 0 1 []}]`
	const last = `Boot0000 "UiApp" "" "" "" %t true, Boot000A "gone" ` + esp + ` "\\EFI\\gone\\shimx64.efi" "" true false, Boot0003 "inactive" ` + esp + ` "\\EFI\\BOOT\\BOOTX64.EFI" "" false false, Boot0004 "debian" ` + esp + ` "\\EFI\\SYSTEMD\\systemd-bootx64.efi" "quiet splash" true false`
	for name, want := range map[string]string{
		"ms.fd":   `31 false enabled ` + keys + ` Boot0000 "UiApp" "" "" "" false true, Boot0001 "UEFI QEMU HARDDISK QM00001 " "" "" "" false false, Boot0002 "EFI Internal Shell" "" "" "" false false`,
		"boot.fd": `35 false enabled ` + keys + ` ` + fmt.Sprintf(last, true) + `, Boot0005 "UEFI HTTP" "" "" "" true false, Boot0006 "in no order" "" "" "" false false`,
		"next.fd": `8 true setup mode [] Boot0005 "UEFI HTTP" "" "" "" true false, ` + fmt.Sprintf(last, true) + `, Boot0006 "in no order" "" "" "" false false`,
	} {
		s := read(t, stores(t)[name])
		got := fmt.Sprint(len(s.Variables))
		list, next := s.Order()
		got += fmt.Sprintf(" %t %s [", next, s.SecureBoot())
		for i, k := range s.Enrolled() {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprintf("{%s %d %d %q}", k.Name, k.Certificates, k.Others, k.Subjects)
		}
		got += "] "
		for i, o := range list {
			if i > 0 {
				got += ", "
			}
			part := o.Partition
			if part == "" {
				part = `""`
			}
			got += fmt.Sprintf("%s %q %s %q %q %t %t", o.Name(), o.Title, part, o.File, o.Arguments, o.Active, o.App)
		}
		if got != want || len(s.Problems) > 0 {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, s.Problems, got, want)
		}
	}
}

// variable returns where the header of a variable lies.
func variable(t testing.TB, b []byte, name string) int64 {
	s := read(t, b)
	i := slices.IndexFunc(s.Variables, func(v Variable) bool { return v.Name == name })
	return s.Variables[i].Off
}

// TestStates takes of two variables of a name the one that is not on its way out, and
// of an old one alone that.
func TestStates(t *testing.T) {
	b := stores(t)["next.fd"]
	at := variable(t, b, "Boot0006")
	size := (int64(authHeader) + int64(binary.LittleEndian.Uint32(b[at+36:])) + int64(binary.LittleEndian.Uint32(b[at+40:])) + 3) &^ 3
	b[at+2] = inTransition
	list, _ := read(t, b).Order()
	if len(list) != 6 || list[5].Title != "in no order" {
		t.Errorf("%+v", list)
	}
	// A copy behind the last variable, with another title, is the new one.
	end := int64(0)
	for _, v := range read(t, b).Variables {
		h := b[v.Off:]
		end = max(end, v.Off+(int64(authHeader)+int64(binary.LittleEndian.Uint32(h[36:]))+int64(binary.LittleEndian.Uint32(h[40:]))+3)&^3)
	}
	copy(b[end:], b[at:at+size])
	b[end+2] = added
	name := int64(binary.LittleEndian.Uint32(b[end+36:]))
	b[end+authHeader+name+6] = 'I'
	list, _ = read(t, b).Order()
	if len(list) != 6 || list[5].Title != "In no order" {
		t.Errorf("%+v", list)
	}
	b[end+2] &= 0xFD // and is deleted
	if list, _ = read(t, b).Order(); list[5].Title != "in no order" {
		t.Errorf("%+v", list)
	}
}

func TestHostileStores(t *testing.T) {
	sum := func(b []byte) {
		b[50], b[51] = 0, 0
		binary.LittleEndian.PutUint16(b[50:], -sum16(b[:72]))
	}
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		class  error // of Read
		odd    error // of the only problem
	}{
		"short":            {func(b []byte) []byte { return b[:40] }, block.ErrTruncated, nil},
		"cut":              {func(b []byte) []byte { return b[:0x10000] }, block.ErrTruncated, nil},
		"a checksum":       {func(b []byte) []byte { b[60] ^= 1; return b }, block.ErrCorrupt, nil},
		"absurd length":    {func(b []byte) []byte { b[39] = 0x7F; sum(b); return b }, block.ErrTruncated, nil},
		"negative length":  {func(b []byte) []byte { b[39] = 0xFF; sum(b); return b }, block.ErrCorrupt, nil},
		"header too long":  {func(b []byte) []byte { b[48], b[49] = 0xFE, 0xFF; return b }, block.ErrCorrupt, nil},
		"programs":         {func(b []byte) []byte { copy(b[16:], programFVs[0][:]); sum(b); return b }, block.ErrFormat, nil},
		"another store":    {func(b []byte) []byte { b[72] ^= 1; return b }, block.ErrUnsupported, nil},
		"not formatted":    {func(b []byte) []byte { b[72+20] = 0xFF; return b }, block.ErrCorrupt, nil},
		"store too large":  {func(b []byte) []byte { b[72+19] = 0x10; return b }, block.ErrCorrupt, nil},
		"store of nothing": {func(b []byte) []byte { copy(b[72+16:], "\x01\x00\x00\x00"); return b }, block.ErrCorrupt, nil},
		"absurd name":      {func(b []byte) []byte { copy(b[100+36:], "\xff\xff\xff\xff"); return b }, nil, block.ErrCorrupt},
		"no variable":      {func(b []byte) []byte { b[100] = 0; return b }, nil, block.ErrCorrupt},
		"a path too long": {func(b []byte) []byte {
			at := variable(t, b, "Boot0004")
			b[at+authHeader+int64(b[at+36])+5] = 0xFF
			return b
		}, nil, block.ErrCorrupt},
		"an interrupted write": {func(b []byte) []byte {
			// a write of one record whose data is in the spare blocks alone; no tool makes
			// one, so that this is unproven
			const queue = 0xF000 + 32
			b[queue] = 0xFF &^ (1 | 2)
			binary.LittleEndian.PutUint64(b[queue+24:], 1)
			binary.LittleEndian.PutUint64(b[queue+32:], 0)
			b[queue+40] = 0xFF &^ 2
			return b
		}, nil, block.ErrDirty},
		"a write that ended": {func(b []byte) []byte {
			const queue = 0xF000 + 32
			b[queue] = 0xFF &^ (1 | 2 | 4)
			binary.LittleEndian.PutUint64(b[queue+24:], 1)
			binary.LittleEndian.PutUint64(b[queue+32:], 0)
			b[queue+40] = 0xFF &^ (2 | 4)
			return b
		}, nil, nil},
	} {
		s, err := Read(bytes.NewReader(c.change(stores(t)["boot.fd"])))
		if !errors.Is(err, c.class) {
			t.Errorf("%s: %v, want %v", name, err, c.class)
		}
		if err != nil || c.class != nil {
			continue
		}
		s.Order()
		if s.Enrolled(); c.odd == nil && len(s.Problems) > 0 || c.odd != nil && (len(s.Problems) != 1 || !errors.Is(s.Problems[0], c.odd)) {
			t.Errorf("%s: %v, want %v", name, s.Problems, c.odd)
		}
	}
}

// TestManyOptions has more boot options than are listed.
func TestManyOptions(t *testing.T) {
	s := &Store{}
	for i := range maxOptions + 2 {
		s.Variables = append(s.Variables, Variable{Name: fmt.Sprintf("Boot%04X", i), Vendor: globalVendor, Data: []byte("\x01\x00\x00\x00\x00\x00x\x00\x00\x00")})
	}
	if list, _ := s.Order(); len(list) != maxOptions || len(s.Problems) != 1 || !errors.Is(s.Problems[0], block.ErrLimit) {
		t.Errorf("%d, %v", len(list), s.Problems)
	}
}

// FuzzStore reads a store whose header holds, of either kind of variable.
func FuzzStore(f *testing.F) {
	for _, b := range stores(f) {
		s := read(f, b)
		last := s.Variables[len(s.Variables)-1]
		f.Add(b[72:min(len(b), int(last.Off)+4096)], true)
	}
	f.Fuzz(func(t *testing.T, b []byte, auth bool) {
		b = slices.Concat(make([]byte, 72), b)
		if len(b) >= 100 {
			copy(b[72:], oldStore[:])
			if auth {
				copy(b[72:], authStore[:])
			}
			binary.LittleEndian.PutUint32(b[88:], uint32(len(b)-72))
			b[92], b[93] = 0x5A, 0xFE
		}
		s, err := readStore(b, 72)
		if err != nil {
			return
		}
		s.Order()
		s.SecureBoot()
		s.Enrolled()
		if len(s.Variables) > len(b)/oldHeader {
			t.Errorf("%d variables in %d bytes", len(s.Variables), len(b))
		}
	})
}
