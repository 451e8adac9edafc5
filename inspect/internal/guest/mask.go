package guest

import (
	"strconv"
	"strings"
)

// MaskLength is the length of a prefix that a mask of IPv4 stands for, "" if it is
// none.
func MaskLength(mask string) string {
	parts := strings.Split(mask, ".")
	if len(parts) != 4 {
		return ""
	}
	n, done := 0, false
	for _, p := range parts {
		bits := map[string]int{"255": 8, "254": 7, "252": 6, "248": 5, "240": 4, "224": 3, "192": 2, "128": 1, "0": 0}
		k, ok := bits[p]
		if !ok || done && k > 0 {
			return ""
		}
		n += k
		done = k < 8
	}
	return strconv.Itoa(n)
}

// WithPrefix is an address with the length of its prefix, if a mask tells it.
func WithPrefix(addr, mask string) string {
	if n := MaskLength(mask); n != "" && !strings.Contains(addr, "/") {
		return addr + "/" + n
	}
	return addr
}
