// Package examples runs the programs in its folders against the project's fixtures.
package examples

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const image = "../testdata/images/debian12-uefi.qcow2"

func TestExamples(t *testing.T) {
	srv := httptest.NewServer(http.FileServer(http.Dir("../testdata/images")))
	defer srv.Close()
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "./...").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"detect":         {[]string{image}, image + ": qcow2\n"},
		"convert":        {[]string{image, filepath.Join(t.TempDir(), "disk.vmdk")}, "qcow2, vmdk\n"},
		"retry":          {nil, "it worked <nil>\npermission denied\n"},
		"walk":           {[]string{image}, "Debian GNU/Linux 12 (bookworm)\n"},
		"inspect-remote": {[]string{srv.URL + "/debian12-uefi.qcow2"}, "Debian GNU/Linux 12 (bookworm) x86_64\n"},
		"sbom":           {[]string{image}, "pkg:deb/debian/adduser@"},
		"concerns":       {[]string{"hyperv", "../testdata/images"}, "debian12-bios.qcow2: information: bios-boot: "},
		"custom-source":  {[]string{image}, "gpt2 ext4 read\n"},
	} {
		var errs bytes.Buffer
		cmd := exec.Command(filepath.Join(bin, name), c.args...)
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil || !strings.Contains(strings.ReplaceAll(string(out), `\`, "/"), c.want) {
			t.Errorf("%s %q: %v\n%s%s", name, c.args, err, out, errs.String())
		}
	}
}
