package ova

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// sparseDisk writes a disk with n runs of data into dir, and returns its bytes.
func sparseDisk(t testing.TB, dir, name string, n int) []byte {
	t.Helper()
	data := make([]byte, n<<14+5000)
	for i := range n {
		copy(data[i<<14+4096:], bytes.Repeat([]byte(strconv.Itoa(i)+" "), 1000))
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(len(data))); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := f.WriteAt(data[i<<14+4096:][:4096], int64(i<<14+4096)); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// TestSparse reads what GNU tar packs without the holes, in all its formats, before
// and behind other members.
func TestSparse(t *testing.T) {
	peers.Need(t, "tar")
	dir := t.TempDir()
	long := "a-name-that-needs-a-header-of-its-own-" + string(bytes.Repeat([]byte("x"), 100)) + ".raw"
	disks := map[string][]byte{}
	for name, n := range map[string]int{"one.raw": 3, "many.raw": 300, "none.raw": 0, long: 30} {
		disks[name] = sparseDisk(t, dir, name, n)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("plain"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--format=oldgnu"}, {"--format=gnu"}, {"--format=posix", "--sparse-version=0.0"}, {"--format=posix", "--sparse-version=0.1"}, {"--format=posix", "--sparse-version=1.0"}} {
		path := filepath.Join(dir, "x.tar")
		peers.Run(t, "tar", append(args, "-S", "-C", dir, "-cf", path, "one.raw", "notes.txt", "many.raw", "none.raw", long)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 3<<20 {
			t.Errorf("%q: the holes are stored", args)
		}
		p, err := Open(bytes.NewReader(b), bare)
		if err != nil {
			t.Fatal(args, err)
		}
		if odd := p.Problems(); len(odd) > 0 {
			t.Error(args, odd)
		}
		for name, want := range disks {
			d, err := p.Disk(name)
			if err != nil {
				t.Fatal(args, err)
			}
			r, err := p.Open(d.File)
			if err != nil {
				t.Fatal(args, err)
			}
			testimg.TestDevice(t, r, bytes.NewReader(want), 4096)
		}
		// What is cut is not there, and said.
		if p, err = Open(bytes.NewReader(b[:8192]), bare); err == nil {
			t.Errorf("%q, cut: %v", args, p.Files)
		} else if !errors.Is(err, block.ErrTruncated) {
			t.Errorf("%q, cut: %v", args, err)
		}
	}
}

// oldSparse is a member in the format oldgnu.
func oldSparse(t testing.TB) []byte {
	h := make([]byte, 1024)
	copy(h, "disk.raw")
	copy(h[100:], "0000644\x000000000\x000000000\x0000000000004\x0000000000000\x00")
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	copy(h[386:], "00000000512\x0000000000004\x00")
	copy(h[483:], "00000001000\x00")
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h[:512] {
		sum += int(c)
	}
	copy(h[148:], []byte("0"+strconv.FormatInt(int64(sum), 8)+"\x00 "))
	copy(h[512:], "data")
	return append(h, make([]byte, 1024)...)
}

// TestSparseXVA has tar leave out the holes of a chunk: whatever the format, it is
// not taken for its bytes, nor left out.
func TestSparseXVA(t *testing.T) {
	peers.Need(t, "tar")
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "Ref:1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ova.xml"), []byte("<value><struct></struct></value>"), 0o600); err != nil {
		t.Fatal(err)
	}
	sparseDisk(t, dir, "Ref:1/00000000", 64)
	for i := 1; i < 3; i++ {
		if err := os.WriteFile(filepath.Join(dir, "Ref:1/0000000"+strconv.Itoa(i)), bytes.Repeat([]byte{byte(i)}, 64<<14+5000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sparseDisk(t, dir, "Ref:1/00000003", 64)
	last := "Ref:1/00000004"
	if err := os.WriteFile(filepath.Join(dir, last), []byte("the end"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--format=oldgnu"}, {"--format=posix", "--sparse-version=0.0"}, {"--format=posix", "--sparse-version=0.1"}, {"--format=posix", "--sparse-version=1.0"}} {
		if args[0] == "--format=posix" {
			args = append(args, "--pax-option=delete=atime,delete=ctime")
		}
		path := filepath.Join(dir, "x.tar")
		for _, chunks := range [][]string{{"Ref:1/00000000", "Ref:1/00000001", last}, {"Ref:1/00000001", "Ref:1/00000002", "Ref:1/00000003", last}} {
			peers.Run(t, "tar", append(append(args, "--mtime=@0", "-S", "-C", dir, "-cf", path, "ova.xml"), chunks...)...)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(bytes.NewReader(b), bare); !errors.Is(err, block.ErrUnsupported) {
				t.Errorf("%q, %q: %v", args, chunks, err)
			}
		}
	}
}
