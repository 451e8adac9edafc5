package format

import "slices"

// borrowed are the formats that Probe knows and only qemu-img reads. A build with
// the tag qemu, on Linux, has a driver for each that lets it.
func borrowed() []string {
	return []string{"qcow", "parallels", "bochs", "cloop", "dmg"}
}

// advice says what reads a format that has no driver.
func advice(format string) string {
	if slices.Contains(borrowed(), format) {
		return "; a build with the tag qemu, on Linux, has qemu-img read them"
	}
	return ""
}
