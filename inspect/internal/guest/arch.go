package guest

import (
	"encoding/binary"
	"path"
	"strings"
)

// archBinaries are programs that every system has one of, and that are for
// its own architecture.
var archBinaries = [...]string{
	"usr/bin/bash", "bin/bash", "usr/bin/ls", "bin/ls", "bin/sh", "usr/bin/sh", "bin/busybox", "bin/rm", "bin/echo",
	"sbin/init", "usr/lib/systemd/systemd", "usr/bin/env",
	"nix/var/nix/profiles/system/sw/bin/bash", "nix/var/nix/profiles/system/systemd/lib/systemd/systemd",
}

// loaders name the dynamic loader of each architecture.
var loaders = [...]struct{ name, arch string }{
	{"ld-linux-x86-64.so.2", "x86_64"}, {"ld-linux-aarch64.so.1", "aarch64"}, {"ld-linux-armhf.so.3", "arm"},
	{"ld64.so.2", "ppc64le"}, {"ld64.so.1", "s390x"}, {"ld-linux-riscv64-lp64d.so.1", "riscv64"},
	{"ld-linux-loongarch-lp64d.so.1", "loongarch64"}, {"ld-linux.so.2", "i386"},
	{"ld-musl-x86_64.so.1", "x86_64"}, {"ld-musl-aarch64.so.1", "aarch64"}, {"ld-musl-armhf.so.1", "arm"},
	{"ld-musl-i386.so.1", "i386"}, {"ld-musl-powerpc64le.so.1", "ppc64le"}, {"ld-musl-s390x.so.1", "s390x"},
	{"ld-musl-riscv64.so.1", "riscv64"}, {"ld-musl-loongarch64.so.1", "loongarch64"},
}

// FindArch reads the header of a program; without one, of a kernel; without
// that, the name of the dynamic loader.
func (r *Root) FindArch(kernels ...string) {
	for _, name := range archBinaries {
		if arch := ELFArch(r.Head(name, 64)); arch != "" {
			r.SetArch(arch, name, "ELF header")
			return
		}
	}
	for _, name := range kernels {
		if arch := KernelArch(r.Head(name, 4096)); arch != "" {
			r.SetArch(arch, name, "kernel header")
			return
		}
	}
	for _, dir := range []string{"lib64", "lib", "usr/lib64", "usr/lib"} {
		for _, l := range loaders {
			if name := path.Join(dir, l.name); r.IsThere(name) {
				r.SetArch(l.arch, name, "name of the dynamic loader")
				return
			}
		}
	}
}

// SetArch records the architecture, which a file tells.
func (r *Root) SetArch(arch, name, detail string) {
	r.Sys.Arch = arch
	r.Because("arch", name, 0, detail)
}

// ELFArch names the machine of an ELF header, or of nothing else "".
func ELFArch(b []byte) string {
	if len(b) < 52 || string(b[:4]) != "\x7fELF" {
		return ""
	}
	wide := b[4] == 2
	var order binary.ByteOrder
	switch b[5] {
	case 1:
		order = binary.LittleEndian
	case 2:
		order = binary.BigEndian
	default:
		return ""
	}
	little := b[5] == 1
	pick := func(cond bool, yes, no string) string {
		if cond {
			return yes
		}
		return no
	}
	switch order.Uint16(b[0x12:]) { // e_machine
	case 2, 18:
		return "sparc"
	case 3, 6:
		return "i386"
	case 8:
		return pick(wide, pick(little, "mips64el", "mips64"), pick(little, "mipsel", "mips"))
	case 20:
		return "ppc"
	case 21:
		return pick(little, "ppc64le", "ppc64")
	case 22:
		return pick(wide, "s390x", "s390")
	case 40:
		return "arm"
	case 43:
		return "sparc64"
	case 50:
		return "ia64"
	case 62:
		return pick(wide, "x86_64", "x32")
	case 183:
		return "aarch64"
	case 243:
		return pick(wide, "riscv64", "riscv32")
	case 258:
		return pick(wide, "loongarch64", "loongarch32")
	}
	return ""
}

// KernelArch names the machine of a Linux kernel image: an ELF file, the boot
// protocol of x86, the Image of arm64 and riscv, or an EFI program.
func KernelArch(b []byte) string {
	if arch := ELFArch(b); arch != "" {
		return arch
	}
	switch {
	case len(b) >= 0x240 && string(b[0x202:0x206]) == "HdrS":
		version := binary.LittleEndian.Uint16(b[0x206:])
		if version >= 0x20c && binary.LittleEndian.Uint16(b[0x236:])&1 != 0 { // XLF_KERNEL_64
			return "x86_64"
		}
		if version >= 0x20c {
			return "i386"
		}
		return "" // older protocols do not say
	case len(b) >= 64 && string(b[0x38:0x3c]) == "ARM\x64":
		return "aarch64"
	case len(b) >= 64 && string(b[0x38:0x3c]) == "RSC\x05":
		return "riscv64"
	}
	return PEArch(b)
}

// PEArch names the machine of a program of EFI or Windows.
func PEArch(b []byte) string {
	if len(b) < 0x40 || string(b[:2]) != "MZ" {
		return ""
	}
	at := int64(binary.LittleEndian.Uint32(b[0x3c:]))
	if at > int64(len(b))-6 || string(b[at:at+4]) != "PE\x00\x00" {
		return ""
	}
	switch binary.LittleEndian.Uint16(b[at+4:]) {
	case 0x014c:
		return "i386"
	case 0x8664:
		return "x86_64"
	case 0xaa64:
		return "aarch64"
	case 0x01c4, 0x01c2:
		return "arm"
	case 0x0200:
		return "ia64"
	case 0x5064:
		return "riscv64"
	case 0x6264:
		return "loongarch64"
	}
	return ""
}

// EFIArch names the machine that a removable-media loader is for by its name:
// "BOOTX64.EFI".
func EFIArch(name string) string {
	switch strings.ToUpper(name) {
	case "BOOTX64.EFI":
		return "x86_64"
	case "BOOTIA32.EFI":
		return "i386"
	case "BOOTAA64.EFI":
		return "aarch64"
	case "BOOTARM.EFI":
		return "arm"
	case "BOOTRISCV64.EFI":
		return "riscv64"
	case "BOOTLOONGARCH64.EFI":
		return "loongarch64"
	}
	return ""
}
