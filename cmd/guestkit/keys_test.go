package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/testimg"
)

// TestKeys gives keys in all ways that there are.
func TestKeys(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("luks2.img", testimg.Unpack(t, "volume/luks/testdata/luks2.img.gz"))
	put("luks1.img", testimg.Unpack(t, "volume/luks/testdata/luks1.img.gz"))
	file := put("key", []byte("geheim\n"))
	say(t, dir, []said{
		{"volumes luks2.img", exitDone, "encrypted: luks: key: encrypted: no key is given"},
		{"volumes --key all:key:falsch luks2.img", exitDone, "none of 1 keys fits"},
		{"volumes --key all:key:falsch --key disk:key:geheim luks2.img", exitDone, "key slot 0"},
		{"volumes --json --key all:key:geheim luks1.img", exitDone, `"opened by"`},
		{"ls --key /dev/sda:file:" + file + " luks2.img /", exitDone, "HELLO.TXT"},
		{"ls --key-file " + file + " luks2.img /", exitDone, "HELLO.TXT"},
		{"ls --key all:geheim luks2.img /", exitUsage, "--key number 1"},
		{"ls --key all:clevis luks2.img /", exitUsage, "Clevis"},
		{"ls --key-file absent luks2.img /", exitFailed, "key file"},
		{"convert -f luks --key-file " + file + " luks1.img out.raw", exitDone, "raw"},
		{"info -f luks luks1.img", exitDone, "LUKS"},
	})
	got, err := os.ReadFile(filepath.Join(dir, "out.raw"))
	if err != nil || string(got) != string(testimg.Unpack(t, "volume/luks/testdata/plain.img.gz")) {
		t.Errorf("the converted disk is not the plain one: %v", err)
	}
	t.Setenv(keyFile, file)
	say(t, dir, []said{{"ls luks2.img /", exitDone, "HELLO.TXT"}})
	if b, _ := os.ReadFile(file); !strings.HasPrefix(string(b), "geheim") {
		t.Error("the key file was changed")
	}
}
