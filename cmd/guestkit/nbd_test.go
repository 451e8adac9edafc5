package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/nbd"
)

// TestNBD: an export is an image wherever a path is taken.
func TestNBD(t *testing.T) {
	file, err := format.FileSource(uefi)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- (&nbd.Server{Exports: []nbd.Export{{Name: "disk", Device: file}}}).Serve(ctx, l)
	}()
	defer func() { cancel(); <-done }()
	uri := "nbd://" + l.Addr().String() + "/disk"
	out := filepath.Join(t.TempDir(), "x.vmdk")
	for _, x := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"detect", uri}, exitDone, "qcow2"},
		{[]string{"info", uri}, exitDone, "qcow2"},
		{[]string{"inspect", uri}, exitDone, "Debian GNU/Linux 12"},
		{[]string{"cat", uri, "/etc/hostname"}, exitDone, ""},
		{[]string{"check", uri}, exitDone, ""},
		{[]string{"convert", "--verify", uri, out}, exitDone, "vmdk"},
		{[]string{"compare", uri, out}, exitDone, "same"},
		{[]string{"info", uri + "2"}, exitFailed, "has none called \"disk2\""},
		{[]string{"info", "nbd://" + l.Addr().String() + "/?x=y"}, exitUsage, "\"x\" is not understood"},
		{[]string{"info", "nbdx://h/"}, exitFailed, "http, https, s3 and nbd"},
	} {
		if r := gk(t, x.args...); r.code != x.code || !strings.Contains(r.out+r.err, x.want) {
			t.Errorf("%q: %+v", x.args, r)
		}
	}
}
