package format

import (
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/wrapped"
)

// Promised is the format that a file name promises, "" if it promises none. The
// extents of flat disks have names like those of images, and promise nothing.
func Promised(name string) string {
	name = strings.ToLower(name)
	if ext := extension(name); ext != "" && wrapped.Known(strings.TrimPrefix(ext, ".")) {
		name = strings.TrimSuffix(name, ext)
	}
	if strings.HasSuffix(name, "-flat.vmdk") || strings.HasSuffix(name, "-delta.vmdk") {
		return ""
	}
	ext := extension(name)
	for _, d := range drivers() {
		if slices.Contains(d.endings, ext) {
			return d.name
		}
	}
	return ""
}

// keepPromise refuses a file of which nothing but its name, or a footer with a
// wrong checksum, tells a format: its header is destroyed, or it is of another
// kind, and as a raw disk it would be another one.
func keepPromise(r block.Reader, o *Options) error {
	w, err := readWindow(r)
	if err != nil {
		return block.Locate("", "image", 0, err)
	}
	if lookBadFooter(w) {
		return block.Errorf("vhd", "footer", w.size-512, block.ErrCorrupt, "its checksum is wrong; to take the file for a raw disk that happens to end so, state Options.Format raw")
	}
	if f := Promised(o.name); f != "" {
		return block.Errorf(f, "image", 0, block.ErrFormat, "the name says %s, and the content does not: the header is damaged, or it is another kind of file; Options.Format raw reads it as a raw disk", f)
	}
	return nil
}
