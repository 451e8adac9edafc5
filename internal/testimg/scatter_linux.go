package testimg

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
)

// Scatter makes a file of n units on a mounted filesystem, whose units lie out
// of order on the disk: each is put in front of some of those that were written
// before it, by FALLOC_FL_INSERT_RANGE, or cloned out of a file (FICLONERANGE)
// which then goes. It returns what the file holds.
func Scatter(t testing.TB, path string, n, unit int) []byte {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path)
	must(err)
	defer f.Close()
	rng := rand.New(rand.NewPCG(5, 6))
	piece := func(i int) []byte {
		b := make([]byte, unit)
		for j := range b {
			b[j] = byte(rng.Uint32())
		}
		b[0], b[1] = byte(i), byte(i>>8)
		return b
	}
	var order []int // which piece is where
	pieces := make([][]byte, n)
	for i := range n {
		pieces[i] = piece(i)
		at := rng.IntN(i + 1)
		order = append(order[:at], append([]int{i}, order[at:]...)...)
		if at < i {
			if err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_INSERT_RANGE, int64(at*unit), int64(unit)); err != nil {
				break
			}
		}
		_, err = f.WriteAt(pieces[i], int64(at*unit))
		must(err)
		must(f.Sync()) // else the blocks get their places in the order of the file
	}
	if errors.Is(err, unix.EOPNOTSUPP) {
		for i := range n {
			if pieces[i] == nil {
				pieces[i] = piece(i)
			}
		}
		order = clone(t, f, pieces, rng)
	} else {
		must(err)
	}
	var want []byte
	for _, i := range order {
		want = append(want, pieces[i]...)
	}
	return want
}

// clone makes f of clones of pieces, in an order which it returns.
func clone(t testing.TB, f *os.File, pieces [][]byte, rng *rand.Rand) []int {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.Truncate(0))
	src, err := os.Create(f.Name() + ".source")
	must(err)
	defer src.Close()
	for _, p := range pieces {
		_, err := src.Write(p)
		must(err)
	}
	must(src.Sync())
	order := rng.Perm(len(pieces))
	unit := uint64(len(pieces[0]))
	for at, i := range order {
		must(unix.IoctlFileCloneRange(int(f.Fd()), &unix.FileCloneRange{Src_fd: int64(src.Fd()),
			Src_offset: uint64(i) * unit, Src_length: unit, Dest_offset: uint64(at) * unit}))
	}
	must(f.Sync())
	must(os.Remove(src.Name()))
	return order
}

// CheckScattered reads the file of a guest that Scatter made.
func CheckScattered(t *testing.T, fsys fs.FS, name string, want []byte, unit int64) {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, ok := f.(block.Device)
	if !ok {
		t.Fatalf("%T is no device", f)
	}
	OutOfOrder(t, d)
	TestDevice(t, d, bytes.NewReader(want), unit)
}

// ScatterFull is [Scatter] for filesystems that can neither insert nor clone: it
// fills them with files of a unit each, of which one goes at random before each
// unit of the file, so that there is no other place for it.
func ScatterFull(t testing.TB, path string, n, unit int) []byte {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path)
	must(err)
	defer f.Close()
	rng := rand.New(rand.NewPCG(7, 8))
	want := make([]byte, n*unit)
	for i := range want {
		want[i] = byte(rng.Uint32())
	}
	dir := path + ".full"
	must(os.Mkdir(dir, 0o755))
	var names []string
	for {
		name := filepath.Join(dir, strconv.Itoa(len(names)))
		err := os.WriteFile(name, want[:unit], 0o644)
		if errors.Is(err, unix.ENOSPC) {
			if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
				must(err)
			}
			break
		}
		must(err)
		if names = append(names, name); len(names) > 1<<15 {
			t.Fatal("the filesystem is too large to be filled")
		}
	}
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	drop := func() {
		must(os.Remove(names[0]))
		names = names[1:]
	}
	drop() // some go ahead, for what the filesystem itself needs
	for at := 0; at < n; {
		drop()
		_, err := f.WriteAt(want[at*unit:][:unit], int64(at*unit))
		if err == nil {
			err = f.Sync()
		}
		if !errors.Is(err, unix.ENOSPC) {
			must(err)
			at++
		}
	}
	must(os.RemoveAll(dir))
	return want
}
