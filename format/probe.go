package format

import (
	"bytes"

	"github.com/guestkit/guestkit/block"
)

// A Detection says what format the bytes of a file are, and why.
type Detection struct {
	Format  string // "raw" where nothing claims them
	Reasons []Reason
}

// A Reason is a piece of evidence.
type Reason struct {
	Off  int64 // where in the file
	Text string
}

// Probe tells the format of the bytes in r by their content alone.
func Probe(r block.Reader) (Detection, error) {
	if r.Size() == 0 {
		return Detection{}, block.Errorf("", "image", 0, block.ErrTruncated, "the file is empty")
	}
	b, err := block.ReadBytes(r, 0, min(4, r.Size()), 4)
	if err != nil {
		return Detection{}, err
	}
	if bytes.Equal(b, []byte("QFI\xfb")) {
		return Detection{Format: "qcow2", Reasons: []Reason{{0, "qcow2 magic"}}}, nil
	}
	return Detection{Format: "raw"}, nil
}
