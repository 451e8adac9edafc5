package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/report"
)

func htmlPage(t *testing.T, g *report.Guest) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.HTML(&b, g, "1.2", ""); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("GUESTKIT_PAGES"); dir != "" { // to be looked at
		if err := os.WriteFile(dir+"/"+t.Name()+".html", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestPagePolicy: the policy allows the style and the script of the page by their
// hashes, and nothing from elsewhere.
func TestPagePolicy(t *testing.T) {
	text := htmlPage(t, guest(t, "debian12-bios.qcow2"))
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`).FindStringSubmatch(text)
	if policy == nil {
		t.Fatal("there is no policy")
	}
	for _, tag := range []string{"style", "script"} {
		parts := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(text, -1)
		if len(parts) != 1 {
			t.Fatalf("%d elements %s", len(parts), tag)
		}
		sum := sha256.Sum256([]byte(parts[0][1]))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(html.UnescapeString(policy[1]), want) {
			t.Errorf("the policy %q has not %q", policy[1], want)
		}
	}
	if !strings.HasPrefix(policy[1], "default-src 'none';") || strings.Contains(policy[1], "unsafe") {
		t.Errorf("the policy is %q", policy[1])
	}
	for _, bad := range []string{" style=", " onclick", "http:", "https:", "src=", "ZgotmplZ"} {
		if i := strings.Index(text, bad); i >= 0 {
			t.Errorf("the page has %q: %.80q", bad, text[i:])
		}
	}
	for _, want := range []string{"db-1 – Debian GNU/Linux 12 (bookworm)", "fstab-device-name-optional", "/etc/fstab:", "adduser", "mbr6 ext3", "157 deb"} {
		if !strings.Contains(html.UnescapeString(text), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestPageHostile: a guest's words are text wherever they stand.
func TestPageHostile(t *testing.T) {
	text := htmlPage(t, hostileGuest())
	for line := range strings.Lines(text) {
		if terminal.Controls(strings.TrimSuffix(line, "\n")) {
			t.Errorf("a reader is deceived by %q", line)
		}
	}
	if n := strings.Count(text, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	// Every tag is one of the template, and so is every attribute.
	words := regexp.MustCompile(`<(/?[a-z0-9!]+)((?:\s+[a-zA-Z-]+(?:="[^"]*")?)*)\s*/?>`)
	template, err := os.ReadFile("page.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range words.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(string(template), "<"+m[1]) {
			t.Errorf("the page has the tag %s", m[1])
		}
	}
	if strings.Contains(text, "alert('x')") || strings.Count(text, "<") != strings.Count(words.ReplaceAllString(text, "<"), "<") {
		t.Error("there is a < that begins no tag of the template")
	}
}

// TestPageScale: boxes lie where their volumes lie, with the room that is used.
func TestPageScale(t *testing.T) {
	text := htmlPage(t, guest(t, "debian12-bios.qcow2"))
	box := regexp.MustCompile(`<title>([a-z0-9]+)[:,] [^<]*</title><rect class="box [a-z]+" x="([0-9.]+)" y="([0-9]+)" width="([0-9.]+)"`)
	got := map[string][3]float64{}
	for _, m := range box.FindAllStringSubmatch(text, -1) {
		var n [3]float64
		for i := range n {
			n[i], _ = strconv.ParseFloat(m[i+2], 64)
		}
		got[m[1]] = n
	}
	const size = 167772160
	for name, want := range map[string][3]int64{"mbr1": {1 << 20, 0, 24 << 20}, "mbr5": {27 << 20, 1, 16 << 20}} {
		b, ok := got[name]
		if !ok || b[0] < float64(want[0])/size*1000-0.1 || b[0] > float64(want[0])/size*1000+0.1 || b[2] < float64(want[2])/size*1000-0.1 || b[2] > float64(want[2])/size*1000+0.1 || (b[1] > 40) != (want[1] == 1) {
			t.Errorf("%s is drawn at %v", name, b)
		}
	}
	if b := got["mbr6"]; b[0]+b[2] > 1000 || len(got) != 4 {
		t.Errorf("the boxes are %v", got)
	}
}

// TestPageVolumes: volumes in volumes, cycles of names, sizes that lie.
func TestPageVolumes(t *testing.T) {
	v := func(name, parent, kind string, off, size int64) *inspect.Volume {
		return &inspect.Volume{Name: name, Parent: parent, Kind: kind, Offset: off, Size: size, Content: "x", Status: inspect.StatusEncrypted}
	}
	rep := &inspect.Report{Volumes: []*inspect.Volume{v("disk", "", "table", 0, 1000), v("gpt1", "disk", "partition", 100, 800), v("lvm:vg/a", "gpt1", "lv", 0, 400), v("lvm:vg/b", "gpt1", "lv", 0, 4000),
		v("lvm:vg/c", "gpt1", "lv", 0, 4000), v("lvm:vg/a:gpt1", "lvm:vg/a", "partition", 100, 100), v("far", "disk", "partition", 5000, 10), v("minus", "disk", "partition", -5, -10), v("self", "self", "lv", 0, 10), v("lost", "nowhere", "lv", 0, 10)}}
	text := htmlPage(t, &report.Guest{Images: []*format.Info{{Name: "x", VirtualSize: 1000}}, Report: rep})
	for _, m := range regexp.MustCompile(`<rect class="box [a-z]+" x="([0-9.-]+)" y="[0-9]+" width="([0-9.-]+)"`).FindAllStringSubmatch(text, -1) {
		x, _ := strconv.ParseFloat(m[1], 64)
		w, _ := strconv.ParseFloat(m[2], 64)
		if x < 0 || w < 0 || x+w > 1002 {
			t.Errorf("a box from %v of %v", x, w)
		}
	}
	if !strings.Contains(text, `x="200" y="101" width="100"`) {
		t.Error("the partition in a logical volume is not drawn to scale")
	}
}

// TestPageBootEntries: an entry stands where its loader looks for it, and what is not
// known of a loader is said beside its entries.
func TestPageBootEntries(t *testing.T) {
	s := &inspect.System{Type: inspect.TypeLinux, Kind: inspect.KindInstalled, BootLoaders: []inspect.BootLoader{
		{Name: "systemd-boot", Path: "/loader/loader.conf", Volume: "gpt1", Reason: "the firmware chooses", Entries: []inspect.BootEntry{{Title: "Arch", Path: "/EFI/Linux/arch.efi"}}},
		{Name: "grub", Path: "/boot/grub/grub.cfg", Entries: []inspect.BootEntry{{Title: "Debian", Path: "/boot/grub/grub.cfg", Line: 12}}}}}
	text := html.UnescapeString(htmlPage(t, &report.Guest{Report: &inspect.Report{Systems: []*inspect.System{s}}}))
	for want, has := range map[string]bool{"gpt1 /EFI/Linux/arch.efi": true, "the firmware chooses": true, "/boot/grub/grub.cfg:12": true, ".efi:0": false} {
		if strings.Contains(text, want) != has {
			t.Errorf("%q: want %t", want, has)
		}
	}
}
