package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// TestProgressFits: the line of the bar fits any terminal, and on one of 60
// columns still says how far it is.
func TestProgressFits(t *testing.T) {
	for _, x := range []convert.Progress{{}, {Done: 5 << 30, Total: 100 << 30}, {Done: 1023 << 40, Total: 1023 << 40}, {Done: 7 << 30}} {
		for width := 20; width <= 200; width++ {
			line := progressLine(x, 3*time.Hour+7*time.Second, width)
			if terminal.Width(line) > width || line == "" {
				t.Errorf("%d columns: %q", width, line)
			}
			if width >= 60 && x.Total > 0 && (!strings.Contains(line, "/s") || !strings.Contains(line, "%") || !strings.Contains(line, "left")) {
				t.Errorf("%d columns: %q", width, line)
			}
		}
	}
}

// TestTablesFit: what volumes, inspect and info print fits, without a word lost.
func TestTablesFit(t *testing.T) {
	words := func(s string) string {
		return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\n' || r == '.' || r > 0x2000 && r < 0x2600 }), "") // but for the bar
	}
	for _, args := range [][]string{{"volumes", uefi}, {"inspect", uefi}, {"inspect", win11}, {"info", bios}} {
		wide := gk(t, args...).out
		for width := 60; width <= 200; width += 7 {
			var out bytes.Buffer
			a := newApp(streams{strings.NewReader(""), &out, &out})
			a.out.SetWidth(func() int { return width })
			root := newRoot(a, streams{strings.NewReader(""), &out, &out}, "")
			root.SetArgs(args)
			if err := root.Execute(); err != nil {
				t.Fatal(err)
			}
			a.finish()
			for line := range strings.Lines(out.String()) {
				if n := terminal.Width(strings.TrimSuffix(line, "\n")); n > width && strings.HasPrefix(line, "  ") {
					t.Errorf("%v in %d columns: %q", args, width, line)
				}
			}
			if len(words(out.String())) != len(words(wide)) {
				t.Errorf("%v in %d columns: something is lost or new:\n%s", args, width, out.String())
			}
		}
	}
}

// TestHelpFits: no line of help has 100 characters.
func TestHelpFits(t *testing.T) {
	var buf bytes.Buffer
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		var out bytes.Buffer
		help(cmd, &out, mostHelp)
		for line := range strings.Lines(out.String()) {
			if utf8.RuneCountInString(line) > 100 { // with its end
				t.Errorf("%s: %s", cmd.CommandPath(), line)
			}
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRoot(newApp(streams{nil, &buf, &buf}), streams{nil, &buf, &buf}, ""))
}

// TestStepsFit: so does the line of an inspection.
func TestStepsFit(t *testing.T) {
	for _, x := range []inspect.Progress{{Phase: inspect.PhaseOpen, Volume: "lvm:a-long-group/a-long-volume", Total: 7}, {Phase: inspect.PhasePackages, Volume: "gpt1", Done: 3, Total: 7}, {Phase: inspect.PhaseSearch, Done: 7, Total: 7}} {
		for width := 20; width <= 200; width++ {
			line := stepLine(x, width)
			if terminal.Width(line) > width || line == "" {
				t.Errorf("%d columns: %q", width, line)
			}
			if width >= 80 && !strings.Contains(line, "█") && x.Done > 0 {
				t.Errorf("%d columns: no bar: %q", width, line)
			}
		}
	}
}

// TestInspectProgress reads the lines of --progress=json.
func TestInspectProgress(t *testing.T) {
	r := gk(t, "inspect", "--progress=json", uefi)
	var last stepDoc
	phases := map[inspect.Phase]bool{}
	for line := range strings.Lines(r.err) {
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		phases[last.Phase] = true
	}
	if r.code != 0 || len(phases) != 4 || last.Done == 0 || last.Done != last.Total {
		t.Errorf("exit code %d, phases %v, last %+v", r.code, phases, last)
	}
	if r := gk(t, "inspect", "--progress=sometimes", uefi); r.code != exitUsage {
		t.Errorf("exit code %d", r.code)
	}
	if r := gk(t, "inspect", uefi); r.err != "" {
		t.Errorf("without a terminal: %q", r.err)
	}
}
