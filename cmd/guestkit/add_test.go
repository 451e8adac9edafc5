package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAddFormat states the format of a disk of -a alone.
func TestAddFormat(t *testing.T) {
	dir := t.TempDir()
	b, err := os.ReadFile(bios)
	if err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(dir, "x,format=raw") // is its name
	if err := os.WriteFile(odd, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, c := range map[string]struct {
		code int
		want []string // formats, in order; or a part of the error
	}{
		uefi + " -a " + bios:                                     {exitDone, []string{"qcow2", "qcow2"}},
		uefi + " -a " + bios + ",format=RAW":                     {exitDone, []string{"qcow2", "raw"}},
		"-f qcow2 " + uefi + " -a " + bios + ",format=raw":       {exitDone, []string{"qcow2", "raw"}},
		"-a " + bios + ",format=raw -a " + uefi:                  {exitDone, []string{"raw", "qcow2"}},
		uefi + " -a " + odd:                                      {exitDone, []string{"qcow2", "qcow2"}},
		uefi + " -a " + odd + ",format=raw":                      {exitDone, []string{"qcow2", "raw"}},
		uefi + " -a " + bios + ",format=vmdk":                    {exitFailed, []string{"vmdk"}},
		uefi + " -a " + bios + ",format=x":                       {exitUsage, []string{`unknown format "x"`}},
		uefi + " -a " + filepath.Join(dir, "no") + ",format=raw": {exitFailed, []string{"no: no such file"}},
	} {
		r := gk(t, append([]string{"volumes", "-v"}, strings.Fields(args)...)...)
		if r.code != c.code {
			t.Errorf("%s: exit code %d\n%s", args, r.code, r.err)
		}
		rest := r.err
		for _, w := range c.want {
			if c.code == exitDone {
				w = ": " + w + ", "
			}
			i := strings.Index(rest, w)
			if i < 0 {
				t.Errorf("%s: no %q in\n%s", args, w, r.err)
				break
			}
			rest = rest[i+len(w):]
		}
	}
}
