package main

import (
	"math"
	"strconv"
	"strings"
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

// parseSize reads a number of bytes with a suffix that multiplies it by a power
// of 1024: 10G, 1.5k, 512.
func parseSize(text string) (int64, error) {
	s := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(text)), "B"), "I")
	shift := 0
	if n := len(s); n > 0 {
		if i := strings.IndexByte("KMGTPE", s[n-1]); i >= 0 {
			shift = 10 * (i + 1)
			s = s[:n-1]
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < 0 || n > math.MaxInt64>>shift {
			return 0, usagef("%q is no size", text)
		}
		return n << shift, nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if x *= float64(int64(1) << shift); err != nil || !(x >= 0 && x < math.MaxInt64) {
		return 0, usagef("%q is no size; sizes are bytes, or like 10G", text)
	}
	return int64(x), nil
}
