package inspect

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume"
)

// TestManySystems has more deployments than are listed, all with the database that one
// has: a file may have as many names as it likes.
func TestManySystems(t *testing.T) {
	var db strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&db, "P:p%d\nV:1\nT:%s\n\n", i, strings.Repeat("x", 3000))
	}
	file := file(db.String())
	m := fstest.MapFS{}
	for i := range MaxSystems + 10 {
		at := fmt.Sprintf("ostree/deploy/f/deploy/%04d.0/", i)
		m[at+"usr/lib/os-release"], m[at+"lib/apk/db/installed"] = &fstest.MapFile{Data: []byte("ID=alpine\n"), Mode: 0o644}, file
	}
	v := vol(t, "gpt1", m)
	v.Status = StatusRead
	rep := &Report{Volumes: []*Volume{v}, tree: &volume.Tree{}}
	if err := rep.findSystems(t.Context(), v, &Options{MaxPackages: 2000}); err != nil {
		t.Fatal(err)
	}
	listed, not := 0, 0
	for _, s := range rep.Systems {
		listed += len(s.Packages.Items)
		if s.Packages.Status == PackagesNotRead {
			not++
		}
	}
	if len(rep.Systems) != MaxSystems || rep.Complete() || listed < 2000 || listed > 4000 || not < MaxSystems-4 {
		t.Errorf("%d systems, complete %t, %d packages, %d lists not read", len(rep.Systems), rep.Complete(), listed, not)
	}
	problems := rep.Problems()
	if n := len(problems); n == 0 || !errors.Is(problems[n-1], block.ErrLimit) || !strings.Contains(problems[n-1].Error(), "more than 64 systems") {
		t.Errorf("%v", problems)
	}
}

// TestLargeSystems has as many systems as are listed, each of which says of itself as much
// as it may: a few of them are enough.
func TestLargeSystems(t *testing.T) {
	m := fstest.MapFS{}
	files := hostileConfig()
	for i := range 16 {
		for name, file := range files {
			m[fmt.Sprintf("ostree/deploy/f/deploy/%04d.0/%s", i, name)] = file
		}
	}
	v := vol(t, "gpt1", m)
	v.Status = StatusRead
	rep := &Report{Volumes: []*Volume{v}, tree: &volume.Tree{}}
	if err := rep.findSystems(t.Context(), v, &Options{}); err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, s := range rep.Systems {
		size += s.Cost()
	}
	s := rep.Systems[0]
	if n := len(rep.Systems); n < 2 || n == 16 || rep.Complete() || size > MaxSystemBytes+s.Cost() || s.Cost() < 1<<20 {
		t.Errorf("%d systems, complete %t, %d bytes, of the first %d", n, rep.Complete(), size, s.Cost())
	}
	problems := rep.Problems()
	if last := problems[len(problems)-1]; !errors.Is(last, block.ErrLimit) || !strings.Contains(last.Error(), "not read") {
		t.Errorf("the last problem is %v", last)
	}
}

// hostileConfig are configuration files of a system, each as full as it may be.
func hostileConfig() map[string]*fstest.MapFile {
	big := func(line func(i int) string) *fstest.MapFile {
		var b strings.Builder
		for i := 0; b.Len() < 1<<20-8192; i++ {
			b.WriteString(line(i))
		}
		return &fstest.MapFile{Data: []byte(b.String()), Mode: 0o644}
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	out := map[string]*fstest.MapFile{
		"usr/lib/os-release": {Data: []byte("ID=alpine\n"), Mode: 0o644},
		"etc/os-release":     big(func(i int) string { return fmt.Sprintf("K%d=%s\n", i, x(4000)) }),
		"etc/fstab":          big(func(i int) string { return fmt.Sprintf("UUID=%s /m%d%s ext4 %s 0 0\n", x(200), i, x(200), x(600)) }),
		"etc/passwd": big(func(i int) string {
			return fmt.Sprintf("u%d:x:%d:%d:%s:/home/%s:/bin/%s\n", i, i, i, x(80), x(80), x(60))
		}),
		"etc/group":    big(func(i int) string { return fmt.Sprintf("g%d:x:%d:u1,u2,u3,%s\n", i, i, x(100)) }),
		"etc/crypttab": big(func(i int) string { return fmt.Sprintf("c%d UUID=%s none %s\n", i, x(300), x(600)) }),
	}
	for i := range 50 {
		out[fmt.Sprintf("boot/loader/entries/e%d.conf", i)] = &fstest.MapFile{Data: []byte(fmt.Sprintf("title %s\nversion %d\nlinux /vmlinuz-%d\ninitrd /i\noptions %s\n", x(3000), i, i, x(16000))), Mode: 0o644}
		out[fmt.Sprintf("etc/NetworkManager/system-connections/n%d.nmconnection", i)] = &fstest.MapFile{Data: []byte("[connection]\nid=" + x(3000) + "\ninterface-name=e" + fmt.Sprint(i) + "\n[ipv4]\n" + func() string {
			var b strings.Builder
			for j := range 500 {
				fmt.Fprintf(&b, "address%d=10.%d.%d.%d/24\n", j, i, j>>8, j&255)
			}
			return b.String()
		}()), Mode: 0o644}
	}
	var grub strings.Builder
	for i := range 500 {
		fmt.Fprintf(&grub, "menuentry '%d%s' { linux /vmlinuz root=/dev/sda1 %s\n initrd /i\n}\n", i, x(100), x(1800))
	}
	out["boot/grub/grub.cfg"] = &fstest.MapFile{Data: []byte(grub.String()), Mode: 0o644}
	out["boot/grub2/grub.cfg"] = out["boot/grub/grub.cfg"]
	return out
}
