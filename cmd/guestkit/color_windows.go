package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// obeys asks the console to act on colour sequences, which older ones do not
// by themselves.
func obeys(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
