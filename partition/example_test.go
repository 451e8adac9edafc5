package partition_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"

	"github.com/guestkit/guestkit/partition"
)

func ExampleRead() {
	f, err := os.Open("testdata/gpt.img.gz")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	disk, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}

	table, err := partition.Read(bytes.NewReader(disk), nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(table.Scheme, table.UUID)
	for _, p := range table.Partitions {
		fmt.Printf("%d %8d %8d %s: %q\n", p.Number, p.Start, p.Size, p.TypeName, p.Name)
	}
	// Output:
	// gpt 11111111-2222-4333-8444-555555555555
	// 1  1048576  1048576 EFI System: "EFI System Partition"
	// 2  2097152  2097152 Linux filesystem: "Größe 日本 😀"
	// 3  4194304  3145728 Linux swap: ""
}
