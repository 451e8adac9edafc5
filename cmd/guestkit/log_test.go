package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// journalFile writes a journal of the fixtures to the host.
func journalFile(t testing.TB, name string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name+".journal")
	if err := os.WriteFile(out, testimg.Unpack(t, "journal/testdata/"+name+".journal.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLogFile(t *testing.T) {
	file := journalFile(t, "zstd")
	for _, c := range []struct {
		args []string
		code int
		want string // in what is printed
		n    int    // lines, -1 for any
	}{
		{nil, 0, "Nov 14 22:13:34 guest sshd[702]: Accepted publickey for ada from 192.0.2.2\n", -1},
		{[]string{"-n", "1", "-t", "kernel"}, 0, "Nov 14 22:19:38 guest kernel: usb 54-1: new device\n", 1},
		{[]string{"-r", "-n", "2", "-k", "-b", "-1"}, 0, "Nov 14 22:17:32 guest kernel: usb 36-1: new device\n", 2},
		{[]string{"-g", "usb", "-n", "2"}, 0, "usb 54-1: new device\nNov 14 22:18:56 guest kernel: usb 48-1", 2}, // the newest first
		{[]string{"--boot=1", "-u", "ssh", "-p", "6", "-o", "cat"}, 0, "Accepted publickey for ada from 192.0.2.2\n", -1},
		{[]string{"-b", "-u", "cron"}, 0, "cron[45]: line one of 45\n                                line two\n", -1},
		{[]string{"--grep", "PUBLICKEY"}, 0, "-- No entries --\n", 1},
		{[]string{"--since", "@1700000400", "--json"}, 0, `"SYSLOG_IDENTIFIER":"long"`, 2},
		{[]string{"--list-boots"}, 0, "  0  00000000000000000000000000002222  Tue 2023-11-14 22:18:00 UTC  Tue 2023-11-14 22:20:13 UTC\n", 3},
		{[]string{"--list-boots", "--json"}, 0, `{"index":-1,"boot_id":"00000000000000000000000000001111"`, 2},
		{[]string{"-t", "app", "--all", "-n", "1"}, 0, `bytes \x00\x01\xff\x1b[31m`, 1},
		{[]string{"-b", "-2"}, exitNothing, "", 0},
		{[]string{"-b=x"}, exitUsage, "", 0},
		{[]string{"-p", "loud"}, exitUsage, "", 0},
		{[]string{"-S", "once"}, exitUsage, "", 0},
		{[]string{"-g", "("}, exitUsage, "", 0},
		{[]string{"-o", "xml"}, exitUsage, "", 0},
	} {
		r := gk(t, append([]string{"log", file}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.out, c.want) || c.n >= 0 && strings.Count(r.out, "\n") != c.n {
			t.Errorf("log %q: code %d, %d lines\n%.2000s%s", c.args, r.code, strings.Count(r.out, "\n"), r.out, r.err)
		}
	}
}

// TestLogDamaged reads a journal that was cut: what is there is printed, and what
// is not makes the exit code 1.
func TestLogDamaged(t *testing.T) {
	file := journalFile(t, "plain")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(b, "\x00"))
	if err := os.WriteFile(file, b[:end-8000], 0o600); err != nil {
		t.Fatal(err)
	}
	r := gk(t, "log", file)
	if r.code != exitFailed || !strings.Contains(r.out, "usb 6-1") || !strings.Contains(r.err, "truncated") {
		t.Errorf("code %d: %s%s", r.code, r.out[:min(len(r.out), 500)], r.err)
	}
}

// TestLogGuest reads the logs of a guest, journals and plain ones.
func TestLogGuest(t *testing.T) {
	peers.Need(t, "mke2fs", "gzip", "xz", "zstd")
	root := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("etc/os-release", "ID=debian\n")
	peers.Run(t, "gzip", write("var/log/syslog.10", "tenth\n"))
	peers.Run(t, "xz", write("var/log/syslog.3", "third\n"))
	peers.Run(t, "zstd", "-q", "--rm", write("var/log/syslog.2", "second\nfailure two\n"))
	write("var/log/syslog.1", "first\n")
	write("var/log/syslog", "Failure\nlast\n")
	write("var/log/nginx/access.log-20260102", "new\n")
	write("var/log/nginx/access.log-20251231", "old\n")
	image := filepath.Join(t.TempDir(), "x.img")
	make := func() {
		os.Remove(image)
		peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-d", root, image, "48M")
	}
	make()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 0, "tenth\nthird\nsecond\nfailure two\nfirst\nFailure\nlast\n"},
		{[]string{"-n", "3"}, 0, "first\nFailure\nlast\n"},
		{[]string{"syslog", "-g", "failure"}, 0, "failure two\nFailure\n"},
		{[]string{"/var/log/syslog", "-g", "Failure", "--json"}, 0, `{"path":"/var/log/syslog","text":"Failure"}` + "\n"},
		{[]string{"nginx/access.log"}, 0, "old\nnew\n"},
		{[]string{"auth.log"}, exitNothing, ""},
		{[]string{"syslog", "-p", "err"}, exitUsage, ""},
		{[]string{"-p", "err"}, exitNothing, ""},
	} {
		r := gk(t, append([]string{"log", image}, c.args...)...)
		if r.code != c.code || r.out != c.want {
			t.Errorf("log %q: code %d\n%s%s", c.args, r.code, r.out, r.err)
		}
	}
	const folder = "var/log/journal/00000000000000000000000000000077/"
	write(folder+"system.journal", string(testimg.Unpack(t, "journal/testdata/compact.journal.gz")))
	write(folder+"user-1000.journal", string(testimg.Unpack(t, "journal/testdata/lz4.journal.gz")))
	write(folder+"broken.journal~", "nothing")
	make()
	want := gk(t, "log", "-o", "short", journalFile(t, "compact"))
	r := gk(t, "log", image)
	if r.code != exitFailed || r.out != want.out || !strings.Contains(r.err, "broken.journal~") {
		t.Errorf("code %d\n%.500s%s", r.code, r.out, r.err)
	}
}

// eventFile writes the log of the fixtures to the host.
func eventFile(t testing.TB) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "Types.evtx")
	if err := os.WriteFile(out, testimg.Unpack(t, "evtx/testdata/types.evtx.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLogEvents(t *testing.T) {
	file := eventFile(t)
	for _, c := range []struct {
		args []string
		code int
		want string // in what is printed
		n    int    // lines
	}{
		{nil, 0, "Jul 22 15:38:00 HOST <&> ü Test-Provider[4624]: SubjectUserSid=S-1-5-32-544 TargetUserName=Ada ", 6},
		{[]string{"-n", "2", "-o", "cat"}, 0, "Wire.code=x<y Header=one Header=a&b\nlist=one list=two\n", 2},
		{[]string{"-r", "-n", "1"}, 0, "[7]: list=one", 1},
		{[]string{"-p", "err", "-o", "xml"}, 0, "<Level>2</Level>", 1},
		{[]string{"-p", "warning..info", "--json"}, 0, `"EventID":6009`, 4},
		{[]string{"-t", "Other"}, 0, "-- No entries --\n", 1},
		{[]string{"--since", "2021-07-22 15:38:05"}, 0, "[7]", 1},
		{[]string{"-g", "multiproc"}, 0, "[6009]", 1},
		{[]string{"-u", "x"}, exitUsage, "", 0},
		{[]string{"-o", "export"}, exitUsage, "", 0},
		{[]string{filepath.Join("testdata", "images", "windows11.qcow2")}, exitFailed, "", 0},
	} {
		r := gk(t, append([]string{"log", file}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.out, c.want) || strings.Count(r.out, "\n") != c.n {
			t.Errorf("log %q: code %d, %d lines\n%.2000s%s", c.args, r.code, strings.Count(r.out, "\n"), r.out, r.err)
		}
	}
	if r := gk(t, "log", "testdata/images/windows11.qcow2"); r.code != exitNothing || !strings.Contains(r.err, "there are no event logs in /Windows/System32/winevt/Logs") {
		t.Errorf("code %d: %s", r.code, r.err)
	}
	if r := gk(t, "log", "testdata/images/windows11.qcow2", "Security"); r.code != exitNothing || !strings.Contains(r.err, "there is no event log Security") {
		t.Errorf("code %d: %s", r.code, r.err)
	}
	if r := gk(t, "log", "-o", "xml", journalFile(t, "plain")); r.code != exitUsage {
		t.Errorf("code %d: %s", r.code, r.err)
	}
}
