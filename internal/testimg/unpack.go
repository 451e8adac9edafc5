package testimg

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// unpacked keeps fixtures by path: several hundred tests change a copy of the
// same few, and the race detector makes inflating them slow.
var unpacked sync.Map // of []byte

// Unpack returns what a file holds that gzip or bzip2 has compressed, by the
// extension of its name. The bytes are the caller's, to change.
func Unpack(t testing.TB, path string) []byte {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if b, ok := unpacked.Load(abs); ok {
		return bytes.Clone(b.([]byte))
	}
	b, err := unpack(abs)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	unpacked.Store(abs, b)
	return bytes.Clone(b)
}

func unpack(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if strings.HasSuffix(path, ".bz2") {
		return io.ReadAll(bzip2.NewReader(f))
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Gunzip is Unpack for Examples, which have no testing.TB. It panics where there is
// no such file.
func Gunzip(path string) []byte {
	b, err := unpack(path)
	if err != nil {
		panic(err)
	}
	return b
}
