package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/concern"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/partition"
	"github.com/guestkit/guestkit/report"
)

// guest inspects a fixture.
func guest(t *testing.T, name string) *report.Guest {
	t.Helper()
	img, err := format.OpenFile("../testdata/images/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := inspect.Run(context.Background(), []block.Device{img}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rep.Close(); img.Close() })
	list, _ := concern.Of(context.Background(), rep)
	return &report.Guest{Images: []*format.Info{img.Info()}, Report: rep, Concerns: list, Problems: rep.Problems()}
}

// nasty is text that is no text: what controls terminals, markup of every kind, a
// formula, characters that XML has not, broken UTF-8 as detectors replace it.
const nasty = "\x1b[31m<script>alert('x')</script>&lt;\"'`]]>--><!--=HYPERLINK(\"x\")\u202e\u0085\u2028\x00\x7f\ufffd\ufffe\U000e0001 javascript:x"

// hostileGuest has it in every text.
func hostileGuest() *report.Guest {
	s := &inspect.System{Volume: nasty, Root: nasty, Type: inspect.TypeLinux, Kind: inspect.KindInstalled, Distro: nasty, ProductName: nasty, Version: nasty, VersionID: nasty, Codename: nasty,
		Variant: nasty, BuildID: nasty, Arch: nasty, Hostname: nasty, OSInfo: nasty, PackageFormat: nasty, PackageManager: nasty, TimeZone: nasty, Locale: nasty,
		Kernels: []inspect.Kernel{{Version: nasty, Image: nasty, Options: nasty}}, Mounts: []inspect.Mount{{Spec: nasty, Path: nasty, Type: nasty, Volume: nasty, By: "uuid", Options: nasty}},
		Packages:   inspect.Packages{Status: inspect.PackagesRead, Format: nasty, Database: nasty, Items: []inspect.Package{{Name: nasty, Version: nasty, Upstream: nasty, Revision: nasty, Arch: nasty, Source: nasty, Summary: nasty, Maintainer: nasty, PURL: nasty}}},
		Interfaces: []inspect.Interface{{Name: nasty, MAC: nasty, Addresses: []string{nasty}, Path: nasty}}, Users: []inspect.User{{Name: nasty, Home: nasty, Shell: nasty, Gecos: nasty}},
		Evidence: []inspect.Evidence{{Field: "distro", Path: nasty, Detail: nasty}}}
	w := inspect.System{Volume: nasty, Root: nasty, Type: inspect.TypeWindows, Kind: inspect.KindInstalled, Windows: &inspect.Windows{Edition: nasty, Roles: []string{nasty}, Features: []string{nasty},
		Membership: &inspect.Membership{Kind: nasty, Name: nasty, DNSName: nasty}, Users: []inspect.WindowsUser{{Name: nasty, FullName: nasty, Groups: []string{nasty}, Profile: nasty}},
		WSL: []inspect.WSL{{User: nasty, Name: nasty, Path: nasty}}}, Interfaces: []inspect.Interface{{Name: nasty, Device: nasty, Leased: []string{nasty}}},
		Packages: inspect.Packages{Status: inspect.PackagesRead, Items: []inspect.Package{{Name: nasty, Version: nasty, ID: nasty, Location: nasty, URL: nasty, Vendor: nasty}}}}
	v := &inspect.Volume{Name: nasty, Kind: "partition", Size: 1 << 20, Content: nasty, Label: nasty, UUID: nasty, Status: inspect.StatusRead, Role: inspect.RoleRoot, Reason: nasty, Partition: &partition.Partition{Number: 1, Name: nasty}}
	return &report.Guest{Images: []*format.Info{{Name: nasty, Format: nasty, VirtualSize: 1 << 30}}, Report: &inspect.Report{Volumes: []*inspect.Volume{v}, Systems: []*inspect.System{s, &w}},
		Concerns: []concern.Concern{{Kind: concern.Kinds()[0], System: nasty, Message: nasty, Evidence: []inspect.Evidence{{Path: nasty, Detail: nasty, Line: 1}}}}, Problems: []error{errors.New(nasty)}}
}

// xmlForms are the forms in XML.
var xmlForms = map[string]func(w io.Writer, g *report.Guest) error{
	"virt-inspector":     report.VirtInspector,
	"virt-v2v-inspector": func(w io.Writer, g *report.Guest) error { return report.VirtV2VInspector(w, g, "1", []int64{5}) },
}

// TestXML: every document is one that a parser of XML takes, and no terminal obeys;
// that of virt-inspector is judged by the schema of it.
func TestXML(t *testing.T) {
	guests := map[string]*report.Guest{"hostile": hostileGuest()}
	for _, name := range []string{"debian12-bios.qcow2", "debian12-uefi.qcow2", "windows11.qcow2"} {
		guests[name] = guest(t, name)
	}
	dir := t.TempDir()
	for name, g := range guests {
		for form, write := range xmlForms {
			var b bytes.Buffer
			if err := write(&b, g); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text := b.String()
			for line := range strings.Lines(text) {
				if terminal.Controls(strings.TrimSuffix(line, "\n")) {
					t.Errorf("%s, %s: a terminal obeys %q", name, form, line)
				}
			}
			d := xml.NewDecoder(strings.NewReader(text))
			d.Strict = true
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s, %s: %v\n%.1000s", name, form, err, text)
				}
			}
			if strings.Contains(text, "<script") {
				t.Errorf("%s, %s: markup of the guest is markup", name, form)
			}
			if err := os.WriteFile(filepath.Join(dir, name+"."+form+".xml"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	var none report.Guest
	none.Report = &inspect.Report{}
	for form, write := range xmlForms {
		if err := write(io.Discard, &none); !errors.Is(err, report.ErrNoSystem) {
			t.Errorf("%s without a system: %v", form, err)
		}
	}
	t.Run("xmllint", func(t *testing.T) {
		peers.Need(t, "xmllint", "virt-inspector")
		schema := filepath.Join(dir, "schema.rng")
		if err := os.WriteFile(schema, []byte(peers.Run(t, "zcat", "/usr/share/doc/guestfs-tools/virt-inspector.rng.gz")), 0o644); err != nil {
			t.Fatal(err)
		}
		for name := range guests {
			peers.Run(t, "xmllint", "--noout", "--relaxng", schema, filepath.Join(dir, name+".virt-inspector.xml"))
			peers.Run(t, "xmllint", "--noout", filepath.Join(dir, name+".virt-v2v-inspector.xml"))
		}
	})
}

// TestVirtInspectorFields compares with what virt-inspector 1.48.2 printed of the
// same disks, but for what docs/inspection.md says is different.
func TestVirtInspectorFields(t *testing.T) {
	files, err := filepath.Glob("testdata/*.virt-inspector.xml")
	if err != nil || len(files) == 0 {
		t.Fatal("no documents of virt-inspector", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sameAsVirtInspector(t, guest(t, strings.TrimSuffix(filepath.Base(file), ".virt-inspector.xml")+".qcow2"), b)
	}
}

var arrayDevice = regexp.MustCompile(`^/dev/md(/.+|[0-9]+)$`)

// sameAsVirtInspector compares what is said of a guest with a document of
// virt-inspector.
func sameAsVirtInspector(t *testing.T, guest *report.Guest, document []byte) {
	t.Helper()
	type app struct {
		Name    string `xml:"name"`
		Version string `xml:"version"`
		Release string `xml:"release"`
		Arch    string `xml:"arch"`
	}
	type system struct {
		Root    string `xml:"root"`
		Name    string `xml:"name"`
		Arch    string `xml:"arch"`
		Distro  string `xml:"distro"`
		Product string `xml:"product_name"`
		Major   string `xml:"major_version"`
		Minor   string `xml:"minor_version"`
		Format  string `xml:"package_format"`
		Manager string `xml:"package_management"`
		Host    string `xml:"hostname"`
		OSInfo  string `xml:"osinfo"`
		Mounts  []struct {
			Dev  string `xml:"dev,attr"`
			Path string `xml:",chardata"`
		} `xml:"mountpoints>mountpoint"`
		Volumes []struct {
			Dev   string `xml:"dev,attr"`
			Type  string `xml:"type"`
			Label string `xml:"label"`
			UUID  string `xml:"uuid"`
		} `xml:"filesystems>filesystem"`
		Drives []struct {
			Name string `xml:"name,attr"`
			Dev  string `xml:",chardata"`
		} `xml:"drive_mappings>drive_mapping"`
		Apps []app `xml:"applications>application"`
	}
	type doc struct {
		Systems []system `xml:"operatingsystem"`
	}
	var got, want doc
	if err := xml.Unmarshal(document, &want); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := report.VirtInspector(&out, guest); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Systems) != len(want.Systems) {
		t.Fatalf("%d systems, and virt-inspector says %d", len(got.Systems), len(want.Systems))
	}
	for _, list := range []*doc{&got, &want} {
		slices.SortFunc(list.Systems, func(a, b system) int { return strings.Compare(a.Root, b.Root) })
	}
	for i := range got.Systems {
		got, want := got.Systems[i], want.Systems[i]
		// It calls Debian by what /etc/debian_version says, and cuts a version at its
		// first dash, which may be one of the version.
		if want.Distro == "debian" && strings.HasPrefix(want.Product, want.Major+".") {
			want.Product = got.Product
		}
		// It goes by the distribution where no package manager is installed, calls what
		// has no architecture "(none)", sorts rpm's packages by name, and calls arrays by
		// the numbers that its own kernel gave them.
		if got.Manager == "" {
			want.Manager = ""
		}
		array := func(dev string) string { return arrayDevice.ReplaceAllString(dev, "/dev/md") }
		for _, list := range []*system{&got, &want} {
			for i := range list.Apps {
				a := &list.Apps[i]
				a.Version, a.Release = strings.TrimSuffix(a.Version+"-"+a.Release, "-"), ""
				a.Arch = strings.TrimSuffix(a.Arch, "(none)")
			}
			if list.Format == "rpm" {
				slices.SortFunc(list.Apps, func(a, b app) int { return strings.Compare(a.Name, b.Name) })
			}
			// The fstab in a snapshot names the origin.
			own := func(dev string) string {
				if len(list.Mounts) == 1 {
					return list.Root
				}
				return array(dev)
			}
			for i := range list.Volumes {
				list.Volumes[i].Dev = own(list.Volumes[i].Dev)
			}
			for i := range list.Mounts {
				list.Mounts[i].Dev = own(list.Mounts[i].Dev)
			}
		}
		g, w := reflect.ValueOf(got), reflect.ValueOf(want)
		for i := range g.NumField() {
			if a, b := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(a, b) {
				t.Errorf("%s is\n%.1500v, and virt-inspector says\n%.1500v", g.Type().Field(i).Name, a, b)
			}
		}
	}
}

// TestYAML: the document says what that of JSON says, and no terminal obeys it.
func TestYAML(t *testing.T) {
	for name, v := range map[string]any{
		"report":  guest(t, "windows11.qcow2").Report,
		"hostile": map[string]any{"text": nasty, "list": []string{nasty, "yes", "null", "1", "1e3", "2026-11-28", "", " x", "a: b", "- a", "#", "multi\nline\n", "~"}, "empty": []int{}, "map": map[string]int{}, "none": nil, nasty: true, "n": 1 << 60, "f": 1.5},
	} {
		var out bytes.Buffer
		if err := report.YAML(&out, v); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(out.Bytes()) {
			t.Errorf("%s: no UTF-8", name)
		}
		for line := range strings.Lines(out.String()) {
			if terminal.Controls(strings.TrimSuffix(line, "\n")) {
				t.Errorf("%s: a terminal obeys %q", name, line)
			}
		}
		var got, want any
		if err := yaml.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v\n%.2000s", name, err, out.String())
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(b, &want); err != nil && name == "report" {
			t.Fatal(err)
		}
		gotJSON, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var a, c any
		json.Unmarshal(gotJSON, &a)
		json.Unmarshal(b, &c)
		if !reflect.DeepEqual(a, c) {
			t.Errorf("%s: YAML says\n%.600s\nand JSON\n%.600s", name, gotJSON, b)
		}
	}
}

// TestOldYAML: what is a truth, a number or a time to a reader of YAML 1.1
// (https://yaml.org/type/: bool, int, float, timestamp, value, merge) stands in
// quotes, as a value and as a key.
func TestOldYAML(t *testing.T) {
	for _, text := range []string{"y", "N", "yes", "No", "ON", "off", "true", "~", "null", "1:30", "-190:20:30.15", "012", "0x1f", "0b1", "1_000", "+1", "685_230.15", "6.8523015e+5", ".5", ".inf", ".NaN",
		"2001-01-01", "2001-1-1", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5", "=", "<<"} {
		var out bytes.Buffer
		if err := report.YAML(&out, map[string]string{text: text}); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("---\n%[1]q: %[1]q\n", text); out.String() != want {
			t.Errorf("%s, want %s", out.String(), want)
		}
	}
}

// TestAllocated: the bytes that a copy needs.
func TestAllocated(t *testing.T) {
	img, err := format.OpenFile("../testdata/images/debian12-bios.qcow2", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	n, err := report.Allocated(context.Background(), img)
	if err != nil || n <= 0 || n >= img.Size() {
		t.Errorf("%d of %d, %v", n, img.Size(), err)
	}
}
