package ova

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// scale reads the units that OVF has for bytes (DSP0004, annex C): "byte",
// "byte * 2^30", and the words of older descriptors, "MegaBytes".
func scale(units string) (int64, error) {
	s := strings.ToLower(strings.ReplaceAll(units, " ", ""))
	for i, word := range []string{"kilobyte", "megabyte", "gigabyte", "terabyte"} {
		if strings.TrimSuffix(s, "s") == word {
			return 1 << (10 * (i + 1)), nil
		}
	}
	factors := strings.Split(s, "*")
	bad := fmt.Errorf("%w: the unit %.40q", block.ErrUnsupported, units)
	if factors[0] != "byte" && factors[0] != "bytes" {
		return 0, bad
	}
	out := int64(1)
	for _, f := range factors[1:] {
		base, exp, power := strings.Cut(f, "^")
		b, err := strconv.ParseInt(base, 10, 64)
		e := uint64(1)
		if power {
			var perr error
			if e, perr = strconv.ParseUint(exp, 10, 6); perr != nil {
				return 0, bad
			}
		}
		if err != nil || b < 1 {
			return 0, bad
		}
		for range e {
			if out > 1<<50/b {
				return 0, bad
			}
			out *= b
		}
	}
	return out, nil
}

// bytesOf multiplies a count with its unit; def is the unit where none is
// given.
func bytesOf(count, units, def string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %.40q is no size", block.ErrCorrupt, count)
	}
	if units == "" {
		units = def
	}
	unit, err := scale(units)
	if err != nil {
		return 0, err
	}
	if n > 1<<62/unit {
		return 0, fmt.Errorf("%w: %d times %q bytes", block.ErrLimit, n, units)
	}
	return n * unit, nil
}
