//go:build qemu && linux

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestFallback: every command that reads such an image says who read it.
func TestFallback(t *testing.T) {
	dir := t.TempDir()
	qed := filepath.Join(dir, "disk.qed")
	peers.Run(t, "qemu-img", "convert", "-f", "qcow2", "-O", "qed", bios, qed)
	for _, c := range []struct {
		args   []string
		answer string
	}{
		{[]string{"info", qed}, "  read by       qemu-img\n"},
		{[]string{"info", "--json", qed}, `"read_by": "qemu-img"`},
		{[]string{"inspect", qed}, "Debian GNU/Linux 12"},
		{[]string{"volumes", qed}, "ext3"},
		{[]string{"cat", qed, "/etc/hostname"}, "db-1\n"},
		{[]string{"ls", qed, "/home"}, ""},
		{[]string{"ls", "--json", qed, "/home"}, "guestkit.ls/v1"},
		{[]string{"map", qed}, "zeros"},
		{[]string{"compare", qed, bios}, "the disks are the same"},
		{[]string{"convert", "-f", "qed", qed, "-O", "qcow2", filepath.Join(dir, "out.qcow2")}, "out.qcow2: qcow2"},
	} {
		r := gk(t, c.args...)
		if r.code != 0 || !strings.Contains(r.out, c.answer) || !strings.Contains(r.out+r.err, "read by qemu-img, not by guestkit") {
			t.Errorf("guestkit %s: %d\n%s%s", strings.Join(c.args, " "), r.code, r.out, r.err)
		}
	}
}
