package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// columns asks how wide a terminal is, 0 if nobody knows.
func columns(f *os.File) int {
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// colors tells whether a stream is a terminal, and whether it is to have
// colours: not where NO_COLOR is set or the terminal is a dumb one.
func colors(w io.Writer) (color, terminal bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, false
	}
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false, true
	}
	return obeys(f), true
}
