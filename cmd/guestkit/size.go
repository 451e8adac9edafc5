package main

import (
	"strconv"

	"github.com/guestkit/guestkit/internal/bytesize"
)

// sizeFlag is a flag for a number of bytes, as parseSize takes it.
type sizeFlag int64

func (s *sizeFlag) Type() string { return "SIZE" }

// String is what --help shows as the default: nothing if there is none.
func (s *sizeFlag) String() string {
	n, unit := int64(*s), ""
	switch {
	case n < 0:
		return ""
	case n >= 1<<40 && n%(1<<40) == 0:
		n, unit = n>>40, "T"
	case n >= 1<<20 && n%(1<<20) == 0:
		n, unit = n>>20, "M"
	}
	return strconv.FormatInt(n, 10) + unit
}

func (s *sizeFlag) Set(text string) error {
	n, err := parseSize(text)
	*s = sizeFlag(n)
	return err
}

// parseSize reads a number of bytes: 10G, 1.5k, 512.
func parseSize(text string) (int64, error) {
	n, err := bytesize.Parse(text)
	if err != nil {
		return 0, usagef("%q is %w", text, err)
	}
	return n, nil
}
