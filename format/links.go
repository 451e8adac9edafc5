package format

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
)

// A Link is one image of a chain.
type Link struct {
	// Info is what it says about itself, nil if it cannot be read.
	Info *Info
	// Name is its path, or what the image above calls it where it was not found.
	Name     string
	Modified time.Time // its file, the zero time if that is not known
	// Err says why the chain ends here: the image is missing, is not the one that
	// the image above was made for, or leads in a circle.
	Err error
	// Odd is what may be wrong and does not keep the chain from being read.
	Odd []error
}

// Links follows the chain of the image at path, which it lists first, as far as
// its images can be found by the rules of the options. The error says that the
// chain as a whole cannot be opened; then the links show up to where.
//
// An image that was written to after its child is odd, but for the first: what
// the child holds was meant for what was there before. So are sizes that differ.
func Links(path string, o *Options) ([]Link, error) {
	img, err := OpenFile(path, o)
	if err != nil {
		links := walkLinks(path, o)
		if last := &links[len(links)-1]; last.Err == nil {
			last.Err = err
		}
		oddLinks(links)
		return links, err
	}
	defer img.Close()
	links := []Link{{Info: img.Info(), Name: img.Info().Name, Odd: img.Problems()}}
	for _, below := range img.Info().Chain {
		links = append(links, Link{Info: below, Name: below.Name})
	}
	oddLinks(links)
	return links, nil
}

// oddLinks compares each image with the one above.
func oddLinks(links []Link) {
	for i := range links {
		l := &links[i]
		if l.Info != nil { // else the name is but what the image above says, and anything
			if fi, err := os.Stat(l.Name); err == nil {
				l.Modified = fi.ModTime()
			}
		}
		if i == 0 || l.Info == nil || links[i-1].Info == nil {
			continue
		}
		above := &links[i-1]
		odd := func(detail string, args ...any) {
			l.Odd = append(l.Odd, block.Errorf(l.Info.Format, "image", -1, block.ErrChanged, detail, args...))
		}
		if !l.Modified.IsZero() && !above.Modified.IsZero() && l.Modified.After(above.Modified) {
			odd("it was written to after the image that lies upon it")
		}
		switch a, b := above.Info.VirtualSize, l.Info.VirtualSize; {
		case a > b:
			odd("its disk has %d bytes, and that of the image upon it %d: what lies past its end reads as zeros", b, a)
		case a < b:
			odd("its disk has %d bytes, and that of the image upon it only %d", b, a)
		}
		if above.Info.Backing != nil && above.Info.Backing.Format == "" && above.Info.Format == "qcow2" {
			above.Odd = append(above.Odd, block.Errorf("qcow2", "backing file", -1, block.ErrAmbiguous, "its format is not stated"))
		}
	}
}

// walkLinks follows the names alone, each in the folder of the image that says it.
func walkLinks(path string, o *Options) []Link {
	var links []Link
	var seen []Source
	defer func() {
		for _, s := range seen {
			s.Close()
		}
	}()
	src, err := PathSource(path, o)
	name := path
	for {
		if err != nil {
			return append(links, Link{Name: name, Err: err})
		}
		for _, s := range seen {
			if src.Same(s) {
				src.Close()
				return append(links, Link{Name: name, Err: block.Errorf("", "chain", -1, block.ErrLoop, "it leads back to %s", s.Name())})
			}
		}
		seen = append(seen, src)
		d := Options{}
		if o != nil && len(links) == 0 {
			d.Format = o.Format
		}
		info, problems, err2 := Describe(src, &d)
		if err2 != nil {
			return append(links, Link{Name: src.Name(), Err: err2})
		}
		links = append(links, Link{Info: info, Name: src.Name(), Odd: problems})
		if info.Backing == nil || len(links) > DefaultMaxDepth {
			return links
		}
		name = info.Backing.Name
		src, err = beside(src.Name(), name, o)
	}
}

// beside opens the file that an image names.
func beside(image, name string, o *Options) (Source, error) {
	if o == nil || !o.FollowOwnDir {
		return nil, block.Errorf("", "backing file", -1, block.ErrRefused, "%q is not looked for", name)
	}
	var first error
	for _, dir := range append([]string{filepath.Dir(image)}, o.AllowDirs...) {
		folder, err := HostFolder(dir)
		if err != nil {
			continue
		}
		slashed := strings.ReplaceAll(name, `\`, "/")
		for _, n := range []string{name, slashed[strings.LastIndexByte(slashed, '/')+1:]} {
			src, err := folder.Open(n)
			if err == nil {
				return src, nil
			}
			if pe := (*os.PathError)(nil); errors.As(err, &pe) { // its name is said below
				err = pe.Err
			}
			if first == nil || errors.Is(first, os.ErrNotExist) {
				first = err
			}
		}
	}
	if first == nil {
		first = os.ErrNotExist
	}
	return nil, fmt.Errorf("%q: %w", name, first)
}
