package volume

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// A vault is encrypted by XOR in a format of this test: "VAULT001", a byte that
// the key is the sum of, and the content.
const vaultHead = 512

func vault(key string, content []byte) []byte {
	b := append(make([]byte, vaultHead), content...)
	copy(b, "VAULT001")
	b[8] = sum(key)
	for i := range content {
		b[vaultHead+i] ^= sum(key)
	}
	return b
}

func sum(key string) (n byte) {
	for _, c := range []byte(key) {
		n += c
	}
	return n
}

// opened is what a vault holds; it counts how often it is closed.
type opened struct {
	block.Device
	closed *[]string
	name   string
}

func (o opened) Close() error { *o.closed = append(*o.closed, o.name); return nil }

func vaultLayer(closed *[]string) Layer {
	return Layer{Types: []string{""}, Open: func(ctx context.Context, members []*Volume, o *Options) (made []*Volume, problems []error) {
		for _, m := range members {
			b, err := block.ReadBytes(m.Device, 0, m.Size, 1<<30)
			if err != nil || len(b) < vaultHead || string(b[:8]) != "VAULT001" {
				continue
			}
			m.Err = o.Unlock.Try(ctx, block.KeyNeed{Format: "vault", Name: m.Name}, func(key []byte) error {
				if sum(string(key)) != b[8] {
					return block.ErrKey
				}
				plain := bytes.Clone(b[vaultHead:])
				for i := range plain {
					plain[i] ^= b[8]
				}
				made = append(made, &Volume{Name: "vault:" + m.Name, Kind: "vault", Parents: []*Volume{m}, Size: int64(len(plain)),
					Device: opened{device(plain), closed, m.Name}})
				return nil
			})
		}
		return made, nil
	}}
}

// TestUnlock opens a vault in a vault, whose content has a table.
func TestUnlock(t *testing.T) {
	inner := fixture(t, "mbr")[:3<<20]
	disk := vault("outer", vault("inner", inner))
	var closed []string
	var needs []block.KeyNeed
	keys := map[string][]string{"disk": {"wrong", "outer"}, "vault:disk": {"inner"}}
	unlock := func(_ context.Context, n block.KeyNeed) ([]byte, error) {
		needs = append(needs, n)
		if n.Attempt >= len(keys[n.Name]) {
			return nil, block.ErrEncrypted
		}
		return []byte(keys[n.Name][n.Attempt]), nil
	}
	o := &Options{Unlock: unlock, Layers: []Layer{vaultLayer(&closed)}}
	tree, err := Scan(t.Context(), []block.Device{device(disk)}, o)
	if err != nil {
		t.Fatal(err)
	}
	want := `disk disk 0 - 0+3146752 false
vault:disk vault 0 disk 0+3146240 false
vault:vault:disk vault 0 vault:disk 0+3145728 false
vault:vault:disk:mbr1 partition 0 vault:vault:disk 1048576+1048576 true
`
	if got := outline(tree.Volumes); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if len(needs) != 3 || needs[1].Attempt != 1 || needs[1].Format != "vault" || needs[2].Name != "vault:disk" || needs[2].Attempt != 0 {
		t.Errorf("%+v", needs)
	}
	if v, _ := tree.Lookup("vault:disk"); v.Status() != Container {
		t.Error(v.Status())
	}
	if err := errors.Join(tree.Close(), tree.Close()); err != nil || strings.Join(closed, " ") != "vault:disk disk" {
		t.Errorf("closed: %v, %v", closed, err)
	}

	// Without a key, and with none that fits.
	for _, u := range []block.Unlock{nil, func(context.Context, block.KeyNeed) ([]byte, error) { return []byte("wrong"), nil }} {
		o.Unlock = u
		tree, err := Scan(t.Context(), []block.Device{device(disk)}, o)
		if err != nil || len(tree.Volumes) != 1 {
			t.Fatal(tree, err)
		}
		if v := tree.Volumes[0]; !errors.Is(v.Err, block.ErrEncrypted) || v.Status() != Encrypted {
			t.Errorf("%v, %s", v.Err, v.Status())
		}
	}

	// A scan that ends early closes what it opened.
	closed = nil
	ctx, cancel := context.WithCancel(t.Context())
	o.Unlock = func(_ context.Context, n block.KeyNeed) ([]byte, error) {
		if n.Name == "vault:disk" {
			cancel()
		}
		return unlock(ctx, n)
	}
	if _, err := Scan(ctx, []block.Device{device(disk)}, o); !errors.Is(err, context.Canceled) || len(closed) != 2 {
		t.Errorf("%v, closed: %v", err, closed)
	}
}

// TestGather has a member of a pair turn up inside of a vault after the other
// one was looked at.
func TestGather(t *testing.T) {
	var closed []string
	asked := 0
	pair := Layer{Types: []string{"oracleasm"}, Gather: true, Open: func(_ context.Context, ms []*Volume, _ *Options) ([]*Volume, []error) {
		asked++
		v := &Volume{Name: "pair:x", Kind: "pair", Parents: ms, Size: 4}
		if len(ms) < 2 {
			v.Err = block.Errorf("pair", "x", -1, block.ErrMissing, "the other is missing")
			return []*Volume{v}, []error{v.Err}
		}
		v.Device = device([]byte("pair"))
		// What it makes is a vault, and in that is a third member.
		if len(ms) == 2 {
			v.Device = device(vault("k", asm()))
			v.Size = v.Device.Size()
		}
		return []*Volume{v}, nil
	}}
	o := &Options{Layers: []Layer{vaultLayer(&closed), pair}, Unlock: func(context.Context, block.KeyNeed) ([]byte, error) { return []byte("k"), nil }}
	tree, err := Scan(t.Context(), []block.Device{device(asm()), device(vault("k", asm()))}, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(tree.Volumes); got != "disk disk2 vault:disk2 pair:x vault:pair:x" || asked != 2 || len(tree.Problems) != 0 {
		t.Errorf("%s, asked %d times, %v", got, asked, tree.Problems)
	}
	v, _ := tree.Lookup("pair:x")
	if names(v.Parents) != "disk vault:disk2" || names(tree.Volumes[0].Children) != "pair:x" || v.DiskIndex != 0 {
		t.Error(names(v.Parents), names(tree.Volumes[0].Children))
	}
	// One is missing at first, since what holds it is made of another pair.
	late := Layer{Types: []string{"bcache"}, Gather: true, Open: func(_ context.Context, ms []*Volume, _ *Options) ([]*Volume, []error) {
		return []*Volume{{Name: "late", Kind: "late", Parents: ms, Device: device(asm()), Size: int64(len(asm()))}}, nil
	}}
	bcache := make([]byte, 1<<20)
	copy(bcache[4096+24:], "\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81")
	o.Layers = []Layer{pair, late}
	asked = 0
	tree, err = Scan(t.Context(), []block.Device{device(asm()), device(bcache)}, o)
	if err != nil || asked != 2 || names(tree.Volumes) != "disk disk2 late pair:x" || len(tree.Problems) != 0 {
		t.Errorf("%v, asked %d times: %s, %v", err, asked, names(tree.Volumes), tree.Problems)
	}
	if v := tree.Volumes[3]; v.Err != nil || names(v.Parents) != "disk late" || names(tree.Volumes[0].Children) != "pair:x" {
		t.Errorf("%+v", v)
	}
}

func asm() []byte {
	b := make([]byte, 1<<20)
	copy(b[32:], "ORCLDISK")
	copy(b[40:], "DATA")
	return b
}

// TestRounds has a layer make its own member without end.
func TestRounds(t *testing.T) {
	n := 0
	endless := Layer{Types: []string{"oracleasm"}, Open: func(_ context.Context, ms []*Volume, _ *Options) ([]*Volume, []error) {
		n++
		return []*Volume{{Name: "again:" + ms[0].Name, Kind: "again", Parents: ms, Device: device(asm()), Size: int64(len(asm()))}}, nil
	}}
	tree, err := Scan(t.Context(), []block.Device{device(asm())}, &Options{Layers: []Layer{endless}})
	if err != nil || n != maxRounds || len(tree.Volumes) != maxRounds+1 {
		t.Fatalf("%d rounds, %v", n, err)
	}
	if v := tree.Volumes[maxRounds]; !errors.Is(v.Err, block.ErrLimit) {
		t.Errorf("%v", v.Err)
	}
	// A table that covers itself: a partition from sector 0 on.
	self := make([]byte, 1<<20)
	self[510], self[511], self[0x1BE+4] = 0x55, 0xAA, 0x83
	binary.LittleEndian.PutUint32(self[0x1BE+12:], 2048)
	tree, err = Scan(t.Context(), []block.Device{device(self)}, nil)
	if err != nil || len(tree.Volumes) > 1+2*maxNested {
		t.Errorf("%d volumes, %v", len(tree.Volumes), err)
	}
}
