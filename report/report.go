// Package report writes what an inspection found in the forms that other programs
// and people read: the XML of virt-inspector and of virt-v2v-inspector, and a page
// of HTML. Guests choose their own words: in every form these are text, whatever
// they hold.
package report

import (
	"encoding/xml"
	"errors"
	"io"

	"github.com/guestkit/guestkit/concern"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// A Guest is what is written.
type Guest struct {
	Images   []*format.Info // the disks, in the order of the inspection
	Report   *inspect.Report
	Concerns []concern.Concern
	Problems []error // of the images and of the Report
}

// ErrNoSystem is the error where a form has to have a system, and none was found
// that it can say.
var ErrNoSystem = errors.New("no operating system was found that this form can say")

// writeXML writes a document. Characters that a terminal would obey are references.
func writeXML(w io.Writer, header string, doc any) error {
	b, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, header+"\n"); err != nil {
		return err
	}
	_, err = w.Write(append(terminal.EscapeXML(b), '\n'))
	return err
}
