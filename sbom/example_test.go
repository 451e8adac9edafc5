package sbom_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/sbom"
)

func ExampleCycloneDX() {
	guest, err := guestkit.Open("../testdata/images/debian12-uefi.qcow2", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer guest.Close()
	rep, err := guest.Inspect(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	var out bytes.Buffer
	if err := sbom.CycloneDX(&out, rep, &sbom.Options{Name: "debian12-uefi.qcow2"}); err != nil {
		log.Fatal(err)
	}
	var bom struct {
		SpecVersion string
		Components  []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(out.Bytes(), &bom); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bom.SpecVersion)
	for _, c := range bom.Components {
		if c.Name == "bash" {
			fmt.Println(c.Version, c.PURL)
		}
	}
	// Output:
	// 1.6
	// 5.2.15-2+b13 pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12
}
