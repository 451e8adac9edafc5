package guestkit_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"strings"

	"github.com/guestkit/guestkit"
)

// Which system is on a disk, and what is in one of its files.
func Example() {
	g, err := guestkit.Open("testdata/images/debian12-uefi.qcow2", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	report, err := g.Inspect(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, sys := range report.Systems {
		fmt.Println(sys.ProductName, sys.Arch, "on", sys.Volume, "booted by", sys.Firmware)
		files, err := sys.FS()
		if err != nil {
			log.Fatal(err)
		}
		text, err := fs.ReadFile(files, "etc/hostname")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("host name:", strings.TrimSpace(string(text)))
	}
	fmt.Println("everything was read:", report.Complete())
	// Output:
	// Debian GNU/Linux 12 (bookworm) x86_64 on gpt2 booted by uefi
	// host name: web-1
	// everything was read: true
}

// What the disk is divided into.
func ExampleGuest_Volumes() {
	g, err := guestkit.Open("testdata/images/debian12-bios.qcow2", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	report, err := g.Volumes(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range report.Volumes {
		fmt.Printf("%s: %s, %s\n", v.Name, v.Content, v.Status)
	}
	// Output:
	// disk: mbr, container
	// mbr1: ext2, read
	// mbr2: unknown, container
	// mbr5: swap, swap
	// mbr6: ext3, read
}
