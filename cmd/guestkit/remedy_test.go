package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestRemedies: the errors of the library name options of Go, and no flags; each that
// they name is one that the command line knows the flag of.
func TestRemedies(t *testing.T) {
	flags := map[string]bool{}
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { flags["--"+f.Name], flags["-"+f.Shorthand] = true, true })
		for _, c := range c.Commands() {
			add(c)
		}
	}
	add(newRoot(newApp(streams{}), streams{}, ""))
	for name, flag := range flagWords {
		if flag != "" && !flags[flag] {
			t.Errorf("%s is set by %s, which no command has", name, flag)
		}
	}
	option, flag := regexp.MustCompile(`\b([A-Z]\w*)?Options(\.[A-Z]\w*)+|\bvhd\.[A-Z]\w*`), regexp.MustCompile(`(^|[ (])(--?[a-z][a-z-]*)`)
	fields, named := map[string]bool{"SizeRule": true}, map[string]bool{}
	for path, f := range library(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.StructType:
				for _, field := range n.Fields.List {
					for _, name := range field.Names {
						fields[name.Name] = true
					}
				}
			case *ast.ImportSpec:
				return false
			case *ast.Field: // with a tag
				return false
			case *ast.BasicLit:
				text, err := strconv.Unquote(n.Value)
				if n.Kind != token.STRING || err != nil {
					return true
				}
				for _, name := range option.FindAllString(text, -1) {
					named[name] = true
					if _, ok := flagWords[name]; !ok {
						t.Errorf("%s: %q names %s, which flagWords lacks", path, text, name)
					}
				}
				if !strings.Contains(text, " ") || tools.MatchString(text) {
					return true
				}
				for _, m := range flag.FindAllStringSubmatch(text, -1) {
					if flags[m[2]] {
						t.Errorf("%s: %q names the flag %s: an importer knows the option alone", path, text, m[2])
					}
				}
			}
			return true
		})
	}
	for name := range flagWords {
		if !named[name] {
			t.Errorf("no error names %s", name)
		}
		for _, field := range strings.Split(name, ".")[1:] {
			if !fields[field] {
				t.Errorf("%s: no option is called %s", name, field)
			}
		}
	}
}

// tools are commands whose flags some messages name, and what to do about a disk that
// is missing, which has no option: an importer opens the guest with it.
var tools = regexp.MustCompile(`cryptsetup|lvconvert|mdadm|vgimportdevices|systemd-|dracut|update-initramfs|mkinitrd|grub|convert -o|disks? with -a`)

// library are the files of the packages that people import, by their paths.
func library(t *testing.T) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	root := "." // which the tests run in
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		switch name = filepath.ToSlash(name); {
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir():
			switch name {
			case "cmd", "examples", "bench", "fuzz", "python", "deploy", "secondopinion",
				"internal/testimg", "internal/peers", "internal/qemuimg", "internal/guestfish":
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		out[name] = f
		return err
	})
	if err != nil || len(out) < 100 {
		t.Fatalf("%d files, %v", len(out), err)
	}
	return out
}

// TestNoGoNames: who uses the command line reads flags where the library names options.
func TestNoGoNames(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("disk.raw.gz", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	write("disk.raw", make([]byte, 1<<20))
	write("named.vmdk", make([]byte, 1<<20))
	must(t, "convert", at("disk.raw"), at("base.qcow2"))
	must(t, "create", "-b", at("base.qcow2"), "-F", "qcow2", at("over.qcow2"))
	if err := os.MkdirAll(at("below"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at("base.qcow2"), at("below/base.qcow2")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"sparsify --in-place " + at("disk.raw.gz"), "state -f raw to take it for a raw disk"},
		{"resize " + at("disk.raw") + " 512K", "discards data; --shrink allows it"},
		{"resize " + at("below/base.qcow2") + " 512K", "discards data; --shrink allows it"},
		{"info " + at("named.vmdk"), "-f raw reads it as a raw disk"},
		{"info --json " + at("named.vmdk"), "-f raw reads it as a raw disk"},
		{"chain --json " + at("named.vmdk"), "-f raw reads it as a raw disk"},
	} {
		r := gk(t, strings.Fields(c.args)...)
		said := r.out + r.err
		if r.code == exitDone || !strings.Contains(said, c.want) || strings.Contains(said, "Options.") {
			t.Errorf("guestkit %s: %d\n%s", c.args, r.code, said)
		}
	}
}
