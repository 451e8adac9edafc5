package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// shellWords splits a line at blanks, but in single quotes.
func shellWords(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// parses checks that a line is one of a command with flags that it has.
func parses(t *testing.T, line string) {
	t.Helper()
	words := shellWords(line)
	if len(words) < 2 || words[0] != "guestkit" {
		t.Errorf("%q is no command line", line)
		return
	}
	var buf bytes.Buffer
	root := newRoot(newApp(streams{nil, &buf, &buf}), streams{nil, &buf, &buf}, "")
	cmd, rest, err := root.Find(habitArgs(words[1:]))
	if err == nil && cmd == root && !strings.HasPrefix(words[1], "-") && words[1] != "help" && words[1] != "COMMAND" {
		err = fmt.Errorf("no such command")
	}
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil {
		t.Errorf("%q: %v", line, err)
	}
}

// TestComingFrom makes docs/coming-from.md of the tables, and holds what it
// advises to the commands and flags that there are.
func TestComingFrom(t *testing.T) {
	const file = "docs/coming-from.md"
	got := comingFrom()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || got != string(want) {
		t.Errorf("%s is not made of the tables (%v): go test ./cmd/guestkit -run ComingFrom -update", file, err)
	}
	for _, f := range foreigns() {
		if f.use != "" {
			parses(t, f.use)
		}
		if f.use == "" && f.note == "" && f.verbs[0] != "virt-*" {
			t.Errorf("%q has no answer", f.verbs)
		}
	}
	if n := len(foreignLines()); n < 100 {
		t.Errorf("%d lines", n)
	}
	for _, l := range foreignLines() {
		if l.ours != "" {
			parses(t, l.ours)
			continue
		}
		words := shellWords(l.theirs)
		known := foreignVerb(words[0])
		for _, w := range words {
			if f := foreignVerb(w); f != nil {
				known = f
			}
		}
		if known == nil {
			t.Errorf("%q has no answer", l.theirs)
		}
	}
}

// TestForeignFlags types every flag that "qemu-img --help" lists of a command that is
// here too: it is taken or answered.
func TestForeignFlags(t *testing.T) {
	peers.Need(t, "qemu-img")
	var buf bytes.Buffer
	root := newRoot(newApp(streams{nil, &buf, &buf}), streams{nil, &buf, &buf}, "")
	n := 0
	for line := range strings.Lines(peers.Run(t, "qemu-img", "--help")) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "  "), " ")
		cmd, _, err := root.Find([]string{name})
		if !ok || err != nil || cmd == root || line[:2] != "  " || rest[:1] == "'" {
			continue
		}
		for word := range strings.FieldsFuncSeq(rest, func(r rune) bool { return strings.ContainsRune(" []()|.\n", r) }) {
			flag, _, _ := strings.Cut(word, "=")
			if flag == "-" || !strings.HasPrefix(flag, "-") {
				continue
			}
			n++
			if long, ok := strings.CutPrefix(flag, "--"); ok && cmd.Flag(long) == nil {
				f := foreignVerb(flag)
				if r := gk(t, name, flag); r.code != exitUsage || f == nil || !strings.Contains(r.err, f.answer()) {
					t.Errorf("%s %s: %+v", name, flag, r)
				}
			} else if !ok && cmd.Flags().ShorthandLookup(flag[1:]) == nil && cmd.InheritedFlags().ShorthandLookup(flag[1:]) == nil {
				t.Errorf("%s has no %s", name, flag)
			}
		}
	}
	if n < 90 {
		t.Errorf("qemu-img --help has %d flags", n)
	}
	for _, name := range []string{`json:{"driver":"raw","file":{"driver":"file","filename":"/x"}}`, "file:disk.qcow2", "nbd:localhost:10809", "nbd:unix:/run/x"} {
		f := foreignName(name)
		if r := gk(t, "info", name); r.code != exitFailed || f == nil || !strings.Contains(r.err, f.answer()) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestForeignVerbs types every verb that the programs have. The lists are those
// of "guestfish -h" and "qemu-img --help".
func TestForeignVerbs(t *testing.T) {
	var buf bytes.Buffer
	root := newRoot(newApp(streams{nil, &buf, &buf}), streams{nil, &buf, &buf}, "")
	own := map[string]bool{"help": true}
	for _, c := range root.Commands() {
		own[c.Name()] = true
		for _, alias := range c.Aliases {
			own[alias] = true
		}
	}
	said := func(verb string) {
		t.Helper()
		if own[verb] || verb == "" {
			return
		}
		for _, args := range [][]string{{verb}, {verb, "-h"}, {"-v", verb, "--frobnicate", "x"}} {
			r := gk(t, args...)
			f := foreignVerb(verb)
			if r.code != exitUsage || r.out != "" || f == nil || !strings.Contains(r.err, "unknown command \""+verb+"\"; "+f.answer()) {
				t.Errorf("%q: %+v", args, r)
			}
		}
	}
	for _, verb := range []string{"amend", "bench", "bitmap", "commit", "dd", "rebase", "snapshot", "ll", "mount", "copy-out", "rm-rf", "virt-df", "virt-v2v", "virt-nothing", "qemu-img", "guestfish", "aug-get", "part-init", "hivex-open", "launch"} {
		said(verb)
	}
	if r := gk(t, "frobnicate", "-h"); r.code != exitUsage || !strings.Contains(r.err, `unknown command "frobnicate"`) {
		t.Errorf("%+v", r)
	}
	if r := gk(t, "inspekt", "--json", "-h"); r.code != exitUsage || !strings.Contains(r.err, `did you mean "inspect"`) {
		t.Errorf("%+v", r)
	}
	for _, flag := range []string{"--version", "-V"} {
		if r := gk(t, flag); r.code != 0 || !strings.HasPrefix(r.out, "guestkit ") {
			t.Errorf("%s: %+v", flag, r)
		}
	}
	t.Run("peer guestfish", func(t *testing.T) {
		peers.Need(t, "guestfish", "qemu-img")
		n := 0
		for line := range strings.Lines(peers.Run(t, "guestfish", "-h")) {
			f := strings.Fields(line)
			if len(f) == 0 || line[0] == ' ' || f[0] == "Use" {
				continue
			}
			n++
			if !own[f[0]] && foreignVerb(f[0]) == nil {
				t.Errorf("guestfish %s has no answer", f[0])
			}
		}
		if n < 500 {
			t.Errorf("%d verbs", n)
		}
		_, list, ok := strings.Cut(peers.Run(t, "qemu-img", "--help"), "Command syntax:\n")
		list, _, end := strings.Cut(list, "\n\n")
		if !ok || !end {
			t.Fatal("qemu-img --help looks otherwise")
		}
		for line := range strings.Lines(list) {
			if f := strings.Fields(line); strings.HasPrefix(line, "  ") && len(f) > 0 && !strings.HasPrefix(line, "   ") {
				said(f[0])
			}
		}
	})
}
