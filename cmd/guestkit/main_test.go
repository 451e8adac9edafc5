package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the commands print to the golden files")

// The fixtures, from the root of the module.
const (
	uefi    = "testdata/images/debian12-uefi.qcow2"
	bios    = "testdata/images/debian12-bios.qcow2"
	hostile = "testdata/images/hostile-names.qcow2"
	win11   = "testdata/images/windows11.qcow2"
)

// result is what one run did.
type result struct {
	code     int
	out, err string
}

// gk runs the command line in this process, from the root of the module.
// A panic that was recovered fails the test.
func gk(t testing.TB, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(args, streams{strings.NewReader(""), &out, &errs}, nil)
	if strings.Contains(errs.String(), "internal error") {
		t.Fatalf("guestkit %s: %s", strings.Join(args, " "), errs.String())
	}
	return result{code, out.String(), errs.String()}
}

func TestMain(m *testing.M) {
	flag.Parse()
	if err := os.Chdir("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// hostDependent are the parts of the output that the machine decides.
var hostDependent = regexp.MustCompile(`, [0-9.]+ [KMG]?i?B on disk|\n *"allocated": [0-9]+,`)

// TestGolden holds every command to what it printed when a person last looked
// at it: "go test ./cmd/guestkit -update" writes the files anew.
func TestGolden(t *testing.T) {
	for name, args := range map[string][]string{
		"inspect-uefi":      {"inspect", uefi},
		"inspect-bios":      {"inspect", bios},
		"inspect-json":      {"inspect", "--json", bios},
		"inspect-nothing":   {"inspect", hostile},
		"inspect-several":   {"inspect", uefi, "nowhere.img", bios},
		"inspect-disks":     {"inspect", uefi, "-a", bios},
		"info":              {"info", uefi},
		"info-json":         {"info", "--json", bios},
		"detect":            {"detect", uefi},
		"detect-several":    {"detect", uefi, "testdata/MANIFEST"},
		"detect-json":       {"detect", "--json", uefi},
		"volumes-gpt":       {"volumes", uefi},
		"volumes-mbr":       {"volumes", bios},
		"volumes-json":      {"volumes", "--json", uefi},
		"volumes-disks":     {"volumes", uefi, "-a", bios},
		"volumes-hostile":   {"volumes", hostile},
		"ls":                {"ls", uefi},
		"ls-long":           {"ls", "-l", uefi, "/srv/share", "/bin", "/dev"},
		"ls-recursive":      {"ls", "-R", uefi, "/boot"},
		"ls-volume":         {"ls", "-lR", "--volume", "gpt1", uefi},
		"ls-json":           {"ls", "--json", uefi, "/srv/share"},
		"ls-hostile":        {"ls", "-l", hostile},
		"ls-missing":        {"ls", uefi, "/etc", "/nope"},
		"cat":               {"cat", uefi, "/etc/hostname", "/boot/efi/loader/loader.conf"},
		"cat-link":          {"cat", uefi, "srv/share/host"},
		"cat-directory":     {"cat", uefi, "/etc"},
		"cat-missing":       {"cat", uefi, "/etc/nope"},
		"cat-dangling":      {"cat", uefi, "/srv/share/dangling"},
		"cat-fifo":          {"cat", uefi, "/srv/share/queue"},
		"cat-no-path":       {"cat", uefi},
		"manifest":          {"manifest", uefi, "/srv"},
		"manifest-hostile":  {"manifest", hostile},
		"manifest-file":     {"manifest", "--volume", "gpt1", uefi, "/loader/loader.conf"},
		"volume-unknown":    {"ls", "--volume", "gpt9", uefi},
		"volume-swap":       {"ls", "--volume", "mbr5", bios},
		"image-missing":     {"inspect", "nowhere.qcow2"},
		"image-directory":   {"inspect", "testdata"},
		"image-none":        {"inspect"},
		"image-twice":       {"inspect", "--image", uefi, bios},
		"disks-and-several": {"inspect", uefi, bios, "-a", uefi},
		"flag-unknown":      {"inspect", "--frobnicate", uefi},
		"flag-value":        {"inspect", "-f"},
		"format-unknown":    {"info", "-f", "qcow9", uefi},
		"format-wrong":      {"info", "-f", "vdi", uefi},
		"format-raw":        {"inspect", "-f", "raw", uefi},
		"command-unknown":   {"inspekt", uefi},
		"limits":            {"limits"},
		"windows-inspect":   {"inspect", "--packages", win11},
		"windows-json":      {"inspect", "--json", win11},
		"windows-ls":        {"ls", win11, `C:\`, `d:/Data`, `D:\Home\`, `C:\Users\Ada\notes.txt`},
		"windows-cat":       {"cat", win11, `C:\Windows\win.ini`, `C:\Users\Ada\notes.txt:Zone.Identifier`, `D:\data\report.txt`},
		"windows-missing":   {"cat", win11, `E:\x`, `\\server\share\x`, `C:\nope`},
		"windows-manifest":  {"manifest", win11, `D:\data`},
	} {
		t.Run(name, func(t *testing.T) {
			r := gk(t, args...)
			got := fmt.Sprintf("$ guestkit %s\n%s", strings.Join(args, " "), r.out)
			if r.err != "" {
				got += "[standard error]\n" + r.err
			}
			got += fmt.Sprintf("[exit code %d]\n", r.code)
			got = hostDependent.ReplaceAllString(got, "")
			file := filepath.Join("cmd/guestkit/testdata/golden", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it prints\n%s\nand not what %s has:\n%s", got, file, want)
			}
		})
	}
}

// TestHelp says that every command explains itself with an example and names
// others, and that a call without arguments is an error with the help.
func TestHelp(t *testing.T) {
	var buf bytes.Buffer
	for _, cmd := range newRoot(newApp(streams{nil, &buf, &buf}), streams{nil, &buf, &buf}, "").Commands() {
		if cmd.Hidden {
			continue
		}
		r := gk(t, cmd.Name(), "--help")
		if r.code != exitDone || r.err != "" || !strings.Contains(r.out, "\nUsage:\n  guestkit "+cmd.Name()) {
			t.Errorf("%s --help: %+v", cmd.Name(), r)
		}
		if cmd.Name() != "completion" && cmd.Name() != "help" && !strings.Contains(r.out, "\nExamples:\n  guestkit "+cmd.Name()) {
			t.Errorf("%s --help has no example:\n%s", cmd.Name(), r.out)
		}
		for _, line := range strings.Split(r.out, "\n") {
			if regexp.MustCompile(` string( |\[|$)|default (-1|[0-9]{7,})`).MatchString(line) {
				t.Errorf("%s --help does not say what a flag takes: %s", cmd.Name(), line)
			}
		}
		if !strings.Contains(gk(t, "--help").out, "\n  "+cmd.Name()) {
			t.Errorf("guestkit --help leaves out %s", cmd.Name())
		}
	}
	if r := gk(t); r.code != exitUsage || r.out != "" || !strings.Contains(r.err, "Usage:") {
		t.Errorf("without arguments: %+v", r)
	}
}

// TestFormats says that a format that there is not is a wrong call, which lists
// those that there are, wherever one can be stated.
func TestFormats(t *testing.T) {
	for _, args := range [][]string{
		{"info", "-f", "nosuch", uefi}, {"check", "-f", "nosuch", uefi}, {"check", "--untrusted", "-f", "nosuch", uefi}, {"resize", "-f", "nosuch", uefi, "1G"},
		{"compare", "-f", "nosuch", uefi, uefi}, {"compare", "-F", "nosuch", uefi, uefi}, {"create", "-b", uefi, "-F", "nosuch", filepath.Join(t.TempDir(), "x.qcow2")},
	} {
		if r := gk(t, args...); r.code != exitUsage || !strings.Contains(r.err, `unknown format "nosuch" (supported: raw, qcow2, `) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	for _, args := range [][]string{{"compare", "-a", uefi, uefi, uefi}, {"compare", "--image", uefi, uefi, uefi}} {
		if r := gk(t, args...); r.code != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestSynonyms(t *testing.T) {
	want := gk(t, "cat", uefi, "/etc/hostname")
	for _, args := range [][]string{
		{"cat", "--image", uefi, "/etc/hostname"},
		{"cat", "--source", uefi, "/etc/hostname"},
		{"cat", "-f", "qcow2", uefi, "/etc/hostname"},
		{"cat", "--format=qcow2", uefi, "etc//hostname"},
		{"cat", uefi, "/etc/../etc/./hostname"},
		{"cat", "--volume=gpt2", uefi, "/etc/hostname"},
	} {
		if got := gk(t, args...); got != want {
			t.Errorf("%q: got %+v, want %+v", args, got, want)
		}
	}
}

func TestQuietAndVerbose(t *testing.T) {
	if r := gk(t, "inspect", "-q", uefi); r != (result{}) {
		t.Errorf("inspect -q: %+v", r)
	}
	if r := gk(t, "inspect", "-q", hostile); r.code != exitNothing || r.out != "" {
		t.Errorf("inspect -q of a disk without a system: %+v", r)
	}
	if r := gk(t, "cat", "-q", uefi, "/etc/hostname"); r != (result{out: "web-1\n"}) {
		t.Errorf("cat -q: %+v", r)
	}
	r := gk(t, "inspect", "-v", bios)
	for _, want := range []string{"opened " + bios + ": qcow2, 160 MiB\n", "volume mbr6: read, ext3 of 96 MiB\n", "volume mbr5: skipped, swap", "\ntook "} {
		if !strings.Contains(r.err, want) {
			t.Errorf("inspect -v does not say %q:\n%s", want, r.err)
		}
	}
	if quiet := gk(t, "inspect", bios); r.out != quiet.out {
		t.Error("-v changes standard output")
	}
}

// TestNames says that a name that is no UTF-8 can be given as the guest's
// bytes and as JSON shows it.
func TestNames(t *testing.T) {
	for _, name := range []string{"/srv/share/caf\xe9.txt", "/srv/share/caf\uefe9.txt"} {
		if r := gk(t, "cat", uefi, name); r != (result{out: "caf\xe9\n"}) {
			t.Errorf("cat %q: %+v", name, r)
		}
	}
	if r := gk(t, "cat", uefi, "/srv/share/Einkaufsliste für März.txt"); r.out != "Käse und Brot\n" {
		t.Errorf("cat: %+v", r)
	}
}

// TestHostArguments says that what the caller gives is escaped as well.
func TestHostArguments(t *testing.T) {
	const bad = "no\x1b[31msuch\u202eimage"
	for _, args := range [][]string{{"inspect", bad}, {"cat", uefi, bad}, {"ls", "--volume", bad, uefi}, {"info", "-f", bad, uefi}, {bad}, {"inspect", "--" + bad}} {
		r := gk(t, args...)
		if r.code == 0 || strings.ContainsAny(r.err, "\x1b\u202e") {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

// failingWriter is a full disk, or a reader that went away.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestOutputFails(t *testing.T) {
	for _, args := range [][]string{{"inspect", uefi}, {"inspect", "--json", uefi}, {"ls", "-R", uefi}, {"cat", uefi, "/etc/passwd"}, {"manifest", uefi}, {"--help"}} {
		var errs bytes.Buffer
		code := run(args, streams{nil, failingWriter{errors.New("disk full")}, &errs}, nil)
		if code != exitFailed || strings.Count(errs.String(), "disk full") != 1 {
			t.Errorf("%q on a full disk: code %d, %s", args, code, errs.String())
		}
		errs.Reset()
		code = run(args, streams{nil, failingWriter{syscall.EPIPE}, &errs}, nil)
		if code != exitFailed || errs.Len() > 0 {
			t.Errorf("%q into a closed pipe: code %d, %s", args, code, errs.String())
		}
	}
}

// blockedWriter keeps a command busy until it is let go.
type blockedWriter struct{ free chan struct{} }

func (w blockedWriter) Write(p []byte) (int, error) { <-w.free; return len(p), nil }

func TestSignal(t *testing.T) {
	for sig, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		signals := make(chan os.Signal, 1)
		free := make(chan struct{})
		var errs bytes.Buffer
		done := make(chan int)
		go func() {
			done <- run([]string{"inspect", uefi}, streams{nil, blockedWriter{free}, &errs}, signals)
		}()
		signals <- sig
		select {
		case code := <-done:
			if code != want {
				t.Errorf("%v: exit code %d, want %d", sig, code, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%v: still running", sig)
		}
		close(free)
	}
}

func TestPanicIsAnError(t *testing.T) {
	var out, errs bytes.Buffer
	a := newApp(streams{nil, &out, &errs})
	code := a.guard(func() int { panic("boom\x1b") })
	if code != exitFailed || !strings.HasPrefix(errs.String(), `guestkit: internal error: boom\x1b`+"\n") {
		t.Errorf("code %d, %q", code, errs.String())
	}
}

func TestColorOnlyOnATerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if color, terminal := colors(f); color || terminal {
		t.Error("a file is taken for a terminal")
	}
}

// TestHelpersRefuse: help and completion know what they are asked for, or say so.
func TestHelpersRefuse(t *testing.T) {
	for args, want := range map[string]string{
		"help nope":        `unknown command "nope"`,
		"help serve nope":  `unknown command "serve nope"`,
		"completion foosh": `unknown shell "foosh"`,
		"completion":       "no shell is given",
	} {
		if r := gk(t, strings.Fields(args)...); r.code != exitUsage || r.out != "" || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v", args, r)
		}
	}
	for args, want := range map[string]string{
		"help serve nbd":  "guestkit serve nbd [flags] IMAGE",
		"help":            "Commands:",
		"completion bash": "bash completion",
		"-q help convert": "guestkit convert [flags]",
	} {
		if r := gk(t, strings.Fields(args)...); r.code != exitDone || r.err != "" || !strings.Contains(r.out, want) {
			t.Errorf("%s: code %d, %s", args, r.code, r.err)
		}
	}
}

// TestAddressInPlace: what is changed in place is a file, and the answer for an
// address says so.
func TestAddressInPlace(t *testing.T) {
	for _, args := range []string{"resize A 1G", "snapshot -c s A", "bitmap --add A b", "rebase -b x.raw A", "commit A", "amend -o compat=1.1 A", "sparsify A",
		"create -f qcow2 -u -b A -F raw x.qcow2 1G", "convert -B A -F qcow2 " + debian + " x.qcow2"} {
		r := gk(t, strings.Fields(strings.ReplaceAll(args, "A", "nbd+unix:///?socket=none"))...)
		if r.code != exitUsage || !strings.Contains(r.err, "is an address") {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

// TestCommandNames holds the table of commands to what they call themselves, and a
// tree of one command to the whole.
func TestCommandNames(t *testing.T) {
	for _, c := range commands {
		whole := c.make(newApp(streams{}))
		if whole.Name() != c.name || len(whole.Aliases) > 0 {
			t.Errorf("the table says %s, the command %s, %v", c.name, whole.Name(), whole.Aliases)
		}
		for _, word := range append(c.aliases, c.name) {
			root := newRoot(newApp(streams{}), streams{}, word)
			if got, _, err := root.Find([]string{word}); err != nil || got.Name() != c.name || c.all != (len(root.Commands()) > 1) {
				t.Errorf("%s: %v of %d commands, %v", word, got, len(root.Commands()), err)
			}
		}
	}
}
