package secondopinion

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// closed makes a schema that takes no field which it does not have: a reader must
// take them, and what is written has none.
func closed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = closed(x)
		}
		if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" {
			v["additionalProperties"] = false
		}
	case []any:
		for i := range v {
			v[i] = closed(v[i])
		}
	}
	return v
}

// TestSchemas runs every command that prints JSON on the fixtures, and has a
// validator hold what they print to the published schemas.
func TestSchemas(t *testing.T) {
	dir := t.TempDir()
	guestkit := filepath.Join(dir, "guestkit.exe")
	build := exec.Command("go", "build", "-o", guestkit, "./cmd/guestkit")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const images = "testdata/images/"
	used := map[string]bool{}
	for _, c := range []struct{ schema, args string }{
		{"inspect", "inspect --json " + images + "debian12-bios.qcow2"},
		{"inspect", "inspect --json " + images + "debian12-uefi.qcow2"},
		{"inspect", "inspect --json " + images + "windows11.qcow2"},
		{"inspect", "inspect --json " + images + "hostile-names.qcow2"},
		{"inspect", "inspect --json " + images},
		{"batch", "inspect --json --jobs 1 nowhere"},
		{"volumes", "volumes --json " + images + "windows11.qcow2"},
		{"info", "info --json " + images + "debian12-bios.qcow2"},
		{"detect", "detect --json " + images + "debian12-bios.qcow2"},
		{"check", "check --json " + images + "debian12-bios.qcow2"},
		{"check", "check --json --target azure " + images + "debian12-bios.qcow2"},
		{"snapshot", "snapshot --json -l " + images + "debian12-bios.qcow2"},
		{"map", "map --json " + images + "debian12-bios.qcow2"},
		{"measure", "measure --json -O qcow2 " + images + "debian12-bios.qcow2"},
		{"digest", "digest --json " + images + "debian12-bios.qcow2"},
		{"convert", "convert --json -O raw " + images + "windows11.qcow2 " + filepath.Join(dir, "out.raw")},
		{"sparsify", "sparsify --dry-run --json " + filepath.Join(dir, "out.raw")},
		{"chain", "chain --json " + images + "debian12-bios.qcow2"},
		{"compare", "compare --json " + images + "windows11.qcow2 " + filepath.Join(dir, "out.raw")},
		{"cp", "cp --json " + images + "debian12-bios.qcow2 /etc/fstab " + filepath.Join(dir, "fstab")},
		{"ls", "ls --json " + images + "debian12-uefi.qcow2 /srv/share"},
		{"ls", "ls --json " + images + "hostile-names.qcow2"},
		{"manifest", "manifest " + images + "debian12-uefi.qcow2 /srv"},
		{"manifest", "manifest " + images + "hostile-names.qcow2"},
		{"manifest", "find --json " + images + "debian12-uefi.qcow2 /etc"},
		{"stat", "stat --json " + images + "debian12-uefi.qcow2 /etc/fstab /dev"},
		{"grep", "grep --json root " + images + "debian12-uefi.qcow2 /etc/passwd"},
		{"du", "du --json " + images + "debian12-uefi.qcow2 /etc"},
		{"df", "df --json " + images + "debian12-uefi.qcow2"},
		{"registry", `registry --json ` + images + `windows11.qcow2 HKLM\SYSTEM\Select`},
		{"registry", "registry --json --recursive " + images + `windows11.qcow2 HKLM\SOFTWARE\Microsoft`},
		{"registry", "registry --json " + images + "windows11.qcow2"},
		{"limits", "limits --json"},
		{"version", "version --json"},
	} {
		used[c.schema] = true
		compiler := jsonschema.NewCompiler()
		compiler.AssertFormat()
		b, err := os.ReadFile("../docs/schemas/" + c.schema + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("schema.json", closed(doc)); err != nil {
			t.Fatal(err)
		}
		schema, err := compiler.Compile("schema.json")
		if err != nil {
			t.Fatalf("%s: %v", c.schema, err)
		}
		cmd := exec.Command(guestkit, strings.Fields(c.args)...)
		cmd.Dir = ".."
		out, _ := cmd.Output() // some end with a code that says something else
		d := json.NewDecoder(bufio.NewReader(bytes.NewReader(out)))
		d.UseNumber()
		n := 0
		for ; d.More(); n++ {
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%s: %v", c.args, err)
			}
			if err := schema.Validate(v); err != nil {
				t.Errorf("guestkit %s: %.2000v", c.args, err)
				break
			}
		}
		if n == 0 {
			t.Errorf("guestkit %s printed nothing", c.args)
		}
	}
	files, err := filepath.Glob("../docs/schemas/*.schema.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no schemas", err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".schema.json"); !used[name] {
			t.Errorf("no document of %s was looked at", name)
		}
	}
}
