package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/batch"
	"github.com/guestkit/guestkit/concern"
	"github.com/guestkit/guestkit/diff"
	"github.com/guestkit/guestkit/inspect"
)

// TestDocuments runs the examples of the documents, and compares what they
// print: all of it, but where the document says "…".
func TestDocuments(t *testing.T) {
	for _, file := range []string{"README.md", "docs/json.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		examples := 0
		for _, block := range regexp.MustCompile("(?s)\n```console\n(.*?)```\n").FindAllStringSubmatch(string(text), -1) {
			for _, example := range strings.Split("\n"+block[1], "\n$ ")[1:] {
				command, want, _ := strings.Cut(example, "\n")
				args := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(command, "go run ./cmd/"), "guestkit "))
				if args[0] == "guestkit" {
					args = args[1:]
				}
				r := gk(t, args...)
				got := hostDependent.ReplaceAllString(r.out, "")
				if r.code != exitDone || !matches(strings.Split(strings.TrimSuffix(got, "\n"), "\n"), strings.Split(strings.TrimSuffix(want, "\n"), "\n")) {
					t.Errorf("%s: %s prints (code %d)\n%s\nand the document says\n%s", file, command, r.code, got, want)
				}
				examples++
			}
		}
		if examples < 5 {
			t.Errorf("%s: found %d examples", file, examples)
		}
	}
}

// matches compares lines; "…" stands for any number of them.
func matches(got, want []string) bool {
	switch {
	case len(want) == 0:
		return len(got) == 0
	case want[0] == "…":
		for i := range len(got) + 1 {
			if matches(got[i:], want[1:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && got[0] == want[0] && matches(got[1:], want[1:])
}

// TestJSONFields holds docs/json.md to the types: each section lists the fields
// of one, all of them and no others.
func TestJSONFields(t *testing.T) {
	text, err := os.ReadFile("docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string][]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|").FindAllStringSubmatch(body, -1) {
			sections[title] = append(sections[title], row[1])
		}
	}
	for title, v := range documented() {
		want := jsonFields(reflect.TypeOf(v))
		got := slices.Clone(sections[title])
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("docs/json.md, section %s, has the fields\n%q\nand the documents have\n%q", title, got, want)
		}
	}
}

// documented are the types that docs/json.md describes, by the titles of its sections.
func documented() map[string]any {
	return map[string]any{
		"detect": detectDoc{}, "info": infoDoc{}, "volumes": volumesDoc{}, "inspect": inspectDoc{}, "Run": runDoc{}, "Concern": concern.Concern{}, "File of an image": batch.File{}, "ls": lsDoc{},
		"limits": limitsDoc{}, "version": versionDoc{}, "convert": convertDoc{}, "snapshot": snapshotsDoc{}, "digest": digestDoc{},
		"check": checkDoc{}, "Checked disk": diskCheckDoc{}, "Fault": faultDoc{}, "compare": compareDoc{}, "diff": diffDoc{}, "Package in two systems": diff.PackageChange{}, "Summary of differences": diffSumDoc{}, "map": mapDoc{}, "Extent": extentDoc{}, "measure": measureDoc{},
		"Reason": reasonDoc{}, "Limit": limitDoc{}, "File": fileDoc{}, "Image": imageDoc{}, "Reference": refDoc{}, "Extent of a VMDK": extentFile{}, "Machine": machineDoc{}, "Network adapter": nicDoc{}, "Controller": controllerDoc{}, "Attachment": attachmentDoc{},
		"Feature": featureDoc{}, "Snapshot": snapshotDoc{}, "Bitmap": bitmapDoc{}, "Volume": volumeDoc{}, "Partition": partitionDoc{},
		"User": inspect.User{}, "Host key": inspect.HostKey{}, "Boot loader": inspect.BootLoader{}, "Boot entry": inspect.BootEntry{}, "Usage": inspect.Usage{}, "Interface": inspect.Interface{}, "Encrypted volume": inspect.CryptEntry{},
		"System": inspect.System{}, "Kernel": inspect.Kernel{}, "Initramfs": inspect.Initramfs{}, "Mount": inspect.Mount{}, "Packages": inspect.Packages{},
		"Package": inspect.Package{}, "Evidence": inspect.Evidence{}, "Lost range": lostDoc{}, "Kept volume": keptDoc{}, "chain": chainDoc{}, "Link": linkDoc{}, "sparsify": sparsifyDoc{}, "Vacant volume": vacantDoc{},
		"registry": registryDoc{}, "Hive": hiveDoc{}, "Registry key": regKeyDoc{}, "Registry value": regValueDoc{},
		"Windows": inspect.Windows{}, "Membership": inspect.Membership{}, "Account of Windows": inspect.WindowsUser{}, "WSL": inspect.WSL{}, "Drive": inspect.Drive{}, "Boot manager": inspect.BootManager{}, "Driver": inspect.Driver{},
		"Service": inspect.Service{}, "Guest tool": inspect.GuestTool{}, "Update": inspect.Update{}, "Risk": inspect.Risk{},
	}
}

// jsonFields lists the names of the fields of a type in JSON.
func jsonFields(typ reflect.Type) []string {
	var out []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Pointer:
			out = append(out, jsonFields(f.Type.Elem())...)
		case f.Anonymous:
			out = append(out, jsonFields(f.Type)...)
		case name != "" && name != "-":
			out = append(out, name)
		}
	}
	return out
}
