package registry_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/internal/regftest"
	"github.com/guestkit/guestkit/registry"
)

func Example() {
	root := (&regftest.Key{Name: "ROOT"}).Set(`Microsoft\Windows NT\CurrentVersion`,
		regftest.SZ("ProductName", "Windows Server 2022 Standard"), regftest.DWORD("UBR", 2340))
	hive, err := registry.Open(bytes.NewReader(regftest.Build(root, nil)), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := hive.Find(`microsoft\windows nt\currentversion`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for v, err := range key.Values() {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(v.Name(), v.Type(), v.Size())
	}
	// Output:
	// ProductName REG_SZ 58
	// UBR REG_DWORD 4
}
