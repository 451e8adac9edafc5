package ntfs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"

	"github.com/guestkit/guestkit/fs/ntfs"
)

func ExampleOpen() {
	f, err := os.Open("testdata/small.img.gz")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		log.Fatal(err)
	}
	image, err := io.ReadAll(z)
	if err != nil {
		log.Fatal(err)
	}
	fsys, err := ntfs.Open(bytes.NewReader(image), nil)
	if err != nil {
		log.Fatal(err)
	}
	info := fsys.Info()
	fmt.Printf("%s %s %q, clusters of %d bytes\n", info.Type, info.Version, info.Label, info.BlockSize)
	b, err := fs.ReadFile(fsys, "PLAIN/Resident")
	fmt.Printf("%s, %v\n", b, err)
	b, err = fs.ReadFile(fsys, "streams/file:stream 0")
	fmt.Printf("%d bytes, %v\n", len(b), err)
	// Output:
	// ntfs 3.1 "Fixture ü", clusters of 4096 bytes
	// in the record, <nil>
	// 0 bytes, <nil>
}
