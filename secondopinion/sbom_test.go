package secondopinion

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/sbom"
)

// TestCycloneDX: the types of the format's own project read a document whole, and
// write the same.
func TestCycloneDX(t *testing.T) {
	g, err := guestkit.Open(image, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	debian, err := g.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	odd := &inspect.System{Volume: "gpt1", Kind: inspect.KindInstalled, OSRelease: map[string]string{"CPE_NAME": "cpe:/o:x:y"},
		Packages: inspect.Packages{Status: inspect.PackagesPartial, Items: []inspect.Package{{Name: "a", License: "MIT"}, {Name: "b", License: "MIT AND ISC"}, {Name: "c", License: "its own", Vendor: "<d>"}}}}
	for name, rep := range map[string]*inspect.Report{"debian": debian, "odd": {Systems: []*inspect.System{odd}}, "none": {}} {
		var b bytes.Buffer
		if err := sbom.CycloneDX(&b, rep, &sbom.Options{Version: "1.2", Created: time.Unix(1e9, 0)}); err != nil {
			t.Fatal(err)
		}
		var bom cdx.BOM
		dec := json.NewDecoder(bytes.NewReader(b.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&bom); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		theirs, err := json.Marshal(bom)
		if err != nil {
			t.Fatal(err)
		}
		var ours, want any
		if json.Unmarshal(b.Bytes(), &ours) != nil || json.Unmarshal(theirs, &want) != nil || !reflect.DeepEqual(ours, want) {
			t.Errorf("%s: cyclonedx-go makes %s", name, theirs)
		}
	}
}
