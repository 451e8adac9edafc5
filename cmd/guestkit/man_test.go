package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestManPages: there is a page for each command, with each of its flags.
func TestManPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if r := gk(t, "man-pages", dir); r.code != 0 {
		t.Fatal(r.err)
	}
	help := gk(t, "--help").out
	_, list, _ := strings.Cut(help, "\nCommands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		name := strings.Fields(line)[0]
		if name == "help" {
			continue
		}
		page, err := os.ReadFile(filepath.Join(dir, "guestkit-"+name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH SEE ALSO"} {
			if !strings.Contains(string(page), part) {
				t.Errorf("%s lacks %s", name, part)
			}
		}
		_, flags, _ := strings.Cut(gk(t, name, "--help").out, "\nFlags:\n")
		for _, word := range strings.Fields(flags) {
			if flag, ok := strings.CutPrefix(word, "--"); ok {
				flag, _, _ = strings.Cut(flag, "[")
				flag, _, _ = strings.Cut(flag, "=")
				if flag = strings.TrimRight(flag, ".,;:()'"); !strings.Contains(string(page), strings.ReplaceAll("--"+flag, "-", `\-`)) {
					t.Errorf("the page of %s lacks --%s", name, flag)
				}
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "guestkit.1")); err != nil {
		t.Error(err)
	}
	t.Run("peer man", func(t *testing.T) {
		peers.Need(t, "man")
		pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			if out := peers.Run(t, "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page); strings.Contains(out, ": warning") {
				t.Errorf("%s: %s", page, out)
			}
		}
	})
}
