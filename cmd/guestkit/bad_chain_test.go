package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// folderFiles are the files of a folder.
func folderFiles(t *testing.T, dir string) testimg.Files {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := testimg.Files{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			files[e.Name()] = []byte(e.Type().String())
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestBadChains breaks a chain of each format, and runs what works on chains: where the
// chain is refused nothing is written, and else the disk stays what it was.
func TestBadChains(t *testing.T) {
	formats := []string{"qcow2", "vmdk", "vhd", "vhdx", "vdi"}
	if !peers.Required() {
		formats = formats[:1] // the others are in CI: each takes two seconds
	}
	for _, f := range formats {
		whole := testimg.Files{}
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name+"."+f) }
		fill := func(name string, sectors int, first byte) {
			raw := filepath.Join(dir, "raw")
			b := counted(t, raw, sectors)
			for i := range 100 << 10 {
				b[i] = first
			}
			if err := os.WriteFile(raw, b, 0o600); err != nil {
				t.Fatal(err)
			}
			must(t, append([]string{"convert", raw, at(name)}, map[string][]string{"vhdx": {"-o", "block_size=1M"}}[f]...)...)
			os.Remove(raw)
		}
		fill("base", 2048, 1)
		fill("other", 2048, 2)
		fill("large", 4096, 3)
		child := func(base, top string) {
			if f == "qcow2" || f == "vhd" || f == "vmdk" { // whose names are stored as they are said
				must(t, "create", "-b", base+"."+f, "-F", f, at(top))
				return
			}
			makeChild(t, f, at(base), at(top))
		}
		child("base", "mid")
		if f != "vhdx" { // of which the test cannot make one that has a child
			child("mid", "top")
		} else {
			child("base", "top")
		}
		whole = folderFiles(t, dir)
		for broken, harm := range map[string]func(files testimg.Files){
			"whole":         func(testimg.Files) {},
			"missing":       func(x testimg.Files) { delete(x, "base."+f) },
			"no middle":     func(x testimg.Files) { delete(x, "mid."+f) },
			"swapped":       func(x testimg.Files) { x["base."+f] = x["other."+f] },
			"turned":        func(x testimg.Files) { x["base."+f], x["mid."+f] = x["mid."+f], x["base."+f] },
			"resized":       func(x testimg.Files) { x["base."+f] = x["large."+f] },
			"looped":        func(x testimg.Files) { x["mid."+f], x["base."+f] = x["top."+f], x["top."+f] },
			"cut":           func(x testimg.Files) { x["base."+f] = x["base."+f][:len(x["base."+f])/2] },
			"empty":         func(x testimg.Files) { x["base."+f] = nil },
			"another kind":  func(x testimg.Files) { x["base."+f] = bytes.Repeat([]byte("no image"), 8<<10) },
			"newer":         func(testimg.Files) {},
			"a folder":      func(x testimg.Files) { delete(x, "base."+f) },
			"a link to top": func(x testimg.Files) { delete(x, "base."+f) },
		} {
			t.Run(f+" "+broken, func(t *testing.T) {
				files := testimg.Files{}
				for name, b := range whole {
					files[name] = b
				}
				harm(files)
				now := time.Now()
				lay := func(t *testing.T) string {
					dir := t.TempDir()
					for name, b := range files {
						if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
							t.Fatal(err)
						}
						past := now.Add(-time.Hour)
						if broken == "newer" && name == "base."+f {
							past = now
						}
						if err := os.Chtimes(filepath.Join(dir, name), past, past); err != nil {
							t.Fatal(err)
						}
					}
					switch broken {
					case "a folder":
						if err := os.Mkdir(filepath.Join(dir, "base."+f), 0o700); err != nil {
							t.Fatal(err)
						}
					case "a link to top":
						if err := os.Symlink("top."+f, filepath.Join(dir, "base."+f)); err != nil {
							t.Skip(err)
						}
					}
					return dir
				}
				read := func(dir string) []byte {
					out := filepath.Join(t.TempDir(), "out")
					r := gk(t, "convert", "-O", "raw", filepath.Join(dir, "top."+f), out)
					b, err := os.ReadFile(out)
					if (r.code == 0) != (err == nil) {
						t.Fatalf("%+v, and there is an output: %v", r, err)
					}
					return b
				}
				was := read(lay(t))
				right := broken == "whole" || broken == "newer"
				switch f {
				case "qcow2": // which has no identity
					right = right || broken == "swapped" || broken == "resized" || broken == "turned"
				case "vdi": // whose parent is found by its UUID; the child of this test holds all itself
					right = right || broken == "turned" || broken == "cut"
				case "vhdx":
					right = right || broken == "no middle"
				}
				if (was != nil) != right {
					t.Errorf("it was read: %v, want %v", was != nil, right)
				}
				r := gk(t, "chain", filepath.Join(lay(t), "top."+f))
				switch {
				case broken == "whole" && r.code != 0, broken == "newer" && r.code != 3, was == nil && r.code != 2 && r.code != 1:
					t.Errorf("chain: %+v", r)
				}
				t.Logf("chain: %d %q", r.code, r.err)
				for _, op := range []string{"rebase -b", "rebase -u -b mid." + f, "rebase -u --force -b mid." + f, "flatten", "commit", "commit -d", "commit -b base." + f, "rebase -b other." + f, "sparsify"} {
					dir := lay(t)
					args := strings.Fields(op)
					if op == "rebase -b" {
						args = append(args, "")
					}
					if args[0] == "commit" && len(args) == 3 {
						args[2] = filepath.Join(dir, args[2])
					}
					if strings.HasPrefix(op, "rebase") && f == "qcow2" && op != "rebase -b" {
						args = append(args, "-F", "qcow2")
					}
					before := folderFiles(t, dir)
					r := gk(t, append(args, filepath.Join(dir, "top."+f))...)
					after := folderFiles(t, dir)
					if r.code != 0 {
						for name, b := range after {
							if !bytes.Equal(b, before[name]) {
								t.Errorf("%s: refused (%s), and %s is written to", op, strings.TrimSpace(r.err), name)
							}
						}
						if len(after) != len(before) {
							t.Errorf("%s: refused, and there are %d files, not %d", op, len(after), len(before))
						}
						if broken == "whole" && !strings.Contains(op, "sparsify") && !strings.Contains(op, "-u") {
							t.Errorf("%s: %+v", op, r)
						}
						continue
					}
					if was == nil && (strings.Contains(op, "--force") || strings.Contains(op, "-u") && strings.Contains(r.err, "cannot be compared")) {
						continue // what puts a chain right
					}
					if was == nil {
						t.Errorf("%s: it was done on a broken chain: %+v", op, r)
						continue
					}
					if now := read(dir); !bytes.Equal(now, was) {
						t.Errorf("%s: another disk, of %d bytes", op, len(now))
					}
				}
			})
		}
	}
}
