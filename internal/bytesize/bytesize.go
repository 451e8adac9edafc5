// Package bytesize reads sizes as people write them.
package bytesize

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

var errSize = errors.New("not a size; write bytes, or like 10G")

// Parse reads a number of bytes with a suffix that multiplies it by a power
// of 1024: 10G, 1.5k, 512, 64KiB.
func Parse(text string) (int64, error) {
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
			return 0, errSize
		}
		return n << shift, nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if x *= float64(int64(1) << shift); err != nil || !(x >= 0 && x < math.MaxInt64) {
		return 0, errSize
	}
	return int64(x), nil
}
