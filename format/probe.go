package format

import (
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// A Detection says what format the bytes of a file are, and why.
type Detection struct {
	// Format is "raw" where nothing claims the bytes, and "" where several
	// formats do.
	Format string
	// Wrapper says that the file is compressed or an archive, which holds an
	// image and is none.
	Wrapper bool
	// Candidates are the formats that claim the bytes: one, or several of
	// which none can be believed.
	Candidates []string
	// Reasons is the evidence, in the order of the offsets where it lies.
	Reasons []Reason
}

// A Reason is a piece of evidence for a format.
type Reason struct {
	Format string
	Off    int64 // where in the file
	Text   string
}

// role says what a mark means for the file as a whole.
type role int

const (
	// head: the file begins with the header of this format, so that it cannot
	// be anything else; content elsewhere speaks against it.
	head role = iota
	// tail: the last bytes are the format's. What lies before them is the
	// disk's own content, and may be any content.
	tail
	// content: what a raw disk holds, which is no format of images.
	content
	// wrapper is head for compressed files and archives.
	wrapper
)

// A match is a mark that was found.
type match struct {
	Reason
	role role
}

// Probe tells the format of the bytes in r, by their content alone. It knows
// more formats than Open reads.
//
// All marks are looked for. Where two of them contradict each other, as where a
// guest wrote the header of an image onto its raw disk, the error wraps
// block.ErrAmbiguous, and the Detection has the evidence all the same. What
// partitions hold does not count, and neither do the several kinds of content
// that a raw disk may have at once, such as a hybrid ISO image's.
func Probe(r block.Reader) (Detection, error) {
	if r.Size() == 0 {
		return Detection{}, block.Errorf("", "image", 0, block.ErrCorrupt, "the file is empty")
	}
	w, err := readWindow(r)
	if err != nil {
		return Detection{}, block.Locate("", "image", 0, err)
	}
	return w.probe()
}

// probe looks for all marks in what was read.
func (w *window) probe() (Detection, error) {
	var found []match
	for _, m := range marks() {
		if text, off, ok := m.look(w); ok {
			found = append(found, match{Reason{m.format, off, text}, m.role})
		}
	}
	return judge(found)
}

// judge weighs the marks that were found.
func judge(found []match) (Detection, error) {
	slices.SortStableFunc(found, func(a, b match) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	var d Detection
	var containers, contents []string
	heads := 0
	for _, m := range found {
		d.Reasons = append(d.Reasons, m.Reason)
		list := &containers
		if m.role == content {
			list = &contents
		}
		if !slices.Contains(*list, m.Format) {
			*list = append(*list, m.Format)
		}
		if m.role == head || m.role == wrapper {
			heads++
		}
		d.Wrapper = d.Wrapper || m.role == wrapper
	}
	d.Candidates = containers
	if len(containers) == 0 || heads > 0 {
		d.Candidates = append(d.Candidates, contents...)
	}
	switch {
	case len(containers) == 0:
		d.Format = contentFormat(contents)
		d.Candidates = []string{d.Format}
	case len(d.Candidates) == 1:
		d.Format = containers[0]
	default:
		d.Wrapper = false
		return d, block.Errorf("", "image", -1, block.ErrAmbiguous, "it could be %s; state its format", claims(d.Reasons))
	}
	return d, nil
}

// contentFormat names a disk by what it holds. Partition tables are no format of
// their own: they only speak against others.
func contentFormat(contents []string) string {
	for _, c := range contents {
		if c != "raw" {
			return c
		}
	}
	return "raw"
}

func claims(rs []Reason) string {
	var parts []string
	for _, r := range rs {
		parts = append(parts, fmt.Sprintf("%s (%s at %#x)", r.Format, r.Text, r.Off))
	}
	return strings.Join(parts, " or ")
}

// isContent reports whether a format that Probe found is but content of a raw
// disk.
func isContent(format string) bool {
	for _, m := range marks() {
		if m.format == format {
			return m.role == content
		}
	}
	return false
}
