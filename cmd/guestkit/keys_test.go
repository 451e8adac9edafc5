package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
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
	say(t, dir, []said{
		{"volumes --key-cost memory=1k luks2.img", exitDone, "more than the 0 MiB that are allowed"},
		{"ls --key-file " + file + " --key-cost memory=1k luks2.img /", exitFailed, "limit"},
		{"ls --key-file " + file + " --key-cost memory=2G,steps=100 luks2.img /", exitDone, "HELLO.TXT"},
		{"ls --key-cost steps=0 luks2.img /", exitUsage, "million steps"},
		{"ls --key-cost 4G luks2.img /", exitUsage, "neither memory=SIZE"},
	})
	t.Setenv(keyFile, file)
	say(t, dir, []said{{"ls luks2.img /", exitDone, "HELLO.TXT"}})
	if b, _ := os.ReadFile(file); !strings.HasPrefix(string(b), "geheim") {
		t.Error("the key file was changed")
	}
}

// TestNamesOfUnlocked calls what is encrypted as Linux does once it is unlocked: by its
// UUID, or by the name that crypttab gives it.
func TestNamesOfUnlocked(t *testing.T) {
	peers.Need(t, "mke2fs")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "luks2.img"), testimg.Unpack(t, "volume/luks/testdata/luks2.img.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	const id = "38d44fac-e885-4bf2-9639-ea00c33a8d17"
	root := filepath.Join(dir, "tree")
	testimg.MakeTree(t, root, map[string]string{
		"etc/os-release": "ID=debian\nNAME=Debian\n", "bin/sh": "", "usr/lib/x": "", "srv/x": "",
		"etc/crypttab": "secret UUID=" + id + " none\n", "etc/fstab": "/dev/mapper/secret /srv vfat defaults 0 2\n",
	})
	peers.Run(t, "mke2fs", "-q", "-d", root, filepath.Join(dir, "root.img"), "8M")
	for _, name := range []string{"/dev/mapper/secret", "/dev/mapper/luks-" + id, "/dev/mapper/luks-" + strings.ToUpper(id)} {
		say(t, dir, []said{
			{"ls --key all:key:geheim --volume " + name + " -a luks2.img root.img /", exitDone, "HELLO.TXT"},
			{"ls --volume " + name + " -a luks2.img root.img /", exitFailed, "no key is given"},
		})
	}
	say(t, dir, []said{{"ls --key all:key:geheim --volume /dev/mapper/other -a luks2.img root.img /", exitNothing, "no volume"}})
}

// TestDetachedHeader reads what lies behind a header that was lost, by a backup of
// it, and what cryptsetup encrypted with its header in another file.
func TestDetachedHeader(t *testing.T) {
	dir := t.TempDir()
	whole := testimg.Unpack(t, "volume/luks/testdata/luks1.img.gz")
	lost := bytes.Clone(whole)
	clear(lost[:4096])
	for name, b := range map[string][]byte{"whole.img": whole, "lost.img": lost, "none.img": make([]byte, 1<<20)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A word with a dot would be taken for a name in dir.
	head := func(id, name string) string {
		if err := os.Link(filepath.Join(dir, name+".img"), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) && name != "absent" {
			t.Fatal(err)
		}
		return " --luks-header " + id + "=" + filepath.Join(dir, name)
	}
	say(t, dir, []said{
		{"volumes" + head("disk", "whole") + " lost.img", exitDone, "encrypted: luks: key: encrypted"},
		{"ls --key all:key:geheim" + head("disk", "whole") + " lost.img /", exitDone, "HELLO.TXT"},
		{"ls --key all:key:geheim" + head("/dev/sda", "whole") + " lost.img /", exitDone, "HELLO.TXT"},
		{"volumes --key all:key:geheim" + head("disk", "whole") + " lost.img", exitDone, "detached"},
		{"volumes" + head("gpt7", "whole") + " lost.img", exitDone, `stated for "gpt7", and there is no such volume`},
		{"volumes" + head("disk", "none") + " lost.img", exitUsage, "no header of LUKS"},
		{"ls" + head("all", "whole") + " lost.img /", exitUsage, "one volume"},
		{"ls" + head("disk", "absent") + " lost.img /", exitFailed, "absent"},
	})

	peers.Need(t, "cryptsetup", "mkfs.fat", "mcopy", "sfdisk")
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file(name)
	}
	peers.Run(t, "mkfs.fat", "-C", "-n", "INSIDE", file("fat.img"), "1024")
	peers.Run(t, "mcopy", "-i", file("fat.img"), write("hello.txt", "hello"), "::HELLO")
	key := write("key.txt", "geheim")
	for typ, args := range map[string]string{"luks2": "--pbkdf argon2id --pbkdf-memory 64 --pbkdf-parallel 1 --pbkdf-force-iterations 4", "luks1": "--pbkdf-force-iterations 1000"} {
		fat, err := os.ReadFile(file("fat.img"))
		if err != nil {
			t.Fatal(err)
		}
		write(typ+".img", string(fat))
		if typ == "luks2" {
			write(typ+"-head.img", string(make([]byte, 1<<20)))
			peers.Run(t, "cryptsetup", append([]string{"reencrypt", "--encrypt", "--type", typ, "--batch-mode", "--header", file(typ + "-head.img"), "--key-file", key}, append(strings.Fields(args), file(typ+".img"))...)...)
		} else { // which cryptsetup encrypts by the kernel alone: only its header is read
			write(typ+"-head.img", string(make([]byte, 4<<20)))
			peers.Run(t, "cryptsetup", append([]string{"luksFormat", "--type", typ, "--batch-mode", "--header", file(typ + "-head.img"), "--key-file", key}, append(strings.Fields(args), file(typ+".img"))...)...)
		}
		write(typ+".raw", strings.Repeat("\x00", 3<<20))
		cmd := peers.Command(t, "sfdisk", "-q", file(typ+".raw"))
		cmd.Stdin = strings.NewReader("label: gpt\nstart=2048,size=2048\n")
		peers.RunCmd(t, cmd)
		disk, err := os.ReadFile(file(typ + ".raw"))
		if err != nil {
			t.Fatal(err)
		}
		payload, err := os.ReadFile(file(typ + ".img"))
		if err != nil {
			t.Fatal(err)
		}
		copy(disk[1<<20:], payload)
		write(typ+".raw", string(disk))
	}
	say(t, dir, []said{
		{"cat --key all:key:geheim" + head("gpt1", "luks2-head") + " luks2.raw /HELLO --volume luks:gpt1", exitDone, "hello"},
		{"cat --key all:key:geheim" + head("/dev/sda1", "luks2-head") + " luks2.raw /HELLO --volume luks:gpt1", exitDone, "hello"},
		{"cat --key all:key:geheim luks2.raw /HELLO --volume luks:gpt1", exitNothing, "luks:gpt1"},
		{"volumes --key all:key:geheim" + head("gpt1", "luks1-head") + " luks1.raw", exitDone, "key slot 0"},
		{"volumes --key all:key:geheim luks1-head.img", exitDone, "detached"},
	})
}
