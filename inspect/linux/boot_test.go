package linux

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/peers"
)

// fixture reads a file of testdata/boot. grub-*.cfg are what grub-mkconfig of Debian 12
// writes for two kernels on a volume that is /boot, with GRUB_DEFAULT=saved and 0;
// extlinux.conf is what u-boot-update writes there; menu.lst comes with grub-legacy.
func fixture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/boot", name))
	if err != nil {
		t.Fatal(err)
	}
	if path.Ext(name) == ".gz" {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return string(b)
}

const uuid = "0a6c4e2c-9d0b-4b8e-8f0e-5a1f7c3d2b10"

// grubenv is an environment block, as grub-editenv writes it.
func grubenv(lines string) *fstest.MapFile {
	b := "# GRUB Environment Block\n" + lines
	return text(b + strings.Repeat("#", 1024-len(b)))
}

func loaders(t testing.TB, m fstest.MapFS) *system.System {
	t.Helper()
	s := system.New(system.TypeLinux)
	if err := Identify(context.Background(), m, s, &system.Options{Problem: func(err error) { t.Log(err) }}); err != nil {
		t.Fatal(err)
	}
	return s
}

// what sums up the first loader: its name, how many entries it has, and the default.
func what(s *system.System) string {
	if len(s.BootLoaders) == 0 {
		return "none"
	}
	b := s.BootLoaders[0]
	e := b.DefaultEntry()
	if e == nil {
		return fmt.Sprintf("%s %d: %s", b.Name, len(b.Entries), b.Reason)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d: %s | %s | %s | %s | %s:%d", b.Name, len(b.Entries), e.ID, e.Title, e.Kernel, e.Options, e.Path, e.Line))
}

const extlinuxMedium = "DEFAULT menu.c32\nMENU TITLE x\nINCLUDE more.cfg\nLABEL memtest\n  KERNEL memtest\n"

// TestBootLoaders tells the entry that boots, by the configurations of loaders.
func TestBootLoaders(t *testing.T) {
	boot := fstest.MapFS{"boot/vmlinuz-6.1.0-56-amd64": text(""), "boot/vmlinuz-6.1.0-55-amd64": text("")}
	bls := func(more fstest.MapFS) fstest.MapFS {
		m := fstest.MapFS{
			"boot/loader/entries/m-5.14.0-70.el9.x86_64.conf":      text("title RHEL (5.14.0-70)\nversion 5.14.0-70.el9.x86_64\nlinux /vmlinuz-5.14.0-70.el9.x86_64\ninitrd /initramfs-5.14.0-70.el9.x86_64.img $tuned_initrd\noptions root=/dev/mapper/rhel-root ro $kernelopts\n"),
			"boot/loader/entries/m-5.14.0-362.8.1.el9.x86_64.conf": text("title RHEL (5.14.0-362.8.1)\nversion 5.14.0-362.8.1.el9.x86_64\nlinux /vmlinuz-5.14.0-362.8.1.el9.x86_64\noptions root=/dev/mapper/rhel-root ro $kernelopts\n"),
			"boot/vmlinuz-5.14.0-70.el9.x86_64":                    text(""),
			"boot/vmlinuz-5.14.0-362.8.1.el9.x86_64":               text(""),
			"boot/grub2/grub.cfg":                                  text("set pager=1\nif [ -f ${config_directory}/grubenv ]; then\n load_env -f ${config_directory}/grubenv\nelif [ -s $prefix/grubenv ]; then\n  load_env\nfi\nif [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\nelse\n   set default=\"${saved_entry}\"\nfi\nif [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"quiet\"\nfi\ninsmod blscfg\nblscfg\n"),
		}
		for n, f := range more {
			m[n] = f
		}
		return m
	}
	const el9 = "/boot/loader/entries/m-5.14.0-"
	esp := func(conf string) fstest.MapFS {
		return fstest.MapFS{"efi/loader/loader.conf": text(conf), "efi/EFI/systemd/systemd-bootx64.efi": text(""),
			"efi/loader/entries/arch.conf": text("title Arch\nlinux /vmlinuz-linux\ninitrd /a.img\ninitrd /b.img\noptions root=LABEL=x\noptions rw\n"), "efi/loader/entries/arch-lts.conf": text("title LTS\nlinux /vmlinuz-lts\noptions lts\n"), "efi/vmlinuz-linux": text("")}
	}
	with := func(m fstest.MapFS, more fstest.MapFS) fstest.MapFS {
		out := fstest.MapFS{}
		for _, x := range []fstest.MapFS{m, more} {
			for n, f := range x {
				out[n] = f
			}
		}
		return out
	}
	simple := "gnulinux-simple-" + uuid + " | Debian GNU/Linux | /boot/vmlinuz-6.1.0-56-amd64 | root=/dev/vda1 ro console=ttyS0 quiet | /boot/grub/grub.cfg:"
	grub1 := func(d string) *fstest.MapFile {
		return text("default=" + d + "\ntimeout=5\n#splashimage=(hd0,0)/grub/splash.xpm.gz\ntitle CentOS (2.6.32-754.el6.x86_64)\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6.32-754.el6.x86_64 ro root=/dev/mapper/vg-root quiet\n\tinitrd /initramfs-2.6.32-754.el6.x86_64.img\ntitle old\n\troot (hd0,0)\n\tkernel (hd0,0)/vmlinuz-2.6.32-1 ro\n\tsavedefault\n")
	}
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"grub, first":         {with(boot, fstest.MapFS{"boot/grub/grub.cfg": text(fixture(t, "grub-first.cfg.gz"))}), "grub 5: " + simple + "106"},
		"grub, nothing saved": {with(boot, fstest.MapFS{"boot/grub/grub.cfg": text(fixture(t, "grub-saved.cfg.gz"))}), "grub 5: " + simple + "106"},
		"grub, saved": {with(boot, fstest.MapFS{"boot/grub/grub.cfg": text(fixture(t, "grub-saved.cfg.gz")), "boot/grub/grubenv": grubenv("saved_entry=gnulinux-advanced-" + uuid + ">gnulinux-6.1.0-55-amd64-advanced-" + uuid + "\n")}),
			"grub 5: gnulinux-6.1.0-55-amd64-advanced-" + uuid + " | Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-55-amd64 | /boot/vmlinuz-6.1.0-55-amd64 | root=/dev/vda1 ro console=ttyS0 quiet | /boot/grub/grub.cfg:160"},
		"grub, next": {with(boot, fstest.MapFS{"boot/grub/grub.cfg": text(fixture(t, "grub-saved.cfg.gz")), "boot/grub/grubenv": grubenv("saved_entry=0\nnext_entry=1>3\n")}),
			"grub 5: gnulinux-6.1.0-55-amd64-recovery-" + uuid + " | Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-55-amd64 (recovery mode) | /boot/vmlinuz-6.1.0-55-amd64 | root=/dev/vda1 ro single console=ttyS0 | /boot/grub/grub.cfg:178"},
		"grub, submenu": {with(boot, fstest.MapFS{"boot/grub/grub.cfg": text(fixture(t, "grub-saved.cfg.gz")), "boot/grub/grubenv": grubenv("saved_entry=1\n")}), "grub 5: the default is a submenu, which waits for a choice"},
		"blscfg":        {bls(nil), "grub 2: m-5.14.0-362.8.1.el9.x86_64 | RHEL (5.14.0-362.8.1) | /boot/vmlinuz-5.14.0-362.8.1.el9.x86_64 | root=/dev/mapper/rhel-root ro quiet | " + el9 + "362.8.1.el9.x86_64.conf:0"},
		"blscfg, saved": {bls(fstest.MapFS{"boot/grub2/grubenv": grubenv("saved_entry=m-5.14.0-70.el9.x86_64\nkernelopts=root=/dev/x debug \n")}),
			"grub 2: m-5.14.0-70.el9.x86_64 | RHEL (5.14.0-70) | /boot/vmlinuz-5.14.0-70.el9.x86_64 | root=/dev/mapper/rhel-root ro root=/dev/x debug | " + el9 + "70.el9.x86_64.conf:0"},
		"blscfg, of a wrapper": {bls(fstest.MapFS{"boot/efi/EFI/redhat/grub.cfg": text("search --no-floppy --fs-uuid --set=dev x\nset prefix=($dev)/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n")}),
			"grub 2: m-5.14.0-362.8.1.el9.x86_64 | RHEL (5.14.0-362.8.1) | /boot/vmlinuz-5.14.0-362.8.1.el9.x86_64 | root=/dev/mapper/rhel-root ro quiet | " + el9 + "362.8.1.el9.x86_64.conf:0"},
		"systemd-boot":               {esp("timeout 3\ndefault ARCH.*\n"), "systemd-boot 2: arch.conf | Arch | /efi/vmlinuz-linux | root=LABEL=x rw | /efi/loader/entries/arch.conf:0"},
		"systemd-boot, by order":     {esp("#default arch.conf\n"), "systemd-boot 2: arch.conf | Arch | /efi/vmlinuz-linux | root=LABEL=x rw | /efi/loader/entries/arch.conf:0"},
		"systemd-boot, saved":        {esp("default @saved\n"), "systemd-boot 2: the default is the entry that was started last, which a variable of EFI says"},
		"systemd-boot, Windows":      {esp("default auto-windows\n"), "systemd-boot 2: its default is auto-windows, an entry that systemd-boot makes itself"},
		"systemd-boot, a pattern":    {esp("default auto-*\n"), "systemd-boot 2: its default is auto-windows, an entry that systemd-boot makes itself"},
		"systemd-boot, none":         {esp("default nothing\n"), "systemd-boot 2: arch.conf | Arch | /efi/vmlinuz-linux | root=LABEL=x rw | /efi/loader/entries/arch.conf:0"},
		"entries alone":              {fstest.MapFS{"boot/loader/entries/a.conf": text("title A\nlinux /x\n")}, "bls 1: nothing tells what reads these entries"},
		"grub 1":                     {fstest.MapFS{"boot/grub/grub.conf": grub1("0"), "boot/grub/menu.lst": {Data: []byte("grub.conf"), Mode: os.ModeSymlink | 0o777}, "boot/vmlinuz-2.6.32-754.el6.x86_64": text("")}, "grub-legacy 2:  | CentOS (2.6.32-754.el6.x86_64) | /boot/vmlinuz-2.6.32-754.el6.x86_64 | ro root=/dev/mapper/vg-root quiet | /boot/grub/menu.lst:4"},
		"grub 1, saved":              {fstest.MapFS{"boot/grub/menu.lst": grub1("saved"), "boot/grub/default": text("1\n#\n#\n")}, "grub-legacy 2:  | old | /vmlinuz-2.6.32-1 | ro | /boot/grub/menu.lst:8"},
		"grub 1, its own example":    {fstest.MapFS{"boot/grub/menu.lst": text(fixture(t, "menu.lst.gz"))}, "grub-legacy 12:  | GNU (also known as GNU/Hurd) | /boot/gnumach.gz | root=device:hd0s1 | /boot/grub/menu.lst:15"},
		"grub 1, no such entry":      {fstest.MapFS{"boot/grub/menu.lst": grub1("7")}, "grub-legacy 2: its default is the entry 7, which it does not have"},
		"extlinux":                   {with(boot, fstest.MapFS{"boot/extlinux/extlinux.conf": text(fixture(t, "extlinux.conf"))}), "extlinux 4: l0 | Debian GNU/Linux 12 (bookworm) 6.1.0-56-amd64 | /boot/vmlinuz-6.1.0-56-amd64 | ro quiet | /boot/extlinux/extlinux.conf:14"},
		"syslinux, a menu":           {fstest.MapFS{"boot/syslinux/syslinux.cfg": text(extlinuxMedium), "boot/syslinux/more.cfg": text("LABEL a\n LINUX ../a\n APPEND x\nLABEL b\n MENU LABEL ^Bee\n MENU DEFAULT\n KERNEL /k\n APPEND initrd=/i quiet\n")}, "syslinux 3: b | Bee | /k | initrd=/i quiet | /boot/syslinux/more.cfg:4"},
		"syslinux, a wrong name":     {fstest.MapFS{"boot/syslinux/syslinux.cfg": text("default x\nlabel y\nkernel /z\n")}, "syslinux 1: its default is x, which no entry is called"},
		"raspberry":                  {fstest.MapFS{"boot/firmware/config.txt": text("arm_64bit=1\nkernel=vmlinuz\n"), "boot/firmware/cmdline.txt": text("console=tty1 root=PARTUUID=x rootwait\n"), "boot/firmware/vmlinuz": text("")}, "raspberry-pi 1:  |  | /boot/firmware/vmlinuz | console=tty1 root=PARTUUID=x rootwait | /boot/firmware/cmdline.txt:1"},
		"limine":                     {fstest.MapFS{"boot/limine.conf": text("timeout: 3\n")}, "limine 0: the configuration of this loader is not read by this version"},
		"a script without an end":    {fstest.MapFS{"boot/grub/grub.cfg": text("menuentry 'a' {\n if [ x ]; then\n linux /a b\n")}, "grub 1:  | a | /a | b | /boot/grub/grub.cfg:1"},
		"a script that calls itself": {fstest.MapFS{"boot/grub/grub.cfg": text("function f { f\n f\n }\nf\nsource $prefix/grub.cfg\nwhile true; do f; done\nmenuentry a { linux /b }\n")}, "grub 0: it has no entries that are read"},
	} {
		got := what(loaders(t, c.tree))
		if strings.HasPrefix(name, "a script that calls") {
			continue // it ends
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// TestKernelsByEntries gives kernels the command line of what starts them.
func TestKernelsByEntries(t *testing.T) {
	s := loaders(t, fstest.MapFS{"boot/vmlinuz-6.1.0-56-amd64": text(""), "boot/vmlinuz-6.1.0-55-amd64": text(""),
		"boot/grub/grub.cfg": text(fixture(t, "grub-saved.cfg.gz")), "boot/grub/grubenv": grubenv("next_entry=1>3\n")})
	var got []string
	for _, k := range s.Kernels {
		got = append(got, fmt.Sprintf("%s %v %s", k.Version, k.Default, k.Options))
	}
	if want := "6.1.0-55-amd64 true root=/dev/vda1 ro single console=ttyS0; 6.1.0-56-amd64 false root=/dev/vda1 ro console=ttyS0 quiet"; strings.Join(got, "; ") != want {
		t.Errorf("%s, want %s", strings.Join(got, "; "), want)
	}
}

// TestKernelsOfFolders names the kernels that entries of the Boot Loader Specification
// start, in whichever folder these are, by their images and with the command lines that
// they get.
func TestKernelsOfFolders(t *testing.T) {
	image := make([]byte, 0x400)
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(image[0x206:], 0x020F)
	binary.LittleEndian.PutUint16(image[0x20E:], 0x100)
	copy(image[0x300:], "6.6.30-1-lts (b@h) #1 SMP")
	s := loaders(t, fstest.MapFS{
		"boot/grub2/grub.cfg":          text("set kernelopts=quiet\nblscfg\n"),
		"boot/loader/entries/new.conf": text("title new\nversion 6.9\nlinux /vmlinuz-6.9\noptions ro $kernelopts\n"),
		"boot/loader/entries/old.conf": text("title old\nversion 6.8\nlinux /vmlinuz-6.8\noptions ro $kernelopts $tuned_params\n"),
		"boot/vmlinuz-6.9":             text(""), "boot/vmlinuz-6.8": text(""),
		"efi/loader/entries/lts.conf": text("title LTS\nlinux /vmlinuz-linux-lts\noptions rw\n"),
		"efi/vmlinuz-linux-lts":       text(string(image)),
	})
	var got []string
	for _, b := range s.BootLoaders {
		got = append(got, fmt.Sprintf("%s %d", b.Name, len(b.Entries)))
	}
	for _, k := range s.Kernels {
		got = append(got, fmt.Sprintf("%s: %s", k.Version, k.Options))
	}
	if want := "grub 2; bls 1; 6.8: ro quiet; 6.9: ro quiet; 6.6.30-1-lts: rw"; strings.Join(got, "; ") != want {
		t.Errorf("%s, want %s", strings.Join(got, "; "), want)
	}
}

var terminalCodes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// TestGrubPeer runs configurations in GRUB itself: which entries it starts, with what.
func TestGrubPeer(t *testing.T) {
	peers.Need(t, "grub-emu", "script", "grub-editenv")
	saved, first := fixture(t, "grub-saved.cfg.gz"), fixture(t, "grub-first.cfg.gz")
	const script = `set a=1; set b="two  $a"
if [ "$a" = 1 -a -n "$c" -o "$b" = "two  1" ]; then set x='it''s'"$a"; elif true; then set x=no; else set x=no2; fi
for i in p q; do set l="$l$i"; done
function opts { if [ "$1" = deep ]; then set o="$2 $@"; fi; }
opts deep '$raw' "q\"r" ; if ! false; then set y=${x}/${l}; fi
export y o
set default="sub>>x>in>t w o"
menuentry 'plain' --id zero { linux /zero ; }
submenu 'sub>x' --id sub { menuentry one { linux /1
 }
 submenu "in" { menuentry 't w o' --class c $menuentry_id_option 'two' { set z=$y ; linux /two $z $o "$b" $l\
   ${unset} "" end # no
 } } }
`
	for name, c := range map[string]struct{ config, env string }{
		"first": {first, ""}, "saved": {saved, "saved_entry=gnulinux-advanced-" + uuid + ">gnulinux-6.1.0-55-amd64-advanced-" + uuid},
		"next": {saved, "next_entry=1>3"}, "title": {saved, "saved_entry=Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-56-amd64 (recovery mode)"},
		"no such": {saved, "saved_entry=none"}, "too many": {saved, "saved_entry=9"}, "script": {script, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			const show = "function linux { echo \"@@$@@@\"; }\nfunction initrd { true; }\n"
			config := show + strings.NewReplacer("set timeout=5", "set timeout=0", "terminal_output gfxterm", "true").Replace(c.config) + "\nset timeout=0\n"
			m := fstest.MapFS{"boot/grub/grub.cfg": text(strings.TrimPrefix(config, show)), "boot/vmlinuz-6.1.0-56-amd64": text(""), "boot/vmlinuz-6.1.0-55-amd64": text("")}
			if c.env != "" {
				peers.Run(t, "grub-editenv", filepath.Join(dir, "grubenv"), "create")
				peers.Run(t, "grub-editenv", filepath.Join(dir, "grubenv"), "set", c.env)
				b, err := os.ReadFile(filepath.Join(dir, "grubenv"))
				if err != nil {
					t.Fatal(err)
				}
				m["boot/grub/grubenv"] = text(string(b))
			}
			if err := os.WriteFile(filepath.Join(dir, "grub.cfg"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			// It does not mind that its terminal goes away, so what was started ends it.
			cmd := peers.Command(t, "script", "-qfc", "echo $$ >"+dir+"/pid; exec timeout -s KILL 100 grub-emu -d "+dir, "/dev/null")
			cmd.Env = append(os.Environ(), "TERM=vt100")
			r, w := io.Pipe()
			cmd.Stdout = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error)
			go func() { err := cmd.Wait(); w.Close(); ended <- err }()
			// It waits for a key once it has run the entry.
			var out []byte
			buf := make([]byte, 4096)
			for !bytes.Contains(out, []byte("@@\r")) && !bytes.Contains(out, []byte("Press any key")) {
				n, err := r.Read(buf)
				if out = append(out, buf[:n]...); err != nil {
					break
				}
			}
			go io.Copy(io.Discard, r)
			peers.Run(t, "sh", "-c", `kill "$(cat "$1")"`, "sh", filepath.Join(dir, "pid"))
			<-ended
			clean := strings.Join(strings.Fields(terminalCodes.ReplaceAllString(string(out), "")), "")
			var titles []string
			for _, part := range strings.Split(clean, "Booting`")[1:] {
				title, _, _ := strings.Cut(part, "'")
				titles = append(titles, title)
			}
			_, args, _ := strings.Cut(clean, "@@")
			args, _, ok := strings.Cut(args, "@@")
			if !ok {
				t.Fatalf("GRUB says %q", clean)
			}
			e := loaders(t, m).BootLoaders[0].DefaultEntry()
			if e == nil {
				t.Fatal("no default")
			}
			squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
			if got, want := squeeze(e.Title), strings.Join(titles, ">"); got != want {
				t.Errorf("%s, GRUB starts %s", got, want)
			}
			if got := strings.TrimPrefix(squeeze(e.Kernel+e.Options), "/boot"); got != args {
				t.Errorf("%s, GRUB runs %s", got, args)
			}
		})
	}
}

// TestSystemdBootPeer lists the entries of an EFI system partition, as bootctl does.
func TestSystemdBootPeer(t *testing.T) {
	peers.Need(t, "bootctl", "objcopy")
	const stub, loader = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub", "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
	if _, err := os.Stat(stub); err != nil {
		if peers.Required() {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	esp := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(esp, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	entry := func(file, title, version, more string) {
		write("vmlinuz-"+version, "")
		write("loader/entries/"+file+".conf", fmt.Sprintf("title %s\nversion %s\n%slinux /vmlinuz-%s\ninitrd /initrd-%s\noptions root=UUID=x ro quiet\n", title, version, more, version, version))
	}
	entry("abc-6.1.0-9", "Debian", "6.1.0-9", "sort-key debian\nmachine-id abc\n")
	entry("abc-6.1.0-18", "Debian", "6.1.0-18", "sort-key debian\nmachine-id abc\n")
	entry("abd-6.1.0-19", "Debian", "6.1.0-19", "sort-key debian\nmachine-id abd\n")
	entry("arch", "Arch", "6.9", "")
	entry("fedora-6.2", "Fedora", "6.2", "")
	entry("fedora-6.10", "Fedora", "6.10", "")
	for i, version := range []string{"6.2~rc1", "6.2", "6.2^1", "6.2-1", "6.2.1", "6.2.1~rc2", "06.2a", "6.2b"} {
		entry(fmt.Sprint("x", i), "Sorted", version, "sort-key x\n")
	}
	entry("new+3", "New", "7", "sort-key a\n")
	entry("bad+0-2", "Bad", "8", "sort-key a\n")
	uki := func(name, osrel, cmdline, uname string) {
		args := []string{}
		for i, s := range []struct{ name, text string }{{".osrel", osrel}, {".cmdline", cmdline}, {".uname", uname}, {".linux", "kernel"}, {".initrd", "initrd"}} {
			file := filepath.Join(t.TempDir(), s.name)
			if err := os.WriteFile(file, []byte(s.text), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--add-section", s.name+"="+file, "--change-section-vma", fmt.Sprintf("%s=%#x", s.name, 0x20000*(i+1)))
		}
		os.MkdirAll(filepath.Join(esp, "EFI/Linux"), 0o755)
		peers.Run(t, "objcopy", append(args, stub, filepath.Join(esp, "EFI/Linux", name))...)
	}
	uki("fedora.efi", "PRETTY_NAME=\"Fedora Linux 39\"\nID=fedora\nVERSION_ID=39\nIMAGE_ID=img\nIMAGE_VERSION=12\n", "root=LABEL=x ro\n", "6.5.6-300.fc39.x86_64")
	uki("arch-1.efi", "NAME=Arch\nID=arch\nBUILD_ID=rolling\n", "rw", "6.9.1-arch1-1")
	b, err := os.ReadFile(loader)
	if err != nil {
		t.Fatal(err)
	}
	write("EFI/systemd/systemd-bootx64.efi", string(b))
	for _, conf := range []string{"", "default abc-*\n", "timeout 5\ndefault FEDORA.efi\n", "default none\n", "default fedora-6.[13]*\n"} {
		write("loader/loader.conf", conf)
		cmd := peers.Command(t, "bootctl", "list", "--json=short")
		cmd.Env = append(os.Environ(), "SYSTEMD_ESP_PATH="+esp, "SYSTEMD_RELAX_ESP_CHECKS=1")
		var want []string
		for dec := json.NewDecoder(strings.NewReader(peers.RunCmd(t, cmd))); ; {
			var e struct {
				ID, Title, Version, Options, Linux string
				Initrd                             []string
			}
			if err := dec.Decode(&e); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint(e.ID, "|", e.Title, "|", e.Version, "|", e.Options, "|", strings.TrimPrefix(e.Linux, "/"), "|", e.Initrd))
		}
		cmd = peers.Command(t, "bootctl", "list", "--no-pager")
		cmd.Env = append(os.Environ(), "SYSTEMD_ESP_PATH="+esp, "SYSTEMD_RELAX_ESP_CHECKS=1")
		_, chosen, _ := strings.Cut(peers.RunCmd(t, cmd), "(default)")
		_, chosen, _ = strings.Cut(chosen, "id: ")
		chosen, _, _ = strings.Cut(chosen, "\n")

		list, _ := BootLoaders(context.Background(), os.DirFS(esp), &system.Options{Problem: func(err error) { t.Error(err) }})
		if len(list) != 1 || list[0].Name != "systemd-boot" {
			t.Fatalf("%+v", list)
		}
		var got []string
		for _, e := range list[0].Entries {
			got = append(got, fmt.Sprint(e.ID, "|", e.Title, "|", e.Version, "|", e.Options, "|", strings.TrimPrefix(e.Kernel, "/"), "|", e.Initrd))
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("%q:\n%s\n\nbootctl:\n%s", conf, g, w)
		}
		if e := list[0].DefaultEntry(); e == nil || e.ID != chosen {
			t.Errorf("%q: the default is %+v, bootctl says %q", conf, e, chosen)
		}
	}
}

// hostileGrub are scripts of some KB that would take all memory, or hours.
var hostileGrub = map[string]string{
	"variables of many words": `set x="` + strings.Repeat("a ", 8<<10) + `"` + "\necho " + strings.Repeat("$x", 500) + "\n",
	"arguments of many words": "function f {\n echo \"" + strings.Repeat("$@", 500) + "\"\n}\nf " + strings.Repeat("a ", 1000) + "\n",
	"variables of nothing":    "while true; do while true; do echo " + strings.Repeat("$b", 100000) + "; done; done\n",
	"long words":              "while true; do while true; do while true; do a=" + strings.Repeat("$b'c'", 10000) + "; done; done; done\n",
	"entries again and again": strings.Repeat("while true; do ", 3) + "blscfg; blscfg" + strings.Repeat("; done", 3) + "\n",
	"environments":            strings.Repeat("while true; do ", 3) + "load_env -f /env" + strings.Repeat("; done", 3) + "\n",
	"sources":                 strings.Repeat("while true; do ", 3) + "source /env" + strings.Repeat("; done", 3) + "\n",
	"tests of files":          strings.Repeat("while true; do ", 3) + "[ -e /l -a -e /l -a -e /l -a -d /l -a -s /l ]; source /l" + strings.Repeat("; done", 3) + "\n",
	"exports":                 "for i in " + strings.Repeat("a ", 500) + "; do n=${n}x; for j in " + strings.Repeat("b ", 60) + "; do export $n$j; submenu m { true; }; done; done\n",
}

// TestHostileGrub has each end within the bounds, with the reason told, and no choice made.
func TestHostileGrub(t *testing.T) {
	for name, script := range hostileGrub {
		m := fstest.MapFS{"boot/grub/grub.cfg": text("menuentry first { linux /a; }\n" + script + "set default=1\nmenuentry second { linux /b; }\n"),
			"boot/env": text(strings.Repeat("a=b\n", 200<<10)), "boot/l": {Data: []byte("a/" + strings.Repeat("../a/", 700) + "../v"), Mode: fs.ModeSymlink | 0o777}, "boot/a/x": text(""), "boot/v": text("")}
		for i := range 20 {
			m[fmt.Sprintf("boot/loader/entries/%d.conf", i)] = text("title x\nlinux /a\n" + strings.Repeat("#\n", 200<<10))
		}
		n := 0
		var problems []error
		r := newRoot(t.Context(), statFS{m, "", &n}, system.New(system.TypeLinux), &system.Options{Problem: func(err error) { problems = append(problems, err) }})
		const config = "boot/grub/grub.cfg"
		g := r.newGrub("boot", config)
		g.source(config)
		if g.steps > 2*maxGrubSteps || g.work > 2*maxGrubWork || n > 200000 {
			t.Errorf("%s: %d steps, %d bytes of work, %d files looked at", name, g.steps, g.work, n)
		}
		l := system.BootLoader{Reason: g.choose("/" + config), Entries: g.entries}
		if len(problems) != 1 || !errors.Is(problems[0], block.ErrLimit) || l.DefaultEntry() != nil || l.Reason != "its configuration was not read whole" {
			t.Errorf("%s: %.300v, %v", name, l, problems)
		}
	}
}

// TestGrubBounds has a script go past each bound between its first entry and its default.
func TestGrubBounds(t *testing.T) {
	files := fstest.MapFS{"boot/big": text(strings.Repeat("#", 2<<20))}
	sources := ""
	for i := range 8 {
		files[fmt.Sprint("boot/s", i)] = text("true\n")
		sources += fmt.Sprintf("source /s%d\n", i)
	}
	for name, script := range map[string]string{
		"none":       "true\n",
		"a loop":     "while true; do a=b; done\n",
		"a word":     "a=" + strings.Repeat("b", 17<<10) + "\n",
		"words":      "a " + strings.Repeat("b ", 2000) + "\n",
		"levels":     strings.Repeat("if true; then ", 30) + "set a=b" + strings.Repeat("; fi", 30) + "\n",
		"elif":       "if false; then a; " + strings.Repeat("elif false; then b; ", 40) + "fi\n",
		"calls":      "function f { if true; then f; fi; }\nf\n",
		"tokens":     strings.Repeat("\n", 1<<17),
		"files":      sources,
		"itself":     "source /grub/grub.cfg\n",
		"again":      "while true; do source /s0; done\n",
		"a big file": "source /big\n",
		"variables":  "for i in " + strings.Repeat("a ", 100) + "; do n=${n}x; for j in " + strings.Repeat("$b$b ", 50) + "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43; do set $n$j=1; done; done\n",
		"submenus":   strings.Repeat("submenu a { ", 9) + strings.Repeat("}", 9) + "\n",
		"entries":    "for i in " + strings.Repeat("a ", 600) + "; do menuentry x { true; } ; done\n",
	} {
		m := fstest.MapFS{"boot/grub/grub.cfg": text("menuentry first { linux /a; }\n" + script + "set default=1\nmenuentry second { linux /b; }\n")}
		for n, f := range files {
			m[n] = f
		}
		limits := 0
		list, _ := BootLoaders(t.Context(), m, &system.Options{Problem: func(err error) {
			if errors.Is(err, block.ErrLimit) && strings.Contains(err.Error(), "entries may be missing") {
				limits++
			}
		}})
		if len(list) != 1 {
			t.Fatalf("%s: %v", name, list)
		}
		if e := list[0].DefaultEntry(); name == "none" {
			if e == nil || e.Title != "second" || limits != 0 {
				t.Errorf("%+v, %d problems", list, limits)
			}
		} else if e != nil || limits != 1 || list[0].Reason != "its configuration was not read whole" {
			t.Errorf("%s: the default is %+v, %q, %d problems", name, e, list[0].Reason, limits)
		}
	}
}

// TestGrubSourcesAgain has the configuration of a live medium as live-build lays it out:
// each submenu sources the theme again.
func TestGrubSourcesAgain(t *testing.T) {
	menu := func(title string) string {
		return "submenu '" + title + "' {\n\tsource /boot/grub/theme.cfg\n\tmenuentry 'Install' { linux /install.amd/vmlinuz --- quiet; }\n}\n"
	}
	m := fstest.MapFS{
		"boot/grub/grub.cfg": text("source /boot/grub/config.cfg\n\nmenuentry \"Live system\" { linux /live/vmlinuz boot=live components; }\nif true; then\nsource\t/boot/grub/install_start.cfg\n" +
			"submenu 'Advanced install options ...' --hotkey=a {\n\tsource /boot/grub/theme.cfg\n\tsource\t/boot/grub/install.cfg\n}\nfi\nsubmenu 'Utilities...' --hotkey=u {\n\tsource /boot/grub/theme.cfg\n\tsource /boot/grub/memtest.cfg\n}\n"),
		"boot/grub/config.cfg":        text("set default=0\nif loadfont unicode ; then set gfxmode=800x600; fi\nsource /boot/grub/theme.cfg\nterminal_output gfxterm\n"),
		"boot/grub/theme.cfg":         text("set color_normal=light-gray/black\nif [ -e /boot/grub/splash.png ]; then\n set theme=/boot/grub/live-theme/theme.txt\nfi\n"),
		"boot/grub/install_start.cfg": text("menuentry 'Start installer' { linux /install.amd/vmlinuz; }\n"),
		"boot/grub/install.cfg":       text(menu("Text installer ...") + menu("Text installer with dark theme ...")),
		"boot/grub/memtest.cfg":       text(""),
	}
	list, _ := BootLoaders(t.Context(), m, &system.Options{Problem: func(err error) { t.Error(err) }})
	if got, want := what(&system.System{BootLoaders: list}), "grub 4:  | Live system | /live/vmlinuz | boot=live components | /boot/grub/grub.cfg:3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestGrubMenuOfEntry has an entry that opens a menu, whose entries are not those of its own.
func TestGrubMenuOfEntry(t *testing.T) {
	m := fstest.MapFS{"boot/grub/grub.cfg": text("menuentry again { configfile /grub/grub.cfg; }\nmenuentry more { configfile /grub/more.cfg; }\nmenuentry last { linux /a; }\nset default=2\n"), "boot/grub/more.cfg": text("menuentry x { linux /x; }\n")}
	if got, want := what(loaders(t, m)), "grub 3:  | last | /a |  | /boot/grub/grub.cfg:3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestManyBootEntries has more entries, or more loaders, than are read.
func TestManyBootEntries(t *testing.T) {
	many := func(format string) string {
		var b strings.Builder
		for i := range maxBootEntries + 10 {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	bls := func(m fstest.MapFS) fstest.MapFS {
		for i := range maxBootEntries + 10 {
			m[fmt.Sprintf("boot/loader/entries/%d.conf", i)] = text("title x\nlinux /a\n")
		}
		return m
	}
	uki := fstest.MapFS{"boot/loader/loader.conf": text("default 600.efi\n")}
	image := make([]byte, 512)
	copy(image, "MZ")
	image[0x3c], image[0x46], image[0x54] = 0x40, 1, 0
	copy(image[0x40:], "PE\x00\x00")
	copy(image[0x58:], ".osrel\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x01")
	copy(image[0x100:], "NAME=abc")
	for i := range maxBootEntries + 10 {
		uki[fmt.Sprintf("boot/EFI/Linux/%d.efi", i)] = &fstest.MapFile{Data: image, Mode: 0o644}
	}
	loader := fstest.MapFS{}
	for i := range maxBootLoaders + 10 {
		loader[fmt.Sprintf("boot/efi/EFI/v%d/grub.cfg", i)] = text("menuentry a { linux /b; }\n")
	}
	const cut = "its configuration was not read whole"
	for name, c := range map[string]struct {
		tree   fstest.MapFS
		reason string
	}{
		"grub 1":             {fstest.MapFS{"boot/grub/menu.lst": text("default 3\n" + many("title %d\nkernel /a\n"))}, ""},
		"grub 1, past these": {fstest.MapFS{"boot/grub/menu.lst": text("default 515\n" + many("title %d\nkernel /a\n"))}, cut},
		"syslinux":           {fstest.MapFS{"syslinux.cfg": text(many("label %d\nkernel /a\n") + "menu default\n")}, cut},
		"syslinux, includes": {fstest.MapFS{"syslinux.cfg": text("label a\nkernel /a\n" + many("include %d\n"))}, cut},
		"type 1":             {bls(fstest.MapFS{"boot/loader/loader.conf": text("default 99.conf\n")}), cut},
		"type 2":             {uki, cut},
		"blscfg":             {bls(fstest.MapFS{"boot/grub2/grub.cfg": text("blscfg\n")}), cut},
		"loaders":            {loader, ""},
	} {
		limits := 0
		list, _ := BootLoaders(t.Context(), c.tree, &system.Options{Problem: func(err error) {
			if errors.Is(err, block.ErrLimit) {
				limits++
			}
		}})
		if len(list) == 0 || len(list) > maxBootLoaders || list[0].Reason != c.reason || (list[0].DefaultEntry() == nil) != (c.reason != "") || limits != 1 && name != "blscfg" {
			t.Errorf("%s: %d loaders, %d problems, %.300v", name, len(list), limits, list)
		}
	}
}

// TestTunedInitrd has the entry of RHEL with the variable of tuned, which may be set.
func TestTunedInitrd(t *testing.T) {
	for set, want := range map[string]string{"": "[/boot/initramfs-5.img]", "set tuned_initrd='($root)/tuned.img (hd0)/b.img'\n": "[/boot/initramfs-5.img /boot/tuned.img /b.img]"} {
		s := loaders(t, fstest.MapFS{"boot/grub2/grub.cfg": text(set + "blscfg\n"), "boot/initramfs-5.img": text(""), "boot/tuned.img": text(""), "boot/vmlinuz-5": text(""),
			"boot/loader/entries/a.conf": text("title a\nlinux /vmlinuz-5\ninitrd /initramfs-5.img $tuned_initrd\n")})
		if got := fmt.Sprint(s.BootLoaders[0].Entries[0].Initrd); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for loader, m := range map[string]fstest.MapFS{"bls": {}, "systemd-boot": {"boot/loader/loader.conf": text("")}} {
		m["boot/loader/entries/a.conf"], m["boot/initrd-6.1"] = text("linux /vmlinuz-6.1\ninitrd /initrd-6.1 $tuned_initrd\n"), text("")
		list, _ := BootLoaders(t.Context(), m, &system.Options{})
		if got := fmt.Sprint(list[0].Name, list[0].Entries[0].Initrd); got != loader+"[/boot/initrd-6.1 $tuned_initrd]" {
			t.Errorf("%s: %s", loader, got)
		}
	}
	problems := 0
	list, _ := BootLoaders(t.Context(), fstest.MapFS{"boot/loader/loader.conf": text(""), "boot/loader/entries/a.conf": text("title a\nlinux /b\ninitrd" + strings.Repeat(" /c", 900) + "\n")}, &system.Options{Problem: func(error) { problems++ }})
	if len(list[0].Entries[0].Initrd) != maxEntryRAMDisks || problems != 1 {
		t.Errorf("%d of initrd, %d problems", len(list[0].Entries[0].Initrd), problems)
	}
}

// TestLongOptions has entries whose command line is longer than is read: no part of it is
// shown as if it were all, and one problem says so.
func TestLongOptions(t *testing.T) {
	for name, options := range map[string]string{
		"one line":   "options root=/dev/sda1 b=" + strings.Repeat("x", 5000) + "\noptions quiet\n",
		"many lines": strings.Repeat("options a="+strings.Repeat("x", 4000)+"\n", 5),
	} {
		var problems []error
		s := system.New(system.TypeLinux)
		err := Identify(t.Context(), fstest.MapFS{"boot/vmlinuz-6.1": text(""), "boot/loader/entries/a.conf": text("version 6.1\nlinux /vmlinuz-6.1\n" + options)}, s,
			&system.Options{Problem: func(err error) { problems = append(problems, err) }})
		if err != nil || len(problems) != 1 || !errors.Is(problems[0], block.ErrLimit) {
			t.Errorf("%s: %v, problems %v", name, err, problems)
		}
		if k, e := s.Kernels[0], s.BootLoaders[0].Entries[0]; k.Entry != "a" || k.Options != "" || e.Options != "" {
			t.Errorf("%s: the kernel has %.40q of %s, the entry %.40q", name, k.Options, k.Entry, e.Options)
		}
	}
}

// openFS counts how often a file is opened.
type openFS struct {
	fstest.MapFS
	opened map[string]int
}

func (f openFS) Open(name string) (fs.File, error) {
	f.opened[name]++
	return f.MapFS.Open(name)
}

// TestEntriesReadOnce has kernels, GRUB and systemd-boot take the same entry, which is
// read once; of another program of EFI no kernel is made.
func TestEntriesReadOnce(t *testing.T) {
	f := openFS{fstest.MapFS{"boot/grub2/grub.cfg": text("blscfg\n"), "boot/loader/loader.conf": text(""), "boot/vmlinuz-6.1": text(""), "boot/initrd-6.1": text(""),
		"boot/loader/entries/a+3.conf":   text("version 6.1\nlinux /vmlinuz-6.1\ninitrd /initrd-6.1 $tuned_initrd\noptions ro\n"),
		"boot/loader/entries/shell.conf": text("title Shell\nversion 2\nefi /shell.efi\n")}, map[string]int{}}
	s := system.New(system.TypeLinux)
	if err := Identify(t.Context(), f, s, &system.Options{Problem: func(err error) { t.Error(err) }}); err != nil {
		t.Fatal(err)
	}
	if len(s.BootLoaders) != 2 || len(s.BootLoaders[0].Entries) != 2 || len(s.BootLoaders[1].Entries) != 2 {
		t.Errorf("%+v", s.BootLoaders)
	}
	for name, n := range f.opened {
		if strings.HasSuffix(name, ".conf") && strings.Contains(name, "entries") && n != 1 {
			t.Errorf("%s was read %d times", name, n)
		}
	}
	if len(s.Kernels) != 1 || s.Kernels[0].Entry != "a" || s.Kernels[0].Options != "ro" || s.Kernels[0].Initrd != "/boot/initrd-6.1" {
		t.Errorf("%+v", s.Kernels)
	}
}

// FuzzBootLoaders reads configurations of all loaders.
func FuzzBootLoaders(f *testing.F) {
	f.Add([]byte(fixture(f, "grub-saved.cfg.gz")))
	f.Add([]byte(fixture(f, "extlinux.conf")))
	f.Add([]byte(fixture(f, "menu.lst.gz")))
	f.Add([]byte("title a\nlinux /b\noptions $c\n"))
	f.Add([]byte("set x='a a a '\necho $x$x$x\nfunction f { echo \"$@$@\"; }\nf a a a\n")) // hostileGrub in small
	f.Add([]byte("while false; do blscfg; load_env -f /env; [ -e /l -a -d /l ]; source /l; done; a=$b'c'$b\n"))
	f.Add([]byte("set a=\"$b${c\\\n}\" ; submenu x { menuentry y { for i in $@; do if [ ! -e / ]; then linux $1; elif f; then g; fi; done } }"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"boot/grub/grub.cfg", "boot/grub/menu.lst", "boot/extlinux/extlinux.conf", "boot/loader/entries/a+1-2.conf", "boot/EFI/Linux/a.efi"} {
			list, _ := BootLoaders(context.Background(), fstest.MapFS{name: {Data: b, Mode: 0o644}, "boot/loader/loader.conf": {Data: b[:len(b)/2], Mode: 0o644}}, &system.Options{})
			for _, l := range list {
				defaults := 0
				for _, e := range l.Entries {
					if e.Default {
						defaults++
					}
					for _, s := range []string{e.ID, e.Title, e.Kernel, e.Options} {
						if len(s) > 1<<17 || strings.ToValidUTF8(s, "") != s {
							t.Fatalf("%s: %q", name, s)
						}
					}
				}
				if len(l.Entries) > maxBootEntries || defaults > 1 || defaults == 0 && l.Reason == "" && len(l.Entries) > 0 {
					t.Fatalf("%s: %d entries, %d defaults", name, len(l.Entries), defaults)
				}
			}
		}
	})
}

// statFS counts what is asked of a file system, and lets go of a file once it was seen.
type statFS struct {
	fstest.MapFS
	gone  string
	stats *int
}

func (f statFS) Stat(name string) (fs.FileInfo, error) {
	if *f.stats++; name == f.gone {
		defer delete(f.MapFS, name)
	}
	return f.MapFS.Stat(name)
}

func (f statFS) Lstat(name string) (fs.FileInfo, error) {
	*f.stats++
	return f.MapFS.Lstat(name)
}

func (f statFS) ReadLink(name string) (string, error) { return f.MapFS.ReadLink(name) }

// TestKernelsThroughLinks has entries that lead to no kernel by way of a long link: each
// path is followed once.
func TestKernelsThroughLinks(t *testing.T) {
	m := fstest.MapFS{"boot/l": {Data: []byte("/boot/a/" + strings.Repeat("../a/", 790) + "v"), Mode: fs.ModeSymlink | 0o777}, "boot/a/v": text("")}
	s := system.New(system.TypeLinux)
	for i := range 64 {
		name := fmt.Sprintf("boot/vmlinuz-6.%d", i)
		m[name] = text("")
		s.Kernels = append(s.Kernels, system.Kernel{Version: fmt.Sprint("6.", i), Image: "/" + name})
	}
	var b system.BootLoader
	for i := range maxBootEntries {
		b.Entries = append(b.Entries, system.BootEntry{ID: fmt.Sprint(i), Kernel: "/boot/l"})
	}
	b.Entries = append(b.Entries, system.BootEntry{ID: "last", Kernel: "/boot/../boot/vmlinuz-6.7", Default: true})
	s.BootLoaders = append(s.BootLoaders, b)
	n := 0
	r := newRoot(t.Context(), statFS{m, "", &n}, s, &system.Options{})
	r.kernelsByEntries()
	if n > 4096+3*65 {
		t.Errorf("%d files looked at", n)
	}
	if k := s.Kernels[7]; k.Entry != "last" || !k.Default {
		t.Errorf("%+v", k)
	}
}

// TestInstallerFileGone loses the file between two looks at it.
func TestInstallerFileGone(t *testing.T) {
	n := 0
	s := system.New(system.TypeLinux)
	r := newRoot(t.Context(), statFS{fstest.MapFS{installerFiles[0]: text("x")}, installerFiles[0], &n}, s, &system.Options{})
	r.findTimes()
	if s.Installed != nil {
		t.Errorf("installed %v", s.Installed)
	}
}

// TestManyKernels says once that there are more kernels than are listed.
func TestManyKernels(t *testing.T) {
	m := fstest.MapFS{}
	for i := range maxKernels + 9 {
		m[fmt.Sprintf("usr/lib/modules/6.%d.0/modules.dep", i)] = text("")
	}
	var limits int
	s := system.New(system.TypeLinux)
	if err := Identify(context.Background(), m, s, &system.Options{Problem: func(err error) {
		if errors.Is(err, block.ErrLimit) {
			limits++
		}
	}}); err != nil || len(s.Kernels) != maxKernels || limits != 1 {
		t.Errorf("%d kernels, %d times said, %v", len(s.Kernels), limits, err)
	}
}
