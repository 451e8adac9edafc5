package ova

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func TestOpen(t *testing.T) {
	p, err := Open(bytes.NewReader(twoDisks(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if probs := p.Problems(); len(probs) > 0 {
		t.Error(probs)
	}
	want := []Machine{{
		ID: "vm", Name: "web & more", OS: "debian12_64Guest", Type: "vmx-13", CPUs: 2, Memory: 2 << 30, Firmware: "efi", SecureBoot: true,
		NICs: []NIC{{"Ethernet 1", "VM Network", "VmxNet3", "00:50:56:00:00:01"}},
		Controllers: []Controller{
			{"5", "IDE 0", "ide", ""}, {"3", "SCSI 0", "scsi", "lsilogic"}, {"4", "SATA", "sata", "vmware.sata.ahci"},
		},
		Disks: []Attachment{{"one", "3", 0}, {"two", "3", 1}},
	}}
	if !reflect.DeepEqual(p.Machines, want) {
		t.Errorf("machines\n%+v, want\n%+v", p.Machines, want)
	}
	if p.Version != "1" || !p.Archive || p.Descriptor != "vm.ovf" || p.Certificate != "vm.cert" || len(p.Checksums()) != 3 {
		t.Errorf("package %+v", p)
	}
	disks, err := p.Guest()
	if err != nil || Names(disks) != `1 ("one", "./one%20disk.raw"), 2 ("two", "two.raw"), 3 ("three")` {
		t.Errorf("disks %s, %v", Names(disks), err)
	}
	for name, id := range map[string]string{"one": "one", "2": "two", "two.raw": "two", "3": "three"} {
		if d, err := p.Disk(name); err != nil || d.ID != id {
			t.Errorf("Disk(%q) = %+v, %v", name, d, err)
		}
	}
	if _, err := p.Disk("4"); err == nil || !strings.Contains(err.Error(), `1 ("one"`) {
		t.Errorf("Disk(4): %v", err)
	}
	for i, want := range []struct {
		capacity int64
		format   string
		text     string
	}{{1024, "vmdk", strings.Repeat("1", 1024)}, {7, "raw", "2222222"}, {1 << 30, "", ""}} {
		d := disks[i]
		if d.Capacity != want.capacity || d.Format != want.format || (d.File == nil) != (want.text == "") {
			t.Errorf("disk %+v, want %+v", d, want)
		}
		if d.File == nil {
			continue
		}
		f, err := p.Open(d.File)
		if err != nil {
			t.Fatal(err)
		}
		testimg.TestDevice(t, f, strings.NewReader(want.text), 512)
		if e, err := f.Extent(0); err != nil || e.Host == nil {
			t.Errorf("extent %+v, %v: it lies verbatim in the archive", e, err)
		}
	}
}

// VirtualBox describes the firmware in an element of its own, and IDE disks by
// HostResource without a scheme.
func TestVirtualBox(t *testing.T) {
	text := `<?xml version="1.0"?>
<Envelope ovf:version="2.0" xmlns="http://schemas.dmtf.org/ovf/envelope/2" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/2" xmlns:vbox="http://www.virtualbox.org/ovf/machine" xmlns:rasd="x" xmlns:sasd="y" xmlns:epasd="z">
<References><File ovf:id="file1" ovf:href="a-disk001.vhd"/></References>
<DiskSection><Info/><Disk ovf:capacity="8589934592" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://go.microsoft.com/fwlink/?LinkId=137171"/></DiskSection>
<VirtualSystem ovf:id="alpine"><Info/>
<OperatingSystemSection ovf:id="80"><Info/><Description>Ubuntu_64</Description></OperatingSystemSection>
<VirtualHardwareSection><Info/>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
<Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
<Item><rasd:InstanceID>7</rasd:InstanceID><rasd:ResourceSubType>AHCI</rasd:ResourceSubType><rasd:ResourceType>20</rasd:ResourceType></Item>
<StorageItem><sasd:AddressOnParent>0</sasd:AddressOnParent><sasd:HostResource>/disk/vmdisk1</sasd:HostResource><sasd:Parent>7</sasd:Parent><sasd:ResourceType>17</sasd:ResourceType></StorageItem>
<EthernetPortItem><epasd:Connection>NAT</epasd:Connection><epasd:ResourceSubType>E1000</epasd:ResourceSubType><epasd:ResourceType>10</epasd:ResourceType></EthernetPortItem>
</VirtualHardwareSection>
<vbox:Machine ovf:required="false" version="1.19"><Hardware><CPU count="1"/><Firmware type="EFI"/></Hardware></vbox:Machine>
</VirtualSystem></Envelope>`
	p, err := Open(strings.NewReader(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := p.Machines[0]
	if p.Archive || p.Version != "2" || m.Name != "alpine" || m.OS != "Ubuntu_64" || m.CPUs != 1 || m.Memory != 512<<20 || m.Firmware != "efi" ||
		m.Controllers[0].Bus != "sata" || m.NICs[0] != (NIC{"", "NAT", "E1000", ""}) || !reflect.DeepEqual(m.Disks, []Attachment{{"vmdisk1", "7", 0}}) {
		t.Errorf("%+v", m)
	}
	if d := p.Disks[0]; d.Format != "vhd" || d.Capacity != 8<<30 {
		t.Errorf("%+v", d)
	}
	if _, err := p.Open(p.Files[0]); !errors.Is(err, block.ErrRefused) {
		t.Errorf("without an Opener: %v", err)
	}
	p, _ = Open(strings.NewReader(text), &Options{Opener: func(ref block.Ref) (block.Device, error) {
		if ref.Name != "a-disk001.vhd" || ref.Format != "raw" {
			t.Errorf("ref %+v", ref)
		}
		return block.Plain(strings.NewReader("disk")), nil
	}})
	if f, err := p.Open(p.Files[0]); err != nil || f.Size() != 4 {
		t.Errorf("with an Opener: %v", err)
	}
}

const pieceLen = 256 << 10

func gz(t testing.TB, parts ...[]byte) string {
	var b bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&b)
		z.Write(p)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestGzipAndChunks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, pieceLen+12345)
	for i := range content[:pieceLen/2] {
		content[i] = byte(rng.Uint32())
	}
	stored := gz(t, content)
	half := len(stored) / 2
	data := pack(t,
		part{name: "x.ovf", data: descriptor(
			fmt.Sprintf(`<File ovf:id="z" ovf:href="z.gz" ovf:compression="gzip" ovf:size="%d"/>
			<File ovf:id="c" ovf:href="c.raw" ovf:chunkSize="1048576"/>
			<File ovf:id="zc" ovf:href="zc" ovf:chunkSize="%d" ovf:compression="gzip"/>
			<File ovf:id="lost" ovf:href="c.raw" ovf:chunkSize="1048576" ovf:size="10000000"/>
			<File ovf:id="b" ovf:href="z.gz" ovf:compression="bzip2"/>`, len(stored), half), "")},
		part{name: "z.gz", data: stored},
		part{name: "c.raw.000000000", data: string(content[:1<<17])},
		part{name: "c.raw.000000001", data: string(content[1<<17:])},
		part{name: "zc.000000000", data: stored[:half]},
		part{name: "zc.000000001", data: stored[half:]},
	)
	p, err := Open(bytes.NewReader(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Files[:3] {
		d, err := p.Open(f)
		if err != nil {
			t.Fatalf("%s: %v", f.ID, err)
		}
		testimg.TestDevice(t, d, bytes.NewReader(content), 128<<10)
		if err := block.Close(d); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Open(p.Files[3]); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("a file that lacks chunks: %v", err)
	}
	if _, err := p.Open(p.Files[4]); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("bzip2: %v", err)
	}
	p, _ = Open(bytes.NewReader(data), &Options{MaxInflated: int64(len(content)) - 1})
	if _, err := p.Open(p.Files[0]); !errors.Is(err, block.ErrLimit) {
		t.Errorf("a bomb: %v", err)
	}
	for name, cut := range map[string]string{"cut": stored[:len(stored)-4], "changed": stored[:len(stored)-8] + "AAAAAAAA", "no gzip": "x"} {
		class := block.ErrTruncated
		if name == "changed" {
			class = block.ErrCorrupt
		}
		if _, err := inflate(block.Plain(strings.NewReader(cut)), 1<<40); !errors.Is(err, class) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Many empty members are no deeper than one (recipe A04).
	many := strings.Repeat(gz(t, nil), 200000)
	if d, err := inflate(block.Plain(strings.NewReader(many+gz(t, []byte("end")))), 1<<40); err != nil || d.Size() != 3 {
		t.Errorf("many members: %v", err)
	}
}

func TestVerify(t *testing.T) {
	verify := func(parts ...part) []error {
		t.Helper()
		p, err := Open(bytes.NewReader(pack(t, parts...)), nil)
		if err != nil {
			t.Fatal(err)
		}
		faults, err := p.Verify(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return faults
	}
	good := twoParts()
	if f := verify(good...); len(f) > 0 {
		t.Error(f)
	}
	changed := twoParts()
	changed[3].data = "2222223"
	if f := verify(changed...); len(f) != 1 || !errors.Is(f[0], block.ErrCorrupt) || !strings.Contains(f[0].Error(), `"two.raw"`) {
		t.Errorf("changed: %v", f)
	}
	if f := verify(good[0], manifestOf("vm.mf", good[0], good[2], part{name: "lost"}), good[2], good[3]); len(f) != 2 {
		t.Errorf("one missing, one unnamed: %v", f)
	}
	other := part{name: "vm.mf", data: "SHA1(two.raw)= 6ef6b5ab1ae9a3e5dae7bbd8c5b64f8cdcd3d1d7\nSHA-512 (vm.ovf) = " + strings.Repeat("00", 64) + "\nMD5(x)= 00\nrubbish\nSHA256(x)= 00\n"}
	p, err := Open(bytes.NewReader(pack(t, good[0], other, good[2], good[3])), nil)
	if err != nil || len(p.Problems()) != 3 {
		t.Fatalf("%v, problems %v", err, p.Problems())
	}
	if f, err := p.Verify(context.Background()); err != nil || len(f) != 3 || !strings.Contains(f[0].Error(), "SHA1") || !strings.Contains(f[1].Error(), "SHA512") {
		t.Errorf("sums of other algorithms: %v, %v", f, err)
	}
	p, _ = Open(bytes.NewReader(pack(t, good[0], good[2], good[3])), nil)
	if _, err := p.Verify(context.Background()); err != ErrNoManifest {
		t.Errorf("no manifest: %v", err)
	}
	p, _ = Open(bytes.NewReader(pack(t, good...)), nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestHostile: what an archive or a descriptor may say, and the class of the
// problem (found by its text) or of the error of Open.
func TestHostile(t *testing.T) {
	plain := part{name: "vm.ovf", data: descriptor(`<File ovf:id="f" ovf:href="disk"/>`, `<Disk ovf:diskId="d" ovf:fileRef="f" ovf:format="raw"/>`)}
	disk := part{name: "disk", data: "content"}
	ovf := func(files, disks string) part { return part{name: "vm.ovf", data: descriptor(files, disks)} }
	typed := func(name string, typ byte) part {
		return part{name: name, edit: func(h *tar.Header) { h.Typeflag, h.Linkname = typ, "/etc/passwd" }}
	}
	raw := func(text string) []byte { return pack(t, part{name: "vm.ovf", data: text}) }
	whole := pack(t, plain, disk)
	lying := bytes.Clone(whole)
	copy(lying[bytes.Index(whole, []byte("disk\x00\x00"))+124:], "77777777777") // its size
	sum := 0
	head := lying[bytes.Index(whole, []byte("disk\x00\x00")):][:512]
	copy(head[148:], "        ")
	for _, c := range head {
		sum += int(c)
	}
	copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))

	for name, c := range map[string]struct {
		data    []byte
		err     error  // of Open
		problem error  // class of one
		text    string // in it
		open    error  // of the first File
	}{
		"nothing":              {data: nil, err: block.ErrFormat},
		"zeros":                {data: make([]byte, 2048), err: block.ErrFormat},
		"text":                 {data: []byte("hello, world"), err: block.ErrFormat},
		"no descriptor":        {data: pack(t, disk), err: block.ErrFormat},
		"A02 name outside":     {data: pack(t, plain, disk, part{name: "../../x", data: "x"}), problem: block.ErrRefused, text: "does not stay"},
		"absolute name":        {data: pack(t, plain, disk, part{name: "/etc/passwd", data: "x"}), problem: block.ErrRefused, text: "absolute"},
		"windows name":         {data: pack(t, plain, disk, part{name: `a\..\b`, data: "x"}), problem: block.ErrRefused, text: "plain relative"},
		"A03 symlink":          {data: pack(t, plain, typed("disk", tar.TypeSymlink)), problem: block.ErrRefused, text: "no regular file", open: block.ErrTruncated},
		"hard link":            {data: pack(t, plain, typed("disk", tar.TypeLink)), problem: block.ErrRefused, text: "no regular file", open: block.ErrTruncated},
		"device":               {data: pack(t, plain, typed("disk", tar.TypeChar)), problem: block.ErrRefused, text: "no regular file", open: block.ErrTruncated},
		"fifo":                 {data: pack(t, plain, typed("disk", tar.TypeFifo)), problem: block.ErrRefused, text: "no regular file", open: block.ErrTruncated},
		"twice":                {data: pack(t, plain, disk, part{name: "./disk", data: "other"}), problem: block.ErrCorrupt, text: "second member"},
		"descriptor second":    {data: pack(t, disk, plain), problem: block.ErrCorrupt, text: "not the first"},
		"two descriptors":      {data: pack(t, plain, disk, part{name: "b.ovf", data: "x"}), problem: block.ErrCorrupt, text: "second descriptor"},
		"cut in the disk":      {data: whole[:bytes.Index(whole, []byte("content"))+3], problem: block.ErrTruncated, text: `"disk"`, open: block.ErrTruncated},
		"size past the end":    {data: lying, problem: block.ErrTruncated, text: `"disk"`, open: block.ErrTruncated},
		"bad checksum":         {data: append(bytes.Clone(whole[:len(whole)-1024]), bytes.Repeat([]byte("x"), 512)...), problem: block.ErrCorrupt, text: "tar header"},
		"size that lies":       {data: pack(t, ovf(`<File ovf:id="f" ovf:href="disk" ovf:size="8"/>`, ""), disk), problem: block.ErrCorrupt, text: "the descriptor says 8"},
		"size that is none":    {data: pack(t, ovf(`<File ovf:id="f" ovf:href="disk" ovf:size="-8"/>`, ""), disk), problem: block.ErrCorrupt, text: `File "f"`},
		"http":                 {data: pack(t, ovf(`<File ovf:id="f" ovf:href="http://host/disk"/>`, ""), disk), problem: block.ErrRefused, text: "http", open: block.ErrRefused},
		"file URL":             {data: pack(t, ovf(`<File ovf:id="f" ovf:href="file:///etc/passwd"/>`, ""), disk), problem: block.ErrRefused, open: block.ErrRefused},
		"dotdot":               {data: pack(t, ovf(`<File ovf:id="f" ovf:href="../disk"/>`, ""), disk), problem: block.ErrRefused, open: block.ErrRefused},
		"escaped dotdot":       {data: pack(t, ovf(`<File ovf:id="f" ovf:href="%2e%2e/disk"/>`, ""), disk), problem: block.ErrRefused, open: block.ErrRefused},
		"absent":               {data: pack(t, ovf(`<File ovf:id="f" ovf:href="none"/>`, ""), disk), problem: block.ErrTruncated, open: block.ErrTruncated},
		"no href":              {data: pack(t, ovf(`<File ovf:id="f"/>`, ""), disk), problem: block.ErrCorrupt, open: block.ErrCorrupt},
		"file of no reference": {data: pack(t, ovf(``, `<Disk ovf:diskId="d" ovf:fileRef="f"/>`)), problem: block.ErrCorrupt, text: "left out"},
		"disk without id":      {data: pack(t, ovf(``, `<Disk/>`)), err: block.ErrCorrupt},
		"ids twice":            {data: pack(t, ovf(``, `<Disk ovf:diskId="d"/><Disk ovf:diskId="d"/>`)), problem: block.ErrCorrupt, text: "second one"},
		"huge capacity":        {data: pack(t, ovf(``, `<Disk ovf:diskId="d" ovf:capacity="9999999999" ovf:capacityAllocationUnits="byte * 2^40"/>`)), problem: block.ErrLimit},
		"odd unit":             {data: pack(t, ovf(``, `<Disk ovf:diskId="d" ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^99999"/>`)), problem: block.ErrUnsupported},
		"many files":           {data: pack(t, ovf(manyOf("File ovf:id", maxFiles+1), "")), err: block.ErrLimit},
		"long name":            {data: pack(t, plain, disk, part{name: strings.Repeat("x", maxName+1)}), problem: block.ErrRefused, text: "too long"},
		"many disks":           {data: pack(t, ovf(``, manyOf("Disk ovf:diskId", maxDisks+1))), err: block.ErrLimit},
		"doctype": {data: raw(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1">&b;</Envelope>`),
			err: block.ErrUnsupported},
		"entity":         {data: raw(`<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1">&b;</Envelope>`), err: block.ErrCorrupt},
		"deep":           {data: raw(strings.Repeat("<a>", 1000)), err: block.ErrLimit},
		"wide":           {data: raw("<a>" + strings.Repeat("<b/>", maxNodes) + "</a>"), err: block.ErrLimit},
		"long":           {data: raw("<a>" + strings.Repeat(" ", MaxDescriptor) + "</a>"), err: block.ErrLimit},
		"two roots":      {data: raw(`<a/><b/>`), err: block.ErrCorrupt},
		"unclosed":       {data: raw(`<a>`), err: block.ErrCorrupt},
		"other document": {data: raw(`<html/>`), err: block.ErrFormat},
		"version 0.9":    {data: raw(`<Envelope xmlns="http://www.vmware.com/schema/ovf/1/envelope"/>`), err: block.ErrUnsupported},
		"encoding":       {data: raw(`<?xml version="1.0" encoding="EBCDIC"?><a/>`), err: block.ErrFormat},
	} {
		p, err := Open(bytes.NewReader(c.data), nil)
		if c.err != nil {
			if !errors.Is(err, c.err) {
				t.Errorf("%s: %v, want %v", name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := false
		for _, e := range p.Problems() {
			found = found || errors.Is(e, c.problem) && strings.Contains(e.Error(), c.text)
		}
		if !found {
			t.Errorf("%s: problems %v, want one of %v", name, p.Problems(), c.problem)
		}
		if len(p.Files) == 0 {
			continue
		}
		f, err := p.Open(p.Files[0])
		if !errors.Is(err, c.open) {
			t.Errorf("%s: opening the disk: %v, want %v", name, err, c.open)
		}
		if err == nil {
			b := make([]byte, f.Size())
			if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF || string(b) != "content" {
				t.Errorf("%s: the disk reads %q, %v", name, b, err)
			}
		}
	}
}

func manyOf(element string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `<%s="%d"/>`, element, i)
	}
	return b.String()
}

// A sparse member promises more than it stores (recipe A01).
func TestSparseMember(t *testing.T) {
	head := func(name string, size int, typ byte) []byte {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
		h[156] = typ
		copy(h[257:], "ustar  \x00")
		return h
	}
	seal := func(h []byte) []byte {
		sum := 8 * int(' ')
		for i, c := range h {
			if i < 148 || i >= 156 {
				sum += int(c)
			}
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		return h
	}
	text := descriptor(`<File ovf:id="f" ovf:href="disk"/>`, "")
	data := append(seal(head("vm.ovf", len(text), '0')), text...)
	data = append(data, make([]byte, (512-len(text)%512)%512)...)
	h := head("disk", 512, 'S')
	copy(h[386:], "00000000000\x0000000001000\x00")
	copy(h[483:], "77777777777\x00") // its real size
	data = append(append(append(data, seal(h)...), make([]byte, 512)...), make([]byte, 1024)...)
	p, err := Open(bytes.NewReader(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Open(p.Files[0])
	if err != nil || d.Size() != 0o77777777777 {
		t.Fatal(d, err)
	}
	if e, err := d.Extent(600); err != nil || !e.Zero || e.Len != d.Size()-600 {
		t.Errorf("the hole is %+v, %v", e, err)
	}
}

func TestSeveralMachines(t *testing.T) {
	text := descriptor(`<File ovf:id="f" ovf:href="disk"/>`, `<Disk ovf:diskId="base"/><Disk ovf:diskId="child" ovf:parentRef="base"/>`)
	p, err := Open(strings.NewReader(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := p.Guest(); err != nil || Names(d) != `1 ("child")` {
		t.Errorf("a parent is no disk of the guest: %s, %v", Names(d), err)
	}
	i, j := strings.Index(text, "<VirtualSystem "), strings.Index(text, "</ovf:Envelope>")
	text = text[:i] + "<VirtualSystemCollection>" + text[i:j] + strings.ReplaceAll(text[i:j], "web", "db") + "</VirtualSystemCollection>" + text[j:]
	if p, err = Open(strings.NewReader(text), nil); err != nil || len(p.Machines) != 2 {
		t.Fatal(p, err)
	}
	if _, err := p.Guest(); err == nil || !strings.Contains(err.Error(), `"web & more", "db & more"`) {
		t.Errorf("Guest: %v", err)
	}
	if d, err := p.Disk("1"); err != nil || d.ID != "base" {
		t.Errorf("Disk(1) = %+v, %v", d, err)
	}
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]int64{"byte": 1, "byte * 2^30": 1 << 30, "byte*2^20": 1 << 20, "bytes * 10^3 * 2": 2000, "MegaBytes": 1 << 20, "GigaByte": 1 << 30} {
		if n, err := scale(s); err != nil || n != want {
			t.Errorf("%q is %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "hertz", "byte * 0", "byte * -2^3", "byte * 2^63", "byte * 10^60", "byte * 2^", "byte ^ 2"} {
		if n, err := scale(s); !errors.Is(err, block.ErrUnsupported) {
			t.Errorf("%q is %d, %v", s, n, err)
		}
	}
}

// readAll reads a package as far as it can be read.
func readAll(r block.Reader) error {
	p, err := Open(r, &Options{MaxInflated: 8 << 20})
	if err != nil {
		return err
	}
	p.Verify(context.Background())
	p.Guest()
	for _, f := range p.Files {
		d, err := p.Open(f)
		if err != nil {
			continue
		}
		buf := make([]byte, 4096)
		d.ReadAt(buf, 0)
		d.ReadAt(buf, max(0, d.Size()-100))
		block.Close(d)
	}
	return nil
}

func mutant(t testing.TB) []byte {
	content := bytes.Repeat([]byte("disk "), 1000)
	stored := gz(t, content)
	ovf := part{name: "vm.ovf", data: descriptor(
		`<File ovf:id="z" ovf:href="z" ovf:compression="gzip"/><File ovf:id="c" ovf:href="c" ovf:chunkSize="3"/>`,
		`<Disk ovf:diskId="two" ovf:fileRef="c" ovf:capacity="7"/><Disk ovf:diskId="one" ovf:fileRef="z" ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^10"/>`)}
	z := part{name: "z", data: stored}
	return pack(t, ovf, manifestOf("vm.mf", ovf, z), z, part{name: "c.000000000", data: "abc"}, part{name: "c.000000001", data: "d"})
}

func TestMutations(t *testing.T) {
	image := mutant(t)
	testimg.Mutate(t, testimg.Mutations{Image: image, Run: readAll, Seal: func(p *testimg.Patch, changed []int64) {
		for _, off := range changed {
			off = off / 512 * 512
			h := p.Image[off : off+512]
			if string(h[257:262]) != "ustar" {
				continue
			}
			sum := 8 * int(' ')
			for i, c := range h {
				if i < 148 || i >= 156 {
					sum += int(c)
				}
			}
			p.Write(off+148, fmt.Appendf(nil, "%06o\x00 ", sum))
		}
	}})
}

func FuzzOpen(f *testing.F) {
	f.Add(mutant(f))
	f.Add(twoDisks(f))
	f.Add([]byte(descriptor(`<File ovf:id="f" ovf:href="disk"/>`, `<Disk ovf:diskId="base"/>`)))
	f.Fuzz(func(t *testing.T, b []byte) { readAll(bytes.NewReader(b)) })
}
