package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/guestkit/guestkit/batch"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/report"
	"github.com/guestkit/guestkit/sbom"
)

// outputs are the forms in which inspect prints a guest.
var outputs = []string{"human", "json", "yaml", "virt-inspector", "virt-v2v-inspector", "html"}

// single reports whether a form is a document of one guest.
func (c *inspection) single() bool {
	return c.output != "" && c.output != "human" && c.output != "json" && c.output != "yaml"
}

func (f *finding) report() *report.Guest {
	g := &report.Guest{Images: []*format.Info{}, Report: f.Report, Concerns: f.concerns, Problems: f.problems}
	for _, img := range f.guest.Images() {
		g.Images = append(g.Images, img.Info())
	}
	return g
}

// write prints a guest in the form of --output.
func (c *inspection) write(f *finding) error {
	var err error
	switch c.output {
	case "yaml":
		err = report.YAML(c.raw, f.doc())
	case "virt-inspector":
		err = report.VirtInspector(c.raw, f.report())
	case "virt-v2v-inspector":
		var allocated []int64
		for _, img := range f.guest.Images() {
			n, err := report.Allocated(c.ctx, img)
			if err != nil {
				return err
			}
			allocated = append(allocated, n)
		}
		err = report.VirtV2VInspector(c.raw, f.report(), buildVersion(), allocated)
	case "html":
		err = report.HTML(c.raw, f.report(), buildVersion(), c.target)
	case "cyclonedx":
		err = sbom.CycloneDX(c.raw, f.Report, f.sbomOptions())
	case "spdx":
		err = sbom.SPDX(c.raw, f.Report, f.sbomOptions())
	}
	if errors.Is(err, report.ErrNoSystem) && len(f.Systems) == 0 {
		return nil // the command says so itself
	} else if errors.Is(err, report.ErrNoSystem) {
		return nothingf("%v", err)
	}
	return err
}

// sbomOptions are what a bill of materials says of itself: the name of the image, and
// as its time that of the image's last change, so that two runs print the same;
// SOURCE_DATE_EPOCH states another one (https://reproducible-builds.org).
func (f *finding) sbomOptions() *sbom.Options {
	o := &sbom.Options{Version: buildVersion()}
	for _, name := range filesOf(f.guest) {
		if o.Name == "" {
			o.Name = filepath.Base(name)
		}
		if file, err := batch.Look(name); err == nil && file.Modified.After(o.Created) {
			o.Created = file.Modified
		}
	}
	if n, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		o.Created = time.Unix(n, 0)
	}
	return o
}
