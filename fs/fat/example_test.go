package fat_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/guestkit/guestkit/fs/fat"
)

func ExampleOpen() {
	f, err := os.Open("testdata/fat16.img.gz")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	volume, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}

	fsys, err := fat.Open(bytes.NewReader(volume), nil)
	if err != nil {
		panic(err)
	}
	loaders, err := fs.Glob(fsys, "EFI/BOOT/*")
	if err != nil {
		panic(err)
	}
	fmt.Println(fsys.Info().Version, fsys.Info().Label, loaders)
	// Output: FAT16 GUEST KIT [EFI/BOOT/BOOTX64.EFI]
}
