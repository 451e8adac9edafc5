package keys

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
)

func TestMatches(t *testing.T) {
	const uuid = "9d23c764-4006-4a02-a69d-aa57070e766b"
	for _, c := range []struct {
		id, name string
		want     bool
	}{
		{"gpt3", "gpt3", true}, {"gpt3", "gpt33", false}, {"luks:gpt3", "gpt3", true},
		{uuid, "gpt3", true}, {strings.ToUpper(strings.ReplaceAll(uuid, "-", "")), "gpt3", true}, {"UUID=" + uuid, "x", true},
		{"/dev/disk/by-uuid/" + uuid, "x", true}, {"UUID=" + uuid[1:], "x", false},
		{"/dev/sda3", "gpt3", true}, {"/dev/vda3", "mbr3", true}, {"/dev/sda3", "gpt4", false}, {"/dev/sdb3", "gpt3", false},
		{"/dev/sdb3", "disk2:gpt3", true}, {"/dev/sdb", "disk2", true}, {"/dev/sda", "disk", true}, {"/dev/sda", "gpt1", false},
		{"/dev/nvme0n1p3", "gpt3", true}, {"/dev/nvme1n1p3", "disk2:gpt3", true}, {"/dev/mmcblk0p1", "mbr1", true},
		{"/dev/sda1", "bsd1", true}, {"/dev/sda2", "sun2", true}, {"/dev/sda4", "solaris4", true}, {"/dev/sda1", "sgi1", true}, {"/dev/sda2", "mac2", true}, {"/dev/sdb1", "disk2:atari1", true},
		{"/dev/sda3", "mac2", false}, {"/dev/sda1", "disk:boot1", false}, {"/dev/sda1", "disk:session1", false}, {"/dev/sda1", "mbr1:bsd1", false}, {"/dev/sda", "iso", false},
		{"/dev/vg/root", "lvm:vg/root", true}, {"/dev/mapper/vg-root", "lvm:vg/root", true},
		{"/dev/mapper/my--vg-the--root", "lvm:my-vg/the-root", true}, {"/dev/mapper/my-vg-root", "lvm:my-vg/root", false},
		{"/dev/vg/root", "lvm:vg@A-B/root", true},
		{"/dev/md/home", "md:home", true}, {"/dev/md/home", "md:home@1:2", true}, {"/dev/md/home", "md:home2", false}, {"/dev/md/home2", "md:home:gpt2", true},
		{"/dev/md0", "md:0", true}, {"/dev/md/0", "md:0", true}, {"/dev/md0p2", "md:0:gpt2", true}, {"/dev/md/0p2", "md:0:mbr2", true}, {"/dev/md1", "md:0", false},
		{"/dev/md127", "md:home", true}, {"/dev/md127p1", "md:home:gpt1", true}, {"/dev/md127", "md:home:gpt1", false}, {"/dev/md127", "md:0", false},
		{"/dev/md5", "md:home", false}, {"/dev/mdhome", "md:home", false}, {"/dev/md_d0", "md:_d0", true}, {"/dev/md127", "luks:md:home", false},
		{"/dev/disk/by-id/md-name-host:home", "md:home", true}, {"/dev/disk/by-id/md-name-host:home-part1", "md:home:gpt1", true}, {"/dev/disk/by-id/md-name-host:x", "md:home", false},
		{"/dev/sda3", "luks:gpt3", false}, {"", "", false}, {"/dev/sda", "", false},
	} {
		if got := Matches(c.id, block.KeyNeed{Name: c.name, UUID: uuid}); got != c.want {
			t.Errorf("%q for %q: %v", c.id, c.name, got)
		}
	}
	if Matches("", block.KeyNeed{}) || Matches("x", block.KeyNeed{}) {
		t.Error("nothing matches something")
	}
}

// TestUnlock checks the order of the keys: those for the thing itself first,
// each once, then the question.
func TestUnlock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var l List
	for _, s := range []string{"all:key:for:all", "gpt4:key:not this", "lvm:vg/root:key:by name: yes", "/dev/vg/root:file:" + file, "all:key:by name: yes"} {
		if err := l.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.AddLines(strings.NewReader("one\n\ntwo")); err != nil {
		t.Fatal(err)
	}
	asked := 0
	l.Ask = func(_ context.Context, n block.KeyNeed) ([]byte, error) {
		if asked++; n.Attempt != 0 {
			t.Errorf("attempt %d", n.Attempt)
		}
		return nil, block.ErrEncrypted
	}
	var got []string
	var err error
	for n := (block.KeyNeed{Name: "lvm:vg/root"}); err == nil; n.Attempt++ {
		var k []byte
		if k, err = l.Unlock(t.Context(), n); err == nil {
			got = append(got, string(k))
			clear(k)
		}
	}
	const want = "by name: yes|from a file\r\n|from a file|for:all|one||two"
	if s := strings.Join(got, "|"); s != want || !errors.Is(err, block.ErrEncrypted) || asked != 1 {
		t.Errorf("got %q, %v, asked %d times", s, err, asked)
	}
	l.Wipe()
	l.Ask = nil
	if _, err := l.Unlock(t.Context(), block.KeyNeed{Name: "lvm:vg/root"}); !errors.Is(err, block.ErrEncrypted) || l.Len() != 0 {
		t.Error(err)
	}
}

// TestAdd checks that an error never says the key.
func TestAdd(t *testing.T) {
	for _, s := range []string{"", "geheim", ":key:geheim", "sda1:geheim", "sda1:clevis", "all:file:" + filepath.Join(t.TempDir(), "absent")} {
		var l List
		if err := l.Add(s); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v", s, err)
		}
	}
}
