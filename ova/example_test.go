package ova_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/ova"
)

// A package is written in one pass, and read without being unpacked.
func Example() {
	dir, err := os.MkdirTemp("", "ova")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "web.ova"))
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	w, err := ova.NewWriter(f, &ova.Layout{Name: "web", Sizes: []int64{1 << 30}, CPUs: 2, Memory: 2 << 30, Firmware: "efi"})
	if err != nil {
		log.Fatal(err)
	}
	d, err := w.Disk()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := d.Write(make([]byte, 4096)); err != nil { // the bytes of a VMDK
		log.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		log.Fatal(err)
	}

	fi, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	p, err := ova.Open(block.Plain(file{f, fi.Size()}), nil)
	if err != nil {
		log.Fatal(err)
	}
	m := p.Machines[0]
	fmt.Println(m.Name, m.CPUs, m.Memory, m.Firmware)
	for _, d := range p.Disks {
		fmt.Println(d.ID, d.File.Href, d.Format, d.Capacity)
	}
	faults, err := p.Verify(context.Background()) // by the manifest
	fmt.Println(faults, err)
	// Output:
	// web 2 2147483648 efi
	// vmdisk1 web-disk1.vmdk vmdk 1073741824
	// [] <nil>
}

// file is a file of a known size.
type file struct {
	*os.File
	size int64
}

func (f file) Size() int64 { return f.size }
