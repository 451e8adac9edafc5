package pipeline

import (
	"context"
	"io"

	"github.com/guestkit/guestkit/sbom"
)

// SBOM writes the installed software of a disk as a software bill of materials.
type SBOM struct {
	// To is the name of the document; see Convert.To.
	To string `json:"to"`
	// Format is cyclonedx or spdx, "" for the first.
	Format string `json:"format,omitempty"`
	// Replace lets the document take the place of a file that exists.
	Replace bool `json:"replace,omitempty"`
}

// An SBOMResult says how much a document lists.
type SBOMResult struct {
	Systems  int  `json:"systems"`
	Packages int  `json:"packages"`
	Complete bool `json:"complete"` // every volume was read, or holds nothing to read
}

var sbomFormats = []string{"cyclonedx", "spdx"}

// Kind is the word for it.
func (*SBOM) Kind() string { return "sbom" }

// Output is the pattern of what it writes, "" for nothing.
func (s *SBOM) Output() string { return s.To }

// Check says what is wrong with what is asked for.
func (s *SBOM) Check() []*Problem {
	var out []*Problem
	if s.To == "" {
		out = append(out, problemf("to", "no output is given"))
	}
	if s.Format != "" && s.Format != sbomFormats[0] && s.Format != sbomFormats[1] {
		out = append(out, problemf("format", "it is one of %s or %s, not %q", sbomFormats[0], sbomFormats[1], s.Format))
	}
	return out
}

// Do inspects an image and writes the document.
func (s *SBOM) Do(ctx context.Context, t *Task) (any, error) {
	g, err := t.guest(nil)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	rep, err := g.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	res := &SBOMResult{Systems: len(rep.Systems), Complete: rep.Complete()}
	for _, sys := range rep.Systems {
		res.Packages += len(sys.Packages.Items)
	}
	form := sbom.CycloneDX
	if s.Format == "spdx" {
		form = sbom.SPDX
	}
	return res, t.publish(s.Replace, func(w io.Writer) error { return form(w, rep, &sbom.Options{Name: t.Source.Name}) })
}
