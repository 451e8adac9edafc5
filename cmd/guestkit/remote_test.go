package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRemote reads images behind HTTP with the commands that read files.
func TestRemote(t *testing.T) {
	var requests atomic.Int64
	dir := t.TempDir()
	images := http.FileServer(http.Dir("testdata/images"))
	own := http.FileServer(http.Dir(dir))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if strings.HasPrefix(r.URL.Path, "/own/") {
			http.StripPrefix("/own", own).ServeHTTP(w, r)
			return
		}
		images.ServeHTTP(w, r)
	}))
	defer srv.Close()
	disk := srv.URL + "/debian12-uefi.qcow2"
	local := gk(t, "inspect", "--json", debian)
	far := gk(t, "inspect", "--json", disk)
	if _, systems, _ := strings.Cut(local.out, `"systems"`); far.code != exitDone || systems == "" || !strings.HasSuffix(far.out, systems) {
		t.Errorf("inspect tells less of it: %+v", far)
	}
	if n := requests.Load(); n > 40 {
		t.Errorf("inspect makes %d requests", n)
	}
	for _, args := range [][]string{{"detect", disk}, {"info", disk}, {"check", "--untrusted", disk}, {"check", "--target", "kubevirt", disk}, {"volumes", disk}, {"ls", disk, "/etc"}, {"cat", disk, "/etc/os-release"}, {"check", disk}, {"map", disk}, {"compare", disk, debian}, {"measure", disk},
		{"convert", disk, filepath.Join(dir, "out.raw")}, {"convert", debian, filepath.Join(dir, "base.qcow2")}, {"create", "-b", "base.qcow2", "-F", "qcow2", filepath.Join(dir, "top.qcow2")},
		{"compare", srv.URL + "/own/top.qcow2", debian}, {"compare", filepath.Join(dir, "out.raw"), disk}} {
		if r := gk(t, args...); r.code != exitDone {
			t.Errorf("%s: %+v", args, r)
		}
	}
	must(t, "bitmap", "--add", filepath.Join(dir, "top.qcow2"), "b0")
	must(t, "bitmap", "--add", filepath.Join(dir, "base.qcow2"), "b1")
	for _, args := range [][]string{{"bitmap", srv.URL + "/own/top.qcow2", "b0"}, {"map", "--bitmap", "b0", srv.URL + "/own/top.qcow2"}, {"bitmap", "--merge", "b0", "-b", srv.URL + "/own/top.qcow2", filepath.Join(dir, "base.qcow2"), "b1"}} {
		if r := gk(t, args...); r.code != exitDone {
			t.Errorf("%s: %+v", args, r)
		}
	}
	for want, args := range map[string][]string{
		"does not exist":          {"info", srv.URL + "/nope.qcow2"},
		"presigned":               {"info", "gs://bucket/key"},
		"http, https, s3 and nbd": {"info", "ftp://host/file"},
		"Name: value":             {"info", "--header", "nonsense", disk},
	} {
		if r := gk(t, args...); r.code == exitDone || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v", args, r)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out.raw")); err != nil {
		t.Error(err)
	}
}
