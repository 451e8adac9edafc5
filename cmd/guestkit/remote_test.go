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

// TestRemoteSecrets gives each command an address with a password and a signature, of an
// image that is there, and of one that is not: neither is printed, whatever comes of it.
func TestRemoteSecrets(t *testing.T) {
	images := http.FileServer(http.Dir("testdata/images"))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "s3cret" || r.URL.Query().Get("sig") != "s3cret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		images.ServeHTTP(w, r)
	}))
	defer srv.Close()
	base := strings.Replace(srv.URL, "http://", "http://anna:s3cret@", 1)
	dir := t.TempDir()
	for _, c := range commands {
		for _, disk := range []string{base + "/debian12-uefi.qcow2?sig=s3cret", base + "/none.qcow2?sig=s3cret", "ftp://anna:s3cret@host/s?s3cret", "http://anna:s3cret@ho st/"} {
			var rest []string
			out := filepath.Join(dir, c.name)
			os.Remove(out)
			switch c.name {
			case "serve", "man-pages": // until it is interrupted; into a folder
				continue
			case "ls", "cat", "stat", "find", "grep", "manifest":
				rest = []string{"/etc/none"}
			case "cp":
				rest = []string{"/etc/none", dir}
			case "registry":
				rest = []string{`HKLM\SOFTWARE`}
			case "compare", "diff":
				rest = []string{uefi}
			case "dd":
				disk, rest = "if="+disk, []string{"of=" + out}
			case "convert":
				rest = []string{out}
			case "mount":
				rest = []string{filepath.Join(dir, "none")}
			case "resize":
				rest = []string{"1G"}
			case "snapshot":
				rest = []string{"-l"}
			case "tar":
				rest = []string{"-o", out}
			}
			for _, flags := range [][]string{{"-v"}, {"--json"}} {
				args := append(append([]string{c.name}, flags...), append([]string{disk}, rest...)...)
				if r := gk(t, args...); strings.Contains(r.out+r.err, "s3cret") {
					t.Errorf("%s %s: %+v", c.name, flags[0], r)
				}
			}
		}
	}
	for _, args := range [][]string{{"info", "--compat", "qemu", "--json", base + "/debian12-uefi.qcow2?sig=s3cret"}, {"check", "--untrusted", base + "/debian12-uefi.qcow2?sig=s3cret"},
		{"check", "--target", "kubevirt", "--json", base + "/debian12-uefi.qcow2?sig=s3cret"}, {"detect", base + "/debian12-uefi.qcow2?sig=s3cret", uefi}, {"create", "-b", base + "/x", "-F", "qcow2", filepath.Join(dir, "o.qcow2")},
		{"convert", "-B", base + "/x", uefi, filepath.Join(dir, "o.qcow2")}, {"inspect", "-a", base + "/none?sig=s3cret", uefi},
		{"df", uefi, base + "/debian12-uefi.qcow2?sig=s3cret"}, {"inspect", "--json", "--header", "X-Key: s3cret", uefi, base + "/debian12-uefi.qcow2?sig=s3cret"}, {"volumes", uefi, base + "/none?sig=s3cret"}, {"digest", uefi, base + "/debian12-uefi.qcow2?sig=s3cret"},
		{"dd", base + "/none?sig=s3cret"}} {
		if r := gk(t, args...); strings.Contains(r.out+r.err, "s3cret") {
			t.Errorf("%s: %+v", args[:2], r)
		}
	}
}
