//go:build !linux

package testimg

import "errors"

// HostTree needs Linux: no other system shows all that is compared.
func HostTree(string, TreeOptions) (map[string]Node, error) {
	return nil, errors.New("testimg: HostTree needs Linux")
}
