package main

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestInspectOutputs: each form is what it says, of a guest; and what is no form.
func TestInspectOutputs(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1000000000")
	for _, c := range []struct {
		args string
		code int
		want string // in the output, or in the error
		is   func([]byte, any) error
	}{
		{"--output json " + bios, exitDone, `"schema": "guestkit.inspect/v1"`, json.Unmarshal},
		{"--output human " + bios, exitDone, "MOUNTED AT", nil},
		{"--output yaml " + bios, exitDone, "schema: guestkit.inspect/v1\n", yaml.Unmarshal},
		{"--output yaml " + bios + " " + uefi, exitDone, "hostname: web-1\n", nil},
		{"--output virt-inspector " + bios, exitDone, "<hostname>db-1</hostname>", nil},
		{"--output virt-v2v-inspector " + bios, exitDone, "<virtual-size>167772160</virtual-size>", nil},
		{"--output html --target hyperv " + bios, exitDone, "<code class=\"soft\">bios-boot</code>", nil},
		{"--output html " + hostile, exitNothing, "A guest without a system", nil},
		{"--output virt-inspector " + hostile, exitNothing, "no operating system", nil},
		{"--sbom cyclonedx " + bios, exitDone, `"timestamp": "2001-09-09T01:46:40Z"`, json.Unmarshal},
		{"--sbom spdx " + bios, exitDone, `"created": "2001-09-09T01:46:40Z"`, json.Unmarshal},
		{"--sbom spdx " + hostile, exitNothing, "no operating system", nil},
		{"--output virt-inspector " + bios + " " + uefi, exitUsage, "of one guest", nil},
		{"--output xml " + bios, exitUsage, "virt-inspector", nil},
		{"--output yaml --json " + bios, exitUsage, "both", nil},
		{"--sbom spdx --json " + bios, exitUsage, "no --output", nil},
		{"--sbom swid " + bios, exitUsage, "cyclonedx or spdx", nil},
		{"--sbom spdx --jobs 2 " + bios, exitUsage, "human or json", nil},
	} {
		r := gk(t, append([]string{"inspect"}, strings.Fields(c.args)...)...)
		if r.code != c.code || !strings.Contains(r.out+r.err, c.want) {
			t.Errorf("%s: code %d\n%.500s%s", c.args, r.code, r.out, r.err)
		}
		var v any
		if c.is != nil && c.is([]byte(r.out), &v) != nil {
			t.Errorf("%s: %v", c.args, c.is([]byte(r.out), &v))
		}
		if strings.HasPrefix(r.out, "<?xml") {
			var x struct{}
			if err := xml.Unmarshal([]byte(r.out), &x); err != nil {
				t.Errorf("%s: %v", c.args, err)
			}
		}
	}
}
