package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// oneName leaves out the names of a file that has two: the one that comes first
// counts, and directories have no order.
func oneName(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "/hard", "/text"), "0\t/dir/text\n", "")
}

// TestHabits compares commands with those of coreutils and grep that people have in
// their fingers, on a filesystem that the kernel mounts.
func TestHabits(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "mke2fs", "ls", "du", "grep", "cat", "stat", "tar")
	dir := t.TempDir()
	image := filepath.Join(dir, "fs.img")
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-I", "256", image, "16M")
	mnt := filepath.Join(dir, "mnt")
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "mount", "-o", "loop,noatime", image, mnt)
	peers.Run(t, "sh", "-ec", `cd "$1"; rmdir lost+found; mkdir -p etc dir/sub; printf 'root:x:0:0::/root:/bin/sh\n' >etc/passwd; printf 'root:x:0:\n' >etc/group
printf 'one\ntwo foo\nfoo-bar [x] {2}\nsnake_foo\naab aaab a{b\n\nlast' >dir/text; printf 'two\nfoo\0foo\nfoo\n' >dir/binary; : >dir/empty
mkfifo dir/fifo; mknod dir/null c 1 3; mknod dir/loop b 259 70000; ln -s sub dir/link; ln -s nowhere dir/broken; ln dir/text dir/hard
chmod 4755 dir/empty; chmod 1777 dir/sub; chown 4711:4712 dir/binary; head -c 70000 /dev/zero >dir/sub/zeros; cp /bin/true dir/run; touch "dir/it's" "dir/new
line" 'dir/a "b'`, "sh", mnt)
	defer peers.Unmount(t, mnt)
	peers.Run(t, "sync", "-f", mnt)
	r := func(args ...string) string {
		t.Helper()
		res := gk(t, args...)
		if res.code > 1 {
			t.Errorf("%q: %+v", args, res)
		}
		return res.out
	}
	lines := func(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }
	sorted := func(s string) string {
		l := lines(s)
		slices.Sort(l)
		return strings.Join(l, "\n")
	}
	for _, c := range []struct{ tool, flags, args string }{
		{"ls", "-F", "/dir"}, {"ls", "-iF", "/dir"}, {"ls", "-i", "/dir"}, {"ls", "-F", "/dir/link"}, {"ls", "-Fd", "/dir"},
		{"du", "-a", ""}, {"du", "-ab", "/dir"}, {"du", "-sb", "/dir"},
		{"cat", "-n", "/dir/text /etc/passwd /dir/text"}, {"cat", "-n", "/dir/binary"},
		{"grep", "-E ^(one|two)", "/dir/text"}, {"grep", "-E a{2,3}b", "/dir/text"}, {"grep", "-oE a{,2}b", "/dir/text"}, {"grep", "-E a{b", "/dir/text"},
		{"grep", "-E [\\]b", "/dir/text"}, {"grep", "-E \\<foo\\>", "/dir/text"}, {"grep", "-F [x]", "/dir/text"}, {"grep", "-w foo", "/dir/text"},
		{"grep", "-ow foo", "/dir/text"}, {"grep", "-v foo", "/dir/text"}, {"grep", "-c foo", "/dir/text"}, {"grep", "-vc foo", "/dir/text"}, {"grep", "-c foo", "/dir/binary"},
		{"grep", "-x one", "/dir/text"}, {"grep", "-Fx last", "/dir/text"}, {"grep", "-nH foo", "/dir/text"}, {"grep", "-m1 foo", "/dir/text"}, {"grep", "-w -- -bar", "/dir/text"},
		{"grep", "-E x|", "/dir/text"}, {"grep", "-o ^a", "/dir/text"}, {"grep", "-oiE A+", "/dir/text"}, {"grep", "-E []x]", "/dir/text"}, {"grep", "-E [[:digit:]]+", "/dir/text"},
	} {
		flags := strings.Fields(c.flags)
		args := append([]string{c.tool}, flags...)
		if c.tool == "du" && c.flags == "-a" {
			args = []string{"du", "--all"}
		}
		ours := r(append(append(args, image), strings.Fields(c.args)...)...)
		theirs := append([]string{"-c", `cd "$1"; shift; LC_ALL=C.UTF-8 TZ=UTC exec "$@"`, "sh", mnt, c.tool}, flags...)
		if c.tool == "ls" {
			theirs = append(theirs, "-A")
		}
		if len(c.args) == 0 {
			theirs = append(theirs, ".")
		}
		for _, p := range strings.Fields(c.args) {
			theirs = append(theirs, "."+p)
		}
		cmd := peers.Command(t, "sh", theirs...)
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState.ExitCode() > 1 {
			t.Fatalf("%v: %v, %s", theirs, err, out)
		}
		want := strings.ReplaceAll(strings.ReplaceAll(string(out), "\t./", "\t/"), "\t.\n", "\t/\n")
		want = strings.ReplaceAll(want, "./dir/", "/dir/")
		if c.tool == "du" {
			want = strings.ReplaceAll(want, "new\nline", `new\x0aline`)
			ours, want = sorted(oneName(ours)), sorted(oneName(want))
			want = strings.ReplaceAll(want, `\x0a`, "\n")
		}
		ours, want = strings.ReplaceAll(ours, `\x0a`, "\n"), strings.ReplaceAll(want, "./dir", "/dir")
		if ours != want {
			t.Errorf("%s %s %s:\n%s\nwant\n%s", c.tool, c.flags, c.args, ours, want)
		}
	}
	// stat, each directive with and without a width.
	form := "%a|%A|%b|%B|%f|%F|%g|%h|%i|%n|%N|%s|%t|%T|%u|%w|%W|%x|%X|%y|%Y|%z|%Z|%r|%R|%Hr|%Lr|%%|%10s|%-10a|%04a|%#a|%#x|%.3X|%.Y|%.12Z|%020X|%-22X;|%5A|%.4A|%.5u|%6.3h|%'s|%+d"
	form = strings.NewReplacer("%#x", "%#f", "|%+d", "").Replace(form)
	for _, p := range []string{"/dir", "/dir/text", "/dir/empty", "/dir/fifo", "/dir/null", "/dir/loop", "/dir/link", "/dir/broken", "/dir/sub", "/dir/sub/zeros", "/dir/it's", `/dir/a "b`} {
		want := peers.RunCmd(t, peers.Command(t, "sh", "-c", `cd "$1"; LC_ALL=C.UTF-8 TZ=UTC exec stat -c "$2" ".$3"`, "sh", mnt, form, p))
		got := r("stat", "-c", form, image, p)
		want = strings.NewReplacer("|./", "|/", "|'./", "|'/", `|"./`, `|"/`).Replace(want)
		if got != want {
			t.Errorf("stat -c of %s:\n%swant\n%s", p, got, want)
		}
	}
	if got, want := r("stat", "--printf", `%U:%G\t\x41\101\\n`, image, "/dir/text", "/dir/binary"), "root:root\tAA\\nUNKNOWN:UNKNOWN\tAA\\n"; got != want {
		t.Errorf("--printf: %q, want %q", got, want)
	}
	for _, bad := range []string{"%d", "%m", "%o", "%q", "%", "%5%", "%99999s"} {
		if res := gk(t, "stat", "-c", bad, image, "/dir"); res.code != exitUsage || !strings.Contains(res.err, "-c: ") {
			t.Errorf("%s: %+v", bad, res)
		}
	}
	for _, bad := range []string{`(a)\1`, "[a", "a[[=b=]]"} {
		if res := gk(t, "grep", "-E", bad, image, "/dir/text"); res.code != exitUsage {
			t.Errorf("grep -E %s: %+v", bad, res)
		}
	}
	// -ah is no disk "h"; -a alone is still one.
	if got := r("du", "-ah", image, "/dir/sub"); !strings.Contains(got, "/dir/sub/zeros\n") {
		t.Errorf("du -ah: %q", got)
	}
	for _, flags := range [][]string{{"-cf"}, {"cf"}, {"-czf"}, {"-cvf"}, {"cJf"}} {
		out := filepath.Join(dir, "out.archive")
		os.Remove(out)
		res := gk(t, append(append([]string{"tar"}, flags...), out, image, "/dir")...)
		if res.code != exitDone {
			t.Errorf("tar %v: %+v", flags, res)
			continue
		}
		want := peers.Run(t, "tar", "-tf", out)
		if flags[0] == "-cvf" && sorted(res.out) != sorted(strings.NewReplacer("./", "", `\n`, `\x0a`).Replace(strings.TrimPrefix(want, "./\n"))) {
			t.Errorf("tar -cvf prints %q, and tar lists %q", res.out, want)
		}
		b, err := os.ReadFile(out)
		if magic := map[string]string{"-czf": "\x1f\x8b", "cJf": "\xfd7zXZ"}[flags[0]]; err != nil || !strings.HasPrefix(string(b), magic) {
			t.Errorf("tar %v: %v, %q", flags, err, b[:8])
		}
	}
}
