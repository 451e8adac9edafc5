package inspect

import "testing"
import "testing/fstest"

func TestSmoke(t *testing.T) {
	s, rep := one(t, fstest.MapFS{
		"etc/os-release":     link("../usr/lib/os-release"),
		"usr/lib/os-release": file("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n"),
		"etc/debian_version": file("12.7\n"),
		"etc/hostname":       file("box\n"),
		"bin":                link("usr/bin"),
		"usr/bin/bash":       elf(2, 1, 62),
	})
	t.Logf("%+v %v", s, rep.Problems())
	if s.Version != "12.7" || s.Arch != "x86_64" {
		t.Fail()
	}
}
