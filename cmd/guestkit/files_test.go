package main

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const debian = "testdata/images/debian12-uefi.qcow2"

// TestFiles runs the commands that find files and get them out.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	qcow := filepath.Join(dir, "empty.qcow2")
	if r := gk(t, "create", "-q", qcow, "1M"); r.code != exitDone {
		t.Fatal(r)
	}
	for _, c := range []struct {
		args string
		code int
		out  string // is part of the output
	}{
		{"ls -la " + debian + " /etc/os-release", exitDone, "/etc/os-release -> ../usr/lib/os-release"},
		{"ls -d " + debian + " /etc", exitDone, "/etc\n"},
		{"ls -lh " + debian + " /usr/lib/os-release", exitDone, " B "},
		{"ls -S " + debian + " /boot", exitDone, "vmlinuz"},
		{"ls -a " + debian + " /no/such/path", exitNothing, ""},
		{"find " + debian + " -name *release -type f", exitDone, "/usr/lib/os-release\n"},
		{"find " + debian + " /etc --maxdepth 1 --mindepth 1 -type d", exitDone, "/etc/apt\n"},
		{"find " + debian + " /etc/os-release -perm /4000", exitDone, ""},
		{"find " + debian + " -path /usr/lib/os-[!x-z]elease", exitDone, "/usr/lib/os-release\n"},
		{"ls " + debian + " /usr/lib/os-[[:lower:]]elease", exitDone, "/usr/lib/os-release\n"},
		{"find " + debian + " -size +1Q", exitUsage, ""},
		{"find " + debian + " -user root", exitUsage, ""},
		{"stat " + debian + " /etc/os-release", exitDone, "symbolic link"},
		{"stat -L --json " + debian + " /etc/os-release", exitDone, `"type":"f"`},
		{"du -s " + debian + " /etc", exitDone, "\t/etc\n"},
		{"df -h " + debian, exitDone, "/boot/efi"},
		{"df --json " + debian, exitDone, `"inodes":4224`},
		{"grep -rn VERSION_ID " + debian + " /usr/lib", exitDone, "/usr/lib/os-release:"},
		{"grep -c bookworm " + debian + " /usr/lib/os-release", exitDone, "\n"},
		{"grep nothing-of-this " + debian + " /usr/lib/os-release", exitFailed, ""},
		{"grep ( " + debian + " /etc", exitUsage, ""},
		{"cp " + debian + " /etc/ssh /usr/lib/os-* " + dir, exitDone, ""},
		{"cp " + debian + ":/etc/fstab " + dir + "/renamed", exitDone, ""},
		{"cp " + debian + " /etc/fstab /nope " + dir, exitFailed, ""},
		{"cp " + debian + " /nope " + dir, exitNothing, ""},
		{"cp " + debian + " /etc/fstab", exitUsage, ""},
		{"cp " + debian + " /etc /boot " + dir + "/missing", exitFailed, ""},
		{"tar " + debian + " /etc -o " + dir + "/etc.tar.gz", exitDone, ""},
		{"tar " + debian + " /etc -o " + dir + "/etc.tar.gz", exitFailed, ""},
		{"tar --force " + debian + " /etc -o " + dir + "/etc.tar.gz", exitDone, ""},
		{"tar " + debian + " /etc", exitUsage, ""},
		{"tar " + debian + " /etc -o " + dir + "/etc.tar.bz2", exitUsage, ""},
		{"find " + debian + " -maxdepth -1", exitUsage, ""},
		{"snapshot -l -c one " + debian, exitUsage, ""},
		{"compare - " + qcow, exitUsage, ""}, // no file is there to be read
		{"snapshot -", exitUsage, ""},
		{"bitmap - nope", exitUsage, ""},
		{"snapshot -c one -", exitUsage, ""},
		{"resize - +1G", exitUsage, ""},
		{"amend -o lazy_refcounts=on -", exitUsage, ""},
		{"ls -lA --color " + debian + " /etc", exitDone, "debian_version"},
		{"ls -Aa --color=auto " + debian + " /etc", exitDone, "debian_version"},
		{"df -hT " + debian, exitDone, "/boot/efi"},
		{"snapshot -d nope " + qcow, exitNothing, ""},
		{"snapshot -a nope " + qcow, exitNothing, ""},
		{"convert -l nope " + qcow + " " + qcow + ".raw", exitNothing, ""},
		{"bitmap --remove " + qcow + " nope", exitNothing, ""},
		{"bitmap " + qcow + " nope", exitNothing, ""},
		{"ls -a " + debian + " /etc/passwd", exitDone, "/etc/passwd\n"}, // which a host has
		{"cat -a " + debian + " /etc/passwd", exitDone, "root:"},
		{"ls -a " + debian + " /bin/sh", exitDone, "/bin/sh\n"},
		{"ls -a " + debian + " /etc", exitDone, "debian_version"}, // though the host has one
		{"tar " + debian + " /nope -o " + dir + "/nope.tar", exitNothing, ""},
	} {
		r := gk(t, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.out, c.out) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
	for name, want := range map[string]bool{"os-release": true, "renamed": true, "fstab": true, "etc.tar.gz": true, "missing": false, "nope.tar": false, "nope": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".guestkit*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if r := gk(t, "stat", debian, "/[x"); strings.Contains(r.err, "Try") { // one error of several
		t.Errorf("%+v", r)
	}
	r := gk(t, "cp", "--json", debian, "/etc", t.TempDir())
	var doc copyDoc
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || doc.Files == 0 || doc.Directories == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestShellPattern matches names as find of GNU does.
func TestShellPattern(t *testing.T) {
	for pattern, want := range map[string]string{
		"[!a-z]": "A9]-^[!\\", "[^a-z]": "A9]-^[!\\", "[]a]": "a]", "[!]a]": "bA9-^[!\\", "[a-]": "a-", "[-a]": "a-", "[!-a]": "bA9]^[!\\",
		"[[:digit:]]": "9", "[![:digit:]]": "abA]-^[!\\", "[[:alpha:][:digit:]]": "abA9", "[[:punct:]]": "]-^[!\\", "[a\\]b]": "ab]", "\\[": "[",
		"[[ab]": "ab[", "[]-a]": "a]^", "[\\\\]": "\\", "[[:upper:]^]": "A^", "[^]]": "abA9-^[!\\", "[]!]": "]!", "[!^]": "abA9]-[!\\", "[a-c-]": "ab-", "\\?": "", "?": "abA9]-^[!\\",
	} {
		p, err := shellPattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		got := ""
		for _, name := range "abA9]-^[!\\" {
			if ok, _ := path.Match(p, string(name)); ok {
				got += string(name)
			}
		}
		if got != want {
			t.Errorf("%s (%s) matches %s, want %s", pattern, p, got, want)
		}
	}
	for _, bad := range []string{"[", "[a", "[[:nope:]]", "[[.a.]]", "[[=a=]b]", "[!", "[[:", "\\"} {
		if p, err := shellPattern(bad); err == nil {
			t.Errorf("%s is %s", bad, p)
		}
	}
}
