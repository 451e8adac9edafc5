package guest

// installers are files that only installation and live media have.
var installers = [...]string{
	".disk/info", ".treeinfo", ".discinfo", "media.1/media", "casper", "live/filesystem.squashfs", "LiveOS/squashfs.img",
	"LiveOS/rootfs.img", "arch/version", "sources/install.wim", "sources/install.esd", "images/install.img",
}

// Installer returns the file that makes a volume an installation medium, or
// "".
func Installer(t *Tree) string {
	for _, name := range installers {
		if t.IsThere(name) {
			return name
		}
	}
	return ""
}
