package windows

import (
	"context"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/regftest"
)

// FuzzValues puts bytes into the values of a registry that are structures of their own:
// accounts, groups, names of domains and the devices of boot entries.
func FuzzValues(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 0x100))
	f.Add(append([]byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0}, make([]byte, 80)...))
	device := make([]byte, 0x58)
	device[0x10], device[0x34] = 6, 1
	f.Add(device)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		hive := func(fill func(*regftest.Key)) *fstest.MapFile {
			k := &regftest.Key{Name: "x"}
			fill(k)
			return &fstest.MapFile{Data: regftest.Build(k, nil), Mode: 0o644}
		}
		m := fstest.MapFS{
			"Windows/System32/config/SOFTWARE": hive(func(k *regftest.Key) {
				k.Set(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1`, regftest.Value{Name: "ProfileImagePath", Type: 2, Data: b})
			}),
			"Windows/System32/config/SYSTEM": hive(func(k *regftest.Key) {
				k.Set(`ControlSet001\Control\Windows`, regftest.Binary("ShutdownTime", b))
				k.Set(`ControlSet001\Services\Tcpip\Parameters\Interfaces\{1}`, regftest.Value{Name: "IPAddress", Type: 7, Data: b}, regftest.Value{Name: "SubnetMask", Type: 7, Data: b})
			}),
			"Windows/System32/config/SAM": hive(func(k *regftest.Key) {
				k.Set(`SAM\Domains\Account`, regftest.Binary("V", b))
				k.Set(`SAM\Domains\Account\Users\000001F4`, regftest.Binary("F", b), regftest.Binary("V", b))
				k.Set(`SAM\Domains\Builtin\Aliases\00000220`, regftest.Binary("C", b))
			}),
			"Windows/System32/config/SECURITY": hive(func(k *regftest.Key) {
				k.Set(`Policy\PolPrDmN`, regftest.Value{Data: b})
				k.Set(`Policy\PolPrDmS`, regftest.Value{Data: b})
			}),
			"BCD": hive(func(k *regftest.Key) {
				k.Set(`Objects\{1}\Description`, regftest.DWORD("Type", 0x10200003))
				for _, e := range []string{elementDevice, elementDescription, "25000080", "16000049"} {
					k.Set(`Objects\{1}\Elements\`+e, regftest.Value{Name: "Element", Type: 3, Data: b})
				}
				k.Set(`Objects\`+bootManagerObject+`\Elements\`+elementDisplayOrder, regftest.Value{Name: "Element", Type: 7, Data: b})
			}),
		}
		sys := system.New(system.TypeWindows)
		w := Open(context.Background(), m, sys, nil)
		if err := w.Identify(m); err != nil {
			t.Fatal(err)
		}
		l, _ := BootEntries(context.Background(), m, "BCD", func(d system.Device) (string, string) { return d.Value, "" }, nil)
		for _, e := range l.Entries {
			if !utf8.ValidString(e.Title + e.Options + e.Volume) {
				t.Fatalf("%+v", e)
			}
		}
		for _, u := range sys.Windows.Users {
			if u.Name == "" || !utf8.ValidString(u.Name+u.FullName+u.Comment+u.SID) {
				t.Fatalf("%+v", u)
			}
		}
	})
}
