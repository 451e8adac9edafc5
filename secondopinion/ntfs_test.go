package secondopinion

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/fs/ntfs"
	"www.velocidex.com/golang/go-ntfs/parser"
)

// TestNTFS compares contents on what go-ntfs reads.
func TestNTFS(t *testing.T) {
	f, err := os.Open("../fs/ntfs/testdata/small.img.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	image, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := ntfs.Open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	paged, err := parser.NewPagedReader(bytes.NewReader(image), 4096, 1000)
	if err != nil {
		t.Fatal(err)
	}
	other, err := parser.GetNTFSContext(paged, 0)
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for p, want := range files(t, ours) {
		switch {
		case strings.HasPrefix(p, "odd/"): // names that go-ntfs has no way to open
			continue
		case strings.HasPrefix(p, "plain/wof/"): // it does not know the Windows Overlay Filter
			continue
		case p == "plain/packed/holes": // it stops at the first hole of a compressed file; ntfs-3g reads what we do
			continue
		}
		data, err := parser.GetDataForPath(other, p)
		if err != nil {
			t.Errorf("%s: go-ntfs: %v", p, err)
			continue
		}
		fi, err := fs.Stat(ours, p)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, fi.Size())
		n, err := io.ReadFull(io.NewSectionReader(data, 0, fi.Size()), b)
		if err != nil && err != io.EOF || !bytes.Equal(b[:n], want) {
			t.Errorf("%s: go-ntfs reads %d bytes (%v), we read %d", p, n, err, len(want))
			continue
		}
		same++
	}
	t.Logf("%d files are the same", same)
	if same < 100 {
		t.Errorf("only %d files were compared", same)
	}
}
