//go:build !windows

package main

import "os"

// obeys tells that a terminal acts on colour sequences.
func obeys(*os.File) bool { return true }
