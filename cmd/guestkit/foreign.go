package main

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A foreign is what people who come from other programs type, and what to type
// here. unknownCommand answers with it, and docs/coming-from.md is made of it
// (go test ./cmd/guestkit -run ComingFrom -update).
type foreign struct {
	from  string   // the program that has the verbs, or whose name is one
	verbs []string // names, or patterns of path.Match
	use   string   // what to type; "" if nothing here does it
	note  string   // what is different, or why there is nothing
}

// Why some things are not here.
const (
	noWrite = "guests are not changed; edit in a virtual machine, or with libguestfs"
	noRun   = "no code of the guest runs, and no appliance: there is nothing to start or to set up"
	noShell = "there is no session: each command names its image"
	noTable = "partitions, volumes and filesystems are read, not made or changed"
)

// foreigns lists them; the first row that matches counts.
func foreigns() []foreign {
	return []foreign{
		// Programs.
		{"qemu-img", []string{"qemu-img"}, "guestkit COMMAND", "leave out qemu-img: convert, create, info, check, compare, map, measure, resize, snapshot, bitmap, rebase, commit, amend and dd take its flags"},
		{"libguestfs", []string{"guestfish"}, "guestkit ls IMAGE PATH", "there is no shell: ls, cat, cp, find, inspect and volumes are commands"},
		{"libguestfs", []string{"guestmount", "guestunmount"}, "guestkit mount IMAGE DIR", "read only; ends by Ctrl-C, umount or fusermount -u; ls, cat, cp and tar need no mount"},
		{"libguestfs", []string{"libguestfs-test-tool", "libguestfs-make-fixed-appliance"}, "guestkit version", "there is no appliance to test"},
		{"libguestfs", []string{"virt-cat"}, "guestkit cat IMAGE PATH", ""},
		{"libguestfs", []string{"virt-ls"}, "guestkit ls -lR IMAGE PATH", "with checksums: guestkit manifest"},
		{"libguestfs", []string{"virt-inspector", "virt-inspector2"}, "guestkit inspect --output virt-inspector IMAGE", "--json says more"},
		{"libguestfs", []string{"virt-v2v-inspector"}, "guestkit inspect --output virt-v2v-inspector IMAGE", "--json says more, and --target what stands against a platform"},
		{"libguestfs", []string{"virt-filesystems", "virt-list-filesystems", "virt-list-partitions", "virt-alignment-scan"}, "guestkit volumes IMAGE", ""},
		{"libguestfs", []string{"virt-df"}, "guestkit df IMAGE", ""},
		{"libguestfs", []string{"virt-win-reg", "hivexget"}, "guestkit registry IMAGE 'HKLM\\SOFTWARE\\Microsoft'", "--reg prints a .reg file"},
		{"libguestfs", []string{"hivexregedit", "hivexml", "hivexsh"}, "guestkit registry HIVE", "a hive file is an image too; --reg and --json print all of it"},
		{"libguestfs", []string{"virt-diff"}, "guestkit diff IMAGE1 IMAGE2", "packages, texts in /etc and registries too; --times compares times"},
		{"libguestfs", []string{"virt-log", "virt-tail"}, "guestkit log IMAGE", "-n 100 for the end; with the flags of journalctl"},
		{"systemd", []string{"journalctl"}, "guestkit log IMAGE", "-u, -p, -b, -S, -g, -n, -o and --list-boots as there"},
		{"libguestfs", []string{"virt-copy-out", "virt-get-kernel"}, "guestkit cp IMAGE PATH DEST", ""},
		{"libguestfs", []string{"virt-tar-out", "virt-tar"}, "guestkit tar IMAGE PATH -o FILE", ""},
		{"libguestfs", []string{"virt-drivers"}, "guestkit inspect --json IMAGE", ""},
		{"libguestfs", []string{"virt-sparsify"}, "guestkit convert --skip-free IMAGE OUTPUT", "no appliance; in place: guestkit sparsify IMAGE"},
		{"libguestfs", []string{"virt-v2v", "virt-p2v", "virt-v2v-*", "virt-p2v-*"}, "guestkit convert IMAGE OUTPUT", "the disk is converted; drivers in the guest are not changed"},
		{"libguestfs", []string{"virt-resize"}, "guestkit resize IMAGE SIZE", "the disk; partitions and filesystems on it stay as they are"},
		{"libguestfs", []string{"virt-what"}, "guestkit inspect IMAGE", ""},
		{"libguestfs", []string{"virt-edit", "virt-customize", "virt-sysprep", "virt-copy-in", "virt-tar-in", "virt-rescue"}, "", noWrite},
		{"libguestfs", []string{"virt-builder", "virt-builder-*", "virt-dib", "virt-make-fs", "virt-format", "virt-index-validate"}, "", "guests and filesystems are not made; an empty disk: guestkit create FILE SIZE"},
		{"libguestfs", []string{"virt-*"}, "guestkit help", ""},
		{"qemu", []string{"qemu-nbd", "qemu-storage-daemon"}, "guestkit serve nbd IMAGE", "read only, and each volume beside the disk; nbd:// is an image as well"},
		{"qemu", []string{"qemu-io"}, "guestkit convert --offset 1M --length 64K IMAGE -", "'-' writes the disk to standard output"},

		// qemu-img.
		{"qemu-img", []string{"bench"}, "", "nothing is measured here; see docs/benchmarks.md"},
		{"qemu-img flag", []string{"--image-opts"}, "guestkit info -f FORMAT FILE", "likewise elsewhere; an image is a file or an address; what lies behind it, it names itself"},
		{"qemu-img flag", []string{"--target-image-opts"}, "guestkit convert -O FORMAT -o OPTIONS SOURCE OUTPUT", ""},
		{"qemu-img flag", []string{"--object"}, "guestkit convert --key-file FILE IMAGE OUTPUT", "or --key, --keys-from-stdin; images are not encrypted when they are written"},
		{"qemu-img flag", []string{"--preallocation"}, "guestkit convert -o preallocation=full SOURCE OUTPUT", "what resize adds takes no room"},
		{"qemu-img name", []string{"json:"}, "guestkit info -f FORMAT FILE", "likewise elsewhere; what lies behind an image, it names itself"},
		{"qemu-img name", []string{"file:"}, "guestkit info FILE", "the name alone"},
		{"qemu-img name", []string{"nbd:"}, "guestkit info nbd://HOST:PORT/EXPORT", "or nbd+unix:///EXPORT?socket=PATH"},

		// guestfish: looking at files.
		{"guestfish", []string{"ll", "llz"}, "guestkit ls -l IMAGE PATH", ""},
		{"guestfish", []string{"lcd"}, "", noShell},
		{"guestfish", []string{"ls0", "readdir", "list-9p"}, "guestkit ls IMAGE PATH", ""},
		{"guestfish", []string{"find0", "glob-expand", "glob", "filesystem-walk"}, "guestkit find IMAGE PATH", ""},
		{"guestfish", []string{"read-file", "read-lines", "download", "download-offset", "head", "head-n", "tail", "tail-n", "more", "less", "strings", "strings-e", "hexdump", "pread", "wc-*", "base64-out"}, "guestkit cat IMAGE PATH", "and pipe it to what you need"},
		{"guestfish", []string{"*grep", "*grepi"}, "guestkit grep PATTERN IMAGE PATH", ""},
		{"guestfish", []string{"stat", "lstat", "statns", "lstatns", "lstatlist", "lstatnslist", "exists", "is-dir", "is-file", "is-fifo", "is-socket", "is-symlink", "is-blockdev", "is-chardev", "filesize", "readlink", "readlinklist", "realpath", "case-sensitive-path", "file", "zfile", "file-architecture", "get-e2attrs", "get-e2generation"}, "guestkit stat IMAGE PATH", ""},
		{"guestfish", []string{"getxattr", "getxattrs", "lgetxattr", "lgetxattrs", "lxattrlist", "acl-get-file", "cap-get-file", "getcon", "checksum", "checksums-out"}, "guestkit manifest IMAGE PATH", "metadata, extended attributes and SHA-256 of each file"},
		{"guestfish", []string{"tgz-out", "txz-out", "cpio-out"}, "guestkit tar IMAGE PATH -o FILE", ""},
		{"guestfish", []string{"rsync-out", "copy-file-to-file"}, "guestkit cp IMAGE PATH DEST", ""},
		{"guestfish", []string{"compress-out", "initrd-cat", "initrd-list", "download-inode", "download-blocks", "find-inode", "ntfscat-i"}, "guestkit cat IMAGE PATH", "a file at a time; what is in archives of the guest is read with their own tools"},
		{"guestfish", []string{"journal-*"}, "guestkit log --json IMAGE", "-o export for systemd-journal-remote"},
		{"guestfish", []string{"hivex-node-set-*", "hivex-node-add-*", "hivex-node-delete-*", "hivex-commit"}, "", noWrite},
		{"guestfish", []string{"hivex-*"}, "guestkit registry IMAGE 'HKLM\\SYSTEM\\Select'", ""},
		{"guestfish", []string{"aug-*"}, "guestkit cat IMAGE /etc/fstab", "configuration is printed, not parsed; what systems need of it is in 'guestkit inspect'"},
		{"guestfish", []string{"yara-*"}, "guestkit cat IMAGE PATH", "and pipe it to yara"},

		// guestfish: systems and volumes.
		{"guestfish", []string{"inspect-*"}, "guestkit inspect IMAGE", "--json has every field"},
		{"guestfish", []string{"list-filesystems", "list-partitions", "list-devices", "list-*", "part-list", "part-get-*", "part-to-*", "vfs-*", "blkid", "lvs", "lvs-full", "vgs", "vgs-full", "pvs", "pvs-full", "lvuuid", "vguuid", "pvuuid", "vglvuuids", "vgpvuuids", "vgmeta", "vgscan", "lvm-scan", "lvm-canonical-lv-name", "canonical-device-name", "findfs-*", "sfdisk-l", "sfdisk-*-geometry", "device-index", "nr-devices", "max-disks", "is-lv", "is-config", "is-whole-device", "get-uuid", "get-e2label", "get-e2uuid", "luks-uuid", "mountable-*", "blockdev-get*", "tune2fs-l", "xfs-info", "md-detail", "md-stat", "isoinfo", "isoinfo-device", "ldmtool-*", "ntfs-3g-probe", "btrfs-filesystem-show", "btrfs-subvolume-list", "btrfs-subvolume-show", "btrfs-subvolume-get-default", "btrfs-qgroup-show"}, "guestkit volumes IMAGE", "--json has types, labels, UUIDs and sizes"},
		{"guestfish", []string{"df-h", "statvfs"}, "guestkit df IMAGE", ""},
		{"guestfish", []string{"disk-format", "disk-has-backing-file", "disk-virtual-size"}, "guestkit info IMAGE", ""},
		{"guestfish", []string{"disk-create", "sparse", "alloc", "allocate", "add-drive-scratch", "scratch"}, "guestkit create FILE SIZE", ""},
		{"guestfish", []string{"copy-device-to-file", "copy-device-to-device", "pread-device", "compress-device-out", "ntfsclone-out", "btrfs-image"}, "guestkit convert --offset 1M --length 64M IMAGE OUTPUT", "'guestkit volumes --json' tells where a volume lies"},
		{"guestfish", []string{"checksum-device"}, "guestkit convert IMAGE -", "and pipe it to sha256sum"},
		{"guestfish", []string{"equal"}, "guestkit compare A B", "compares disks; files: the checksums of 'guestkit manifest'"},
		{"guestfish", []string{"is-zero", "is-zero-device"}, "guestkit map IMAGE", "tells zeros from data"},
		{"guestfish", []string{"add*", "mount", "mount-ro", "mount-options", "mount-vfs", "mount-loop", "mount-9p", "mount-local*", "domain", "config", "direct"}, "guestkit ls IMAGE PATH", "nothing is added or mounted: each command names its image, -a adds disks, --volume chooses a volume"},
		{"guestfish", []string{"luks-open*", "cryptsetup-open"}, "guestkit volumes IMAGE", "what is encrypted is named there; a key opens it"},
		{"guestfish", []string{"e2fsck*", "fsck", "ntfsfix", "xfs-repair", "btrfs-*fsck*", "btrfs-rescue-*", "btrfs-scrub-*"}, "guestkit volumes IMAGE", "filesystems are not repaired; what is wrong with one is listed. Images are checked by 'guestkit check'"},

		// guestfish: the session and the appliance.
		{"guestfish", []string{"supported", "available*", "feature-available", "filesystem-available"}, "guestkit volumes IMAGE", "says of each volume whether it is read"},
		{"guestfish", []string{"quit", "exit", "q", "run", "launch", "shutdown", "reopen", "kill-subprocess", "umount*", "unmount*", "mounts", "mountpoints", "remount", "mkmountpoint", "rmmountpoint", "sync", "drop-caches", "autosync", "set-*", "get-*", "echo", "echo-daemon", "event", "delete-event", "list-events", "time", "sleep", "trace", "verbose", "append", "attach-method", "backend", "cachedir", "clear-backend-setting", "hv", "identifier", "memsize", "network", "path", "pgroup", "pid", "program", "qemu", "recovery-proc", "selinux", "smp", "tmpdir", "umask", "user-cancel", "utsname", "parse-environment*", "ping-daemon", "man", "manual", "display", "setenv", "unsetenv", "copy-size", "c-pointer", "internal-exit", "inotify-*", "debug*", "dmesg", "device-*", "modprobe", "max-*", "lvm-*-filter", "remove-drive", "luks-close", "cryptsetup-close", "vg-activate*", "md-stop", "swapon-*", "swapoff-*"}, "", noShell + "; " + noRun},
		{"guestfish", []string{"command", "command-lines", "sh", "sh-lines", "rsync", "grub-install", "extlinux", "syslinux"}, "", noRun},
		{"guestfish", []string{"part-*", "sfdisk*", "mk*fs*", "mke2*", "mkswap*", "pv*", "vg*", "lv*", "luks-*", "md-create", "btrfs*", "resize2fs*", "ntfsresize*", "ntfsclone-in", "xfs-*", "tune2fs", "f2fs-expand", "wipefs", "zero*", "blkdiscard*", "blockdev-*", "fstrim", "scrub-*", "mksquashfs", "mklost-and-found", "pwrite-device", "copy-file-to-device"}, "", noTable},
		{"guestfish", []string{"*"}, "", noWrite},
	}
}

// guestfishWrites are verbs that change a guest: the words that the last row of
// foreigns stands for.
var guestfishWrites = []string{"acl-delete-def-file", "acl-set-file", "base64-in", "cap-set-file", "chmod", "chown", "copy-attributes", "copy-in", "cp-a", "cp-r", "edit", "emacs", "vi", "fallocate", "fallocate64", "fill", "fill-dir", "fill-pattern", "hexedit", "lchown", "ln", "ln-f", "ln-s", "ln-sf", "lremovexattr", "lsetxattr", "mkdir", "mkdir-mode", "mkdir-p", "mkdtemp", "mkfifo", "mknod", "mknod-b", "mknod-c", "mktemp", "mv", "pwrite", "removexattr", "rename", "rm", "rm-f", "rm-rf", "rmdir", "rsync-in", "selinux-relabel", "setcon", "setxattr", "tar-in", "tgz-in", "txz-in", "touch", "truncate", "truncate-size", "upload", "upload-offset", "utimens", "write", "write-append", "write-file"}

// foreignVerb finds what a word means that is no command; nil if nobody knows
// it.
func foreignVerb(word string) *foreign {
	for _, f := range foreigns() {
		for _, v := range f.verbs {
			if v == "*" && !slices.Contains(guestfishWrites, word) {
				continue
			}
			if ok, err := path.Match(v, word); ok && err == nil {
				return &f
			}
		}
	}
	return nil
}

// foreignName finds what a name means that is no file, by what stands before its
// colon; nil if nobody knows it.
func foreignName(name string) *foreign {
	scheme, _, ok := strings.Cut(name, ":")
	if !ok {
		return nil
	}
	return foreignVerb(scheme + ":")
}

// unknownFlag is what is wrong with a flag, and what to type for one of qemu-img's.
func unknownFlag(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if f := foreignVerb("--" + unknown.GetSpecifiedName()); f != nil {
			return usagef("%w; %s", err, f.answer())
		}
	}
	return usagef("%w", err)
}

// answer says what to type.
func (f *foreign) answer() string {
	switch {
	case f.use == "":
		return f.note
	case f.note == "":
		return "type: " + f.use
	}
	return "type: " + f.use + " (" + f.note + ")"
}

// firstWord is the word of a command line that names the command, behind flags
// of every command at most; "" if it is not known which one does.
func firstWord(args []string) string {
	for _, a := range args {
		switch {
		case a == "--verbose", a == "--quiet", a == "--help":
		case len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "vqh") == "":
		case strings.HasPrefix(a, "-"):
			return ""
		default:
			return a
		}
	}
	return ""
}
