// Package parts has the names of a file that is cut into name.001, name.002 and
// so on.
package parts

import (
	"fmt"
	"strconv"
	"strings"
)

// Max is how many parts there can be: their names have three digits.
const Max = 999

// First is what the name of the first part ends with.
const First = ".001"

// Name is the name of a part by its number, from 1 on.
func Name(whole string, n int) string { return fmt.Sprintf("%s.%03d", whole, n) }

// Number is the number of the part that name is of a file called whole, 0 if it
// is none.
func Number(whole, name string) int {
	digits, _ := strings.CutPrefix(name, whole+".")
	if n, err := strconv.Atoi(digits); err == nil && n > 0 && n <= Max && name == Name(whole, n) {
		return n
	}
	return 0
}
