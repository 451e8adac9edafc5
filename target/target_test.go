package target

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
)

// breaks has, for each rule of each target, what makes an image that keeps all
// rules break that one. The image is the target's first output, or that of the
// format named before a slash.
var breaks = map[string]func(f *Facts){
	"azure format":  func(f *Facts) { f.Format = "vhdx" },
	"azure fixed":   func(f *Facts) { f.Subformat = "dynamic" },
	"azure aligned": func(f *Facts) { f.Size += 512; f.FileSize = f.Size + 512 },
	"azure footer":  func(f *Facts) { f.FileSize = f.Size + 511 },
	"azure small":   func(f *Facts) { f.Size = 19 * mib; f.FileSize = f.Size + 512 },
	"azure size":    func(f *Facts) { f.Size = 4095*gib + mib; f.FileSize = f.Size + 512 },

	"aws format":      func(f *Facts) { f.Format = "qcow2" },
	"aws vmdk":        func(f *Facts) { f.Subformat = "monolithicSparse" },
	"aws vhd/vhd":     func(f *Facts) { f.Subformat = "differencing" },
	"aws vhdx/vhdx":   func(f *Facts) { f.Subformat = "differencing" },
	"aws plain":       func(f *Facts) { f.Encryption = "LUKS" },
	"aws whole":       func(f *Facts) { f.Parent = "base" },
	"aws volumes/ova": func(f *Facts) { f.Disks = make([]*Facts, 22); fill(f.Disks) },

	"gcp format":  func(f *Facts) { f.Format, f.Members = "raw", nil },
	"gcp member":  func(f *Facts) { f.Members[0].name = "other.raw" },
	"gcp oldgnu":  func(f *Facts) { f.Members[0].old = false },
	"gcp aligned": func(f *Facts) { f.Size += mib },

	"esxi format":      func(f *Facts) { *f = Facts{Format: "raw", Size: mib} },
	"esxi vmdk":        func(f *Facts) { f.Subformat = "monolithicFlat" },
	"esxi vmdk/ova":    func(f *Facts) { f.Disks[0].Format, f.Disks[0].Subformat = "qcow2", "" },
	"esxi adapter":     func(f *Facts) { f.Adapter = "pvscsi" },
	"esxi adapter/ova": func(f *Facts) { f.Disks[0].Adapter = "" },
	"esxi version":     func(f *Facts) { f.Version = 1 },
	"esxi aligned":     func(f *Facts) { f.Size += 512 },
	"esxi size":        func(f *Facts) { f.Size = 62*tib + mib },
	"esxi whole":       func(f *Facts) { f.Parent = "base" },

	"hyperv format":       func(f *Facts) { f.Format = "vdi" },
	"hyperv whole":        func(f *Facts) { f.Parent = "base" },
	"hyperv vhd-size/vhd": func(f *Facts) { f.Size = 2040*gib + mib },
	"hyperv vhdx-size":    func(f *Facts) { f.Size = 64*tib + mib },
	"hyperv sectors":      func(f *Facts) { f.SectorSize = 4096; f.Size += 512 },

	"virtualbox format":    func(f *Facts) { f.Format = "qcow2" },
	"virtualbox vmdk/vmdk": func(f *Facts) { f.Subformat = "seSparse" },
	"virtualbox whole":     func(f *Facts) { f.Parent = "base" },

	"proxmox format":        func(f *Facts) { f.Format = "vhdx" },
	"proxmox whole":         func(f *Facts) { f.DataFile = "data" },
	"proxmox one-file/vmdk": func(f *Facts) { f.Subformat = "monolithicFlat" },
	"proxmox aligned":       func(f *Facts) { f.Size++ },

	"kubevirt format":   func(f *Facts) { *f = Facts{Format: "tar.gz", Size: mib} },
	"kubevirt whole":    func(f *Facts) { f.Parent = "base" },
	"kubevirt one-file": func(f *Facts) { f.Format, f.Subformat = "vmdk", "monolithicFlat" },
	"kubevirt plain":    func(f *Facts) { f.Encryption = "AES" },
	"kubevirt aligned":  func(f *Facts) { f.Size++ },
}

func fill(disks []*Facts) {
	for i := range disks {
		d := streamed()
		d.Size = mib
		disks[i] = &d
	}
}

// good is an image that keeps the rules of the target, of one of its outputs.
func good(o output) *Facts {
	f := o.facts
	f.Size = gib
	f.FileSize = gib + 512
	f.Members = append([]member(nil), f.Members...)
	for _, d := range f.Disks {
		d.Size = gib
	}
	return &f
}

func TestRules(t *testing.T) {
	tried := map[string]bool{}
	for key, damage := range breaks {
		name, rule, _ := strings.Cut(key, " ")
		rule, kind, chosen := strings.Cut(rule, "/")
		p, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		var f *Facts
		for _, o := range p.outputs {
			if f == nil && (!chosen || o.format == kind) {
				f = good(o)
			}
		}
		if f == nil {
			t.Fatalf("%s: no such output", key)
		}
		if broken := p.Check(f); len(broken) > 0 {
			t.Errorf("%s: a good image breaks %v", key, broken[0])
		}
		damage(f)
		broken := p.Check(f)
		if len(broken) != 1 || broken[0].Rule.ID != rule || broken[0].Detail == "" {
			t.Errorf("%s: breaks %v", key, broken)
		}
		tried[name+" "+rule] = true
	}
	for _, p := range targets() {
		ids := map[string]bool{}
		for _, r := range p.Rules {
			if !tried[p.Name+" "+r.ID] || ids[r.ID] {
				t.Errorf("the rule %s of %s is not tested, or there are two", r.ID, p.Name)
			}
			ids[r.ID] = true
			if r.Text == "" || r.Fix == "" || !strings.HasPrefix(r.Source, "https://") {
				t.Errorf("%s: %+v", p.Name, r)
			}
		}
		for _, o := range p.outputs {
			if broken := p.Check(good(o)); len(broken) > 0 {
				t.Errorf("%s: %s images that are written break %v", p.Name, o.format, broken[0])
			}
		}
	}
}

// TestWritten: what convert writes by the plan keeps the rules when it is read,
// for every target and format, but for Google's, which are a GiB and more.
func TestWritten(t *testing.T) {
	content := bytes.Repeat([]byte("guest"), 300<<10/5)
	content = append(content, make([]byte, 1<<20+512-len(content))...)
	src := block.Plain(bytes.NewReader(content))
	for _, p := range targets() {
		for _, kind := range p.Formats() {
			if kind == "tar.gz" {
				continue
			}
			out := &convert.Output{Path: filepath.Join(t.TempDir(), "out"), Format: kind, Verify: true}
			disk, err := p.Plan(out, src)
			if err != nil {
				t.Errorf("%s %s: %v", p.Name, kind, err)
				continue
			}
			if rest := disk.Size() % p.align; rest != 0 || disk.Size() < src.Size() {
				t.Errorf("%s: a disk of %d bytes", p.Name, disk.Size())
			}
			if _, err := convert.ToFile(context.Background(), disk, out, nil); err != nil {
				t.Errorf("%s %s: %v", p.Name, kind, err)
				continue
			}
			file, err := format.OpenHostFile(out.Path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := Look(context.Background(), file, "")
			if err != nil {
				t.Errorf("%s %s: %v", p.Name, kind, err)
			} else if broken := p.Check(f); len(broken) > 0 {
				t.Errorf("%s %s: %v", p.Name, kind, broken)
			}
			file.Close()
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	azure, _ := Named("azure")
	if _, err := azure.Plan(&convert.Output{Format: "vhdx"}, block.Plain(bytes.NewReader(nil))); !errors.Is(err, block.ErrUnsupported) || !strings.Contains(err.Error(), "vhd") {
		t.Errorf("a format that Azure does not take: %v", err)
	}
	var f *Finding
	if _, err := azure.Plan(&convert.Output{}, large(5000*gib)); !errors.As(err, &f) || f.Rule.ID != "size" {
		t.Errorf("a disk that is too large: %v", err)
	}
	if _, err := Named("mainframe"); err == nil || !strings.Contains(err.Error(), "azure") {
		t.Errorf("Named: %v", err)
	}
}

// large is a disk of zeros.
type large int64

func (l large) Size() int64                             { return int64(l) }
func (l large) ReadAt(p []byte, off int64) (int, error) { clear(p); return len(p), nil }
func (l large) Extent(off int64) (block.Extent, error) {
	return block.Extent{Off: off, Len: int64(l) - off, Zero: true}, nil
}

func pack(t *testing.T, kind tar.Format, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: 4096, Mode: 0o644, Format: kind, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		w.Write(make([]byte, 4096))
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func TestLookArchive(t *testing.T) {
	gcp, _ := Named("gcp")
	ids := func(b []byte) string {
		f, err := Look(context.Background(), bytes.NewReader(b), "")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, x := range gcp.Check(f) {
			out = append(out, x.Rule.ID)
		}
		return strings.Join(out, " ")
	}
	if got := ids(pack(t, tar.FormatGNU, "disk.raw")); got != "aligned" {
		t.Errorf("a small disk breaks %s", got)
	}
	if got := ids(pack(t, tar.FormatUSTAR, "disk.raw", "x")); got != "member oldgnu aligned" {
		t.Errorf("another archive breaks %s", got)
	}
	whole := pack(t, tar.FormatGNU, "disk.raw")
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{"cut": {whole[:len(whole)-10], block.ErrTruncated}, "changed": {append(bytes.Clone(whole[:len(whole)-8]), "changed!"...), block.ErrCorrupt}} {
		if _, err := Look(context.Background(), bytes.NewReader(c.b), ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Look(ctx, bytes.NewReader(whole), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestGoogle writes and reads a whole GiB.
func TestGoogle(t *testing.T) {
	if os.Getenv("GUESTKIT_MUTATIONS") == "" {
		t.Skip("takes long; set GUESTKIT_MUTATIONS")
	}
	gcp, _ := Named("gcp")
	out := &convert.Output{Path: filepath.Join(t.TempDir(), "x.tar.gz"), Verify: true}
	disk, err := gcp.Plan(out, block.Plain(io.NewSectionReader(strings.NewReader("disk"), 0, 4)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := convert.ToFile(context.Background(), disk, out, nil); err != nil {
		t.Fatal(err)
	}
	file, err := format.OpenHostFile(out.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f, err := Look(context.Background(), file, "")
	if err != nil {
		t.Fatal(err)
	}
	if broken := gcp.Check(f); len(broken) > 0 {
		t.Error(broken)
	}
}

// TestPlanAtOnce plans for several disks with one Target.
func TestPlanAtOnce(t *testing.T) {
	aws, err := Named("aws")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, err := aws.Plan(&convert.Output{Format: "ova"}, block.Plain(bytes.NewReader(make([]byte, 512*i)))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
