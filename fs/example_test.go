package fs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	iofs "io/fs"
	"os"

	"github.com/guestkit/guestkit/fs"
)

func ExampleOpen() {
	f, err := os.Open("fat/testdata/fat32.img.gz")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	volume := bytes.NewReader(b)

	found, err := fs.Probe(volume)
	if err != nil {
		panic(err)
	}
	fmt.Println(found.Kind, found.Type, found.Version, found.UUID)
	fsys, err := fs.Open(volume, nil)
	if err != nil {
		panic(err)
	}
	fi, err := iofs.Stat(fsys, "EFI/BOOT/BOOTX64.EFI")
	if err != nil {
		panic(err)
	}
	fmt.Println(fi.Name(), fi.Size())
	// Output:
	// filesystem vfat FAT32 1234-ABCD
	// BOOTX64.EFI 5000
}
