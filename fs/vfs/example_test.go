package vfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// Guests' filesystems are io/fs filesystems; StatOf has what these do not say.
func Example() {
	fsys, err := ext4.Open(bytes.NewReader(testimg.Gunzip("../ext4/testdata/plain.img.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	fi, err := fs.Stat(fsys, "f")
	if err != nil {
		fmt.Println(err)
		return
	}
	st, _ := vfs.StatOf(fi)
	fmt.Println(fi.Mode(), fi.Size(), "of user", st.UID, "in", st.Allocated, "bytes")
	// Output: -rw-r--r-- 6 of user 0 in 1024 bytes
}

// A guest's tree as an archive, with what archive/tar's AddFS cannot carry: owners,
// devices, extended attributes, hard links and holes.
func ExampleTar() {
	fsys, err := ext4.Open(bytes.NewReader(testimg.Gunzip("../ext4/testdata/plain.img.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	start, err := vfs.Find(fsys, "f", true)
	if err != nil {
		fmt.Println(err)
		return
	}
	var archive bytes.Buffer
	if err := vfs.Tar(context.Background(), &archive, start, nil); err != nil {
		fmt.Println(err)
		return
	}
	r := tar.NewReader(&archive)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(h.Name, h.Size, h.Uid)
	}
	// Output: f 6 0
}
