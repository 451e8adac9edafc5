package ova

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// TestVariants has packages as programs and systems leave them.
func TestVariants(t *testing.T) {
	const apple = "\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
	doc := descriptor(`<File ovf:id="f" ovf:href="disk"/>`, `<Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="7"/>`)
	declare := func(name, text string) string {
		if i := strings.Index(text, "?>"); i >= 0 && strings.HasPrefix(text, "<?xml") {
			text = text[i+2:]
		}
		return `<?xml version="1.0" encoding="` + name + `"?>` + text
	}
	wide := []byte("\xff\xfe")
	for _, c := range declare("UTF-16", doc) {
		wide = append(wide, byte(c), byte(c>>8))
	}
	sum := sha256.Sum256([]byte(doc))
	content := sha256.Sum256([]byte("content"))
	for name, members := range map[string][]part{
		"slash":     {{name: "x.ovf", data: strings.Replace(doc, `xmlns="`+namespace+`1"`, `xmlns="`+namespace+`1/"`, 1)}, {name: "disk", data: "content"}},
		"macOS":     {{name: "._x.ovf", data: apple}, {name: "x.ovf", data: doc}, {name: "._disk", data: apple}, {name: "disk", data: "content"}, {name: "__MACOSX/x", data: apple}},
		"folder":    {{name: "vm/x.ovf", data: doc}, {name: "vm/disk", data: "content"}},
		"latin1":    {{name: "x.ovf", data: declare("ISO-8859-1", doc) + "<!-- Ger\xe4t -->"}, {name: "disk", data: "content"}},
		"1252":      {{name: "x.ovf", data: declare("windows-1252", doc) + "<!-- \x80 -->"}, {name: "disk", data: "content"}},
		"ascii":     {{name: "x.ovf", data: declare("US-ASCII", doc) + "<!-- Gerät -->"}, {name: "disk", data: "content"}},
		"undecl":    {{name: "x.ovf", data: doc + "<!-- Ger\xe4t -->"}, {name: "disk", data: "content"}},
		"utf16":     {{name: "x.ovf", data: string(wide)}, {name: "disk", data: "content"}},
		"manifest":  {{name: "x.ovf", data: doc}, {name: "x.mf", data: fmt.Sprintf("sha256(x.ovf)= %x\nsha256(disk)= %x\n", sum, content)}, {name: "disk", data: "content"}},
		"sha256sum": {{name: "x.ovf", data: doc}, {name: "x.mf", data: fmt.Sprintf("%x  x.ovf\n%x *disk\n", sum, content)}, {name: "disk", data: "content"}},
	} {
		p, err := Open(bytes.NewReader(pack(t, members...)), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d, err := p.Open(p.Disks[0].File)
		if err != nil || d.Size() != 7 {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasPrefix(name, "manifest") || name == "sha256sum" {
			if faults, err := p.Verify(t.Context()); err != nil || len(faults) > 0 || len(p.Checksums()) != 2 {
				t.Errorf("%s: %v, %v", name, faults, err)
			}
		}
	}
}
