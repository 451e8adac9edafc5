package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/concern"
	"github.com/guestkit/guestkit/inspect"
)

// published are the documents that have a schema in docs/schemas: the name of its
// file, the title of its section in docs/json.md, and the type.
var published = []struct {
	name, section string
	doc           any
}{
	{"detect", "detect", detectDoc{}}, {"info", "info", infoDoc{}}, {"volumes", "volumes", volumesDoc{}}, {"inspect", "inspect", inspectDoc{}}, {"batch", "", batchDoc{}}, {"ls", "ls", lsDoc{}},
	{"limits", "limits", limitsDoc{}}, {"version", "version", versionDoc{}}, {"convert", "convert", convertDoc{}}, {"snapshot", "snapshot", snapshotsDoc{}}, {"digest", "digest", digestDoc{}}, {"sparsify", "sparsify", sparsifyDoc{}}, {"chain", "chain", chainDoc{}},
	{"check", "check", checkDoc{}}, {"compare", "compare", compareDoc{}}, {"map", "map", mapDoc{}}, {"measure", "measure", measureDoc{}}, {"registry", "registry", registryDoc{}},
	{"manifest", "File", fileDoc{}}, {"stat", "", statDoc{}}, {"df", "", dfDoc{}}, {"du", "", duDoc{}}, {"grep", "", grepDoc{}}, {"cp", "", copyDoc{}},
}

// enums are the values of types that have few and get no more.
var enums = map[reflect.Type][]any{
	reflect.TypeFor[concern.Severity]():      {"critical", "warning", "information"},
	reflect.TypeFor[inspect.PackageStatus](): {"none", "read", "partial", "not_read"},
	reflect.TypeFor[inspect.Firmware]():      {"unknown", "none", "bios", "uefi", "both"},
	reflect.TypeFor[inspect.SystemKind]():    {"installed", "live", "installer"},
	reflect.TypeFor[inspect.Status]():        {"read", "swap", "empty", "container", "reserved", "encrypted", "unsupported", "incomplete", "damaged", "unknown"},
}

// An ordered is an object of JSON whose members keep their order.
type ordered []member

type member struct {
	name  string
	value any
}

func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := marshal(m.name, "", "")
		if err != nil {
			return nil, err
		}
		value, err := marshal(m.value, "", "")
		if err != nil {
			return nil, err
		}
		b.Write(bytes.TrimSpace(name))
		b.WriteByte(':')
		b.Write(bytes.TrimSpace(value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// A schemaMaker makes the schema of a type, with what docs/json.md says of its
// fields.
type schemaMaker struct {
	sections map[reflect.Type]string // titles
	says     map[string]map[string]string
	defs     map[string]ordered
	order    []string
}

// of is the schema of a value; null says that it may be null.
func (m *schemaMaker) of(t reflect.Type, null bool) any {
	typ := func(name string, more ...member) any {
		if null {
			return append(ordered{{"type", []any{name, "null"}}}, more...)
		}
		return append(ordered{{"type", name}}, more...)
	}
	if values, ok := enums[t]; ok {
		return typ("string", member{"enum", values})
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return typ("string", member{"format", "date-time"})
	case t == reflect.TypeFor[[]byte]():
		return typ("string", member{"contentEncoding", "base64"})
	}
	switch t.Kind() {
	case reflect.Bool:
		return typ("boolean")
	case reflect.String:
		return typ("string")
	case reflect.Int, reflect.Int32, reflect.Int64:
		return typ("integer")
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return typ("integer", member{"minimum", 0})
	case reflect.Float64:
		return typ("number")
	case reflect.Slice, reflect.Array:
		return typ("array", member{"items", m.of(t.Elem(), false)})
	case reflect.Map:
		return typ("object", member{"additionalProperties", m.of(t.Elem(), false)})
	case reflect.Pointer:
		return m.of(t.Elem(), null)
	case reflect.Struct:
		name := t.Name()
		if _, ok := m.defs[name]; !ok {
			m.defs[name] = nil // it may hold itself
			m.defs[name] = m.object(t)
			m.order = append(m.order, name)
		}
		return ordered{{"$ref", "#/$defs/" + name}}
	}
	panic("a document holds a " + t.String())
}

// object is the schema of a struct. More fields may come: a form is extended.
func (m *schemaMaker) object(t reflect.Type) ordered {
	var fields ordered
	required := []string{}
	var walk func(t reflect.Type, says map[string]string, optional bool)
	walk = func(t reflect.Type, says map[string]string, optional bool) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			typ := f.Type
			if f.Anonymous {
				// A part of a document may be nil; what it is about never is.
				part := typ.Kind() == reflect.Pointer && typ.Elem().PkgPath() == t.PkgPath()
				if typ.Kind() == reflect.Pointer {
					typ = typ.Elem()
				}
				walk(typ, says, optional || part)
				continue
			}
			if name == "" || name == "-" {
				continue
			}
			absent := strings.Contains(options, "omit")
			s := m.of(typ, typ.Kind() == reflect.Pointer && !absent)
			if text := says[name]; text != "" {
				s = append(s.(ordered), member{"description", text})
			}
			if name == "schema" {
				s = append(s.(ordered), member{"const", "guestkit." + strings.TrimSuffix(m.order[0], "\x00") + "/v1"})
			}
			// The outer field of that name hides the inner one, and comes later.
			fields = slices.DeleteFunc(fields, func(o member) bool { return o.name == name })
			fields = append(fields, member{name, s})
			if !absent && !optional {
				required = append(required, name)
			}
		}
	}
	walk(t, m.says[m.sections[t]], false)
	return ordered{{"type", "object"}, {"properties", fields}, {"required", required}}
}

// TestSchemas holds docs/schemas to the documents. That documents keep to the
// schemas a validator says, in the module secondopinion.
func TestSchemas(t *testing.T) {
	text, err := os.ReadFile("docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	says := map[string]map[string]string{}
	link := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		says[title] = map[string]string{}
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| (.*) \\|$").FindAllStringSubmatch(body, -1) {
			says[title][row[1]] = strings.ReplaceAll(link.ReplaceAllString(strings.TrimPrefix(row[2], "optional: "), "$1"), "`", "")
		}
	}
	sections := map[reflect.Type]string{}
	for title, v := range documented() {
		sections[reflect.TypeOf(v)] = title
	}
	dir := "docs/schemas"
	made := map[string]bool{"README.md": true}
	for _, p := range published {
		m := &schemaMaker{sections: sections, says: says, defs: map[string]ordered{}, order: []string{p.name + "\x00"}}
		root := m.object(reflect.TypeOf(p.doc))
		out := ordered{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "guestkit " + p.name + " --json"}}
		out = append(out, root...)
		if names := m.order[1:]; len(names) > 0 {
			slices.Sort(names)
			var defs ordered
			for _, n := range names {
				defs = append(defs, member{n, m.defs[n]})
			}
			out = append(out, member{"$defs", defs})
		}
		compact, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Indent(&want, compact, "", "  "); err != nil {
			t.Fatal(err)
		}
		want.WriteByte('\n')
		file := filepath.Join(dir, p.name+".schema.json")
		made[filepath.Base(file)] = true
		if *update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || strings.ReplaceAll(string(got), "\r\n", "\n") != want.String() {
			t.Errorf("%s is not that of the document (%v); run go test ./cmd/guestkit -run Schemas -update", file, err)
		}
	}
	made["plan.json"] = true // of package pipeline, whose test holds it to the plans
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !made[e.Name()] {
			t.Errorf("%s/%s is the schema of nothing", dir, e.Name())
		}
	}
}
