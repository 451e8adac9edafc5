package inspect

import (
	"context"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/linux"
	"github.com/guestkit/guestkit/inspect/others"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/inspect/windows"
)

// finders know the roots of operating systems by their files. They see one
// volume, before anything is mounted, and are in order: the first that finds
// something in a volume is right.
var finders = [...]func(context.Context, fs.FS, *system.Options) []system.Place{
	windows.Find, others.Find, linux.Find, others.FindDOS,
}

// role says what a volume without a root is for, by its content.
func role(t *guest.Tree, v *Volume) Role {
	switch {
	case v.Content == "vfat" && (v.isESP() || t.Fold("EFI/BOOT") != ""):
		return RoleESP
	case guest.Installer(t) != "":
		return RoleInstaller
	case t.IsDir("grub") || t.IsDir("grub2") || t.IsDir("loader/entries") || t.IsDir("extlinux") || hasKernel(t):
		return RoleBoot
	case t.IsDir("lib") && t.IsDir("bin") && t.IsDir("share"):
		return RoleUsr
	case t.IsDir("lib") && t.IsDir("log") && (t.IsDir("cache") || t.IsDir("spool")):
		return RoleVar
	case t.Fold("System Volume Information") != "":
		return RoleWindowsData
	}
	return RoleUnknown
}

func hasKernel(t *guest.Tree) bool {
	for _, e := range t.List(".") {
		if strings.HasPrefix(e.Name(), "vmlinuz-") {
			return true
		}
	}
	return false
}
