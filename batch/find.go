package batch

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/extentname"
)

// An Image is a place to look for a disk image.
type Image struct {
	Path string
	Err  error // the folder, or the file in it, could not be read
}

// endings are those of the names of images, in lower case: besides those that promise
// a format these. A raw disk has no mark by which its content tells that it is one.
var endings = append(format.Endings(), ".raw", ".img", ".dd", ".iso", ".qcow2c", ".001")

// wrappers are the endings of files that are compressed as a whole.
var wrappers = []string{".gz", ".xz", ".zst", ".bz2"}

// A Find says how images are found.
type Find struct {
	// Skipped is told each file of a folder that is not taken, and why. Nil
	// ignores it.
	Skipped func(path, reason string)
}

// Images lists what is at the paths, in their order: a file as it is, and of a
// folder all images in it and below, by their paths. A file there is an image if
// its name ends like one, or if its content begins like one of a format other than
// raw. Links, devices and what is hidden (a name that begins with a dot) are left
// out, and so is what belongs to an image that is listed itself: extents beside
// their VMDK, disks beside their OVF, the later parts of a split file.
//
// A folder that cannot be read is listed with its error, and ends nothing else.
func (f Find) Images(ctx context.Context, paths []string) iter.Seq[Image] {
	return func(yield func(Image) bool) {
		for _, p := range paths {
			if format.IsAddress(p) {
				if !yield(Image{Path: p}) {
					return
				}
				continue
			}
			fi, err := os.Stat(p)
			if err == nil && fi.IsDir() {
				if !f.folder(ctx, p, yield) {
					return
				}
				continue
			}
			if !yield(Image{Path: p}) { // opening it tells what is wrong with it
				return
			}
		}
	}
}

// folder lists a folder and those below; false ends all. A folder is read when it
// is its turn, so that there is one in memory for each level at most.
func (f Find) folder(ctx context.Context, dir string, yield func(Image) bool) bool {
	if ctx.Err() != nil {
		return false
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !yield(Image{Path: dir, Err: err}) {
			return false
		}
	}
	parts := owned(dir, entries)
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
			f.skip(name, "it is hidden")
			continue
		case e.IsDir():
			if !f.folder(ctx, name, yield) {
				return false
			}
			continue
		case !e.Type().IsRegular():
			f.skip(name, "it is no regular file")
			continue
		case parts[e.Name()] != "":
			f.skip(name, "it is a part of "+parts[e.Name()])
			continue
		}
		ok, err := isImage(name)
		if !ok && err == nil {
			f.skip(name, "it is no image")
			continue
		}
		if ctx.Err() != nil || !yield(Image{Path: name, Err: err}) {
			return false
		}
	}
	return true
}

func (f Find) skip(path, reason string) {
	if f.Skipped != nil {
		f.Skipped(path, reason)
	}
}

// isImage reports whether a file looks like an image, by its name or else by its
// content.
func isImage(path string) (bool, error) {
	if named(path) {
		return true, nil
	}
	h, err := format.OpenHostFile(path)
	if err != nil {
		return false, err
	}
	defer h.Close()
	found, err := format.Probe(h)
	// What is two formats at once is an image to look at, and refused by name then.
	return err == nil && found.Format != "raw" && !found.Wrapper || len(found.Candidates) > 1, nil
}

// named reports whether a name ends like that of an image.
func named(path string) bool {
	name := strings.ToLower(filepath.Base(path))
	for _, w := range wrappers {
		name = strings.TrimSuffix(name, w)
	}
	for _, end := range endings {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// owned tells of the names in a folder which belong to another file of it, and to
// which.
func owned(dir string, entries []fs.DirEntry) map[string]string {
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	out := map[string]string{}
	for _, e := range entries {
		if of, ok := extentname.Descriptor(e.Name()); ok && names[of] {
			out[e.Name()] = of
		}
		if strings.EqualFold(filepath.Ext(e.Name()), ".ovf") && e.Type().IsRegular() {
			for _, member := range references(filepath.Join(dir, e.Name())) {
				if member != e.Name() && names[member] {
					out[member] = e.Name()
				}
			}
		}
	}
	return out
}

// maxDescriptor bounds how much of an OVF descriptor is looked at, and
// maxReferences how many files of it count.
const (
	maxDescriptor = 1 << 20
	maxReferences = 1000
)

// references are the files that a descriptor lists. It need not be right: opening
// the package tells what is wrong with it.
func references(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, maxDescriptor))
	if err != nil {
		return nil
	}
	var out []string
	d := xml.NewDecoder(bytes.NewReader(head))
	d.Strict = false
	for len(out) < maxReferences {
		t, err := d.Token()
		if err != nil {
			break
		}
		e, ok := t.(xml.StartElement)
		if !ok || e.Name.Local != "File" {
			continue
		}
		for _, a := range e.Attr {
			if a.Name.Local == "href" {
				out = append(out, a.Value)
			}
		}
	}
	return out
}
