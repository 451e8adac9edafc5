package vmdk_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/vmdk"
)

// plan has stored, zeroed and missing grains over three grain tables, one of
// which is empty.
const plan = "dd.zd..dddzz.d.d" + "................" + "d.dz.d"

func sectors(plan string) int { return len(plan) * grain / sector }

func open(t *testing.T, image []byte, d dir) *vmdk.Image {
	t.Helper()
	im, err := vmdk.Open(bytes.NewReader(image), &vmdk.Options{Opener: d.open})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

func self(createType string) string {
	return descriptor(createType, "", fmt.Sprintf(`RW %d SPARSE "x.vmdk"`, sectors(plan)))
}

func TestKinds(t *testing.T) {
	n := sectors(plan)
	want := disk(plan)
	for name, c := range map[string]struct {
		image []byte
		files dir
		kind  string
	}{
		"monolithicSparse": {hosted(plan, self("monolithicSparse"), nil), nil, "monolithicSparse"},
		"stream version 1": {stream(plan, 1, nil), nil, "streamOptimized"},
		"stream version 3": {stream(plan, 3, nil), nil, "streamOptimized"},
		"flat": {[]byte(descriptor("monolithicFlat", "", fmt.Sprintf(`RW %d FLAT "x-flat.vmdk" 3`, n))),
			dir{"x-flat.vmdk": append(make([]byte, 3*sector), want...)}, "monolithicFlat"},
		"vmfs":         {[]byte(descriptor("vmfs", "", fmt.Sprintf(`RW %d VMFS "x-flat.vmdk"`, n))), dir{"x-flat.vmdk": want}, "vmfs"},
		"split sparse": {[]byte(descriptor("twoGbMaxExtentSparse", "", fmt.Sprintf(`RW %d SPARSE "x-s001.vmdk"`, n))), dir{"x-s001.vmdk": hosted(plan, "", nil)}, "twoGbMaxExtentSparse"},
		"vmfsSparse":   {[]byte(descriptor("vmfsSparse", "", fmt.Sprintf(`RW %d VMFSSPARSE "x-delta.vmdk"`, n))), dir{"x-delta.vmdk": cowd(plan, 3, nil)}, "vmfsSparse"},
		"seSparse":     {[]byte(descriptor("seSparse", "", fmt.Sprintf(`RW %d SESPARSE "x-sesparse.vmdk"`, n))), dir{"x-sesparse.vmdk": sesparse(plan, nil)}, "seSparse"},
		"COWD alone":   {cowd(plan, 3, nil), nil, "vmfsSparse"},
		"CRLF": {[]byte(strings.ReplaceAll(descriptor("vmfs", "", fmt.Sprintf(`RW %d VMFS "x-flat.vmdk"`, n)), "\n", "\r\n")),
			dir{"x-flat.vmdk": want}, "vmfs"},
	} {
		t.Run(name, func(t *testing.T) {
			im := open(t, c.image, c.files)
			testimg.TestDevice(t, im, bytes.NewReader(want), grain)
			if i := im.Info(); i.Subformat != c.kind || i.Size != int64(len(want)) {
				t.Errorf("Info = %+v", i)
			}
			if len(im.Problems()) != 0 {
				t.Errorf("problems: %v", im.Problems())
			}
		})
	}
}

func TestSeveralExtents(t *testing.T) {
	want := append(append(disk("d.dz"), make([]byte, 5*sector)...), disk("dd")...)
	text := descriptor("twoGbMaxExtentFlat", "", `RW 32 SPARSE "a.vmdk"`, `RW 5 ZERO`, `RDONLY 16 FLAT "b.vmdk" 0`)
	im := open(t, []byte(text), dir{"a.vmdk": hosted("d.dz", "", nil), "b.vmdk": disk("dd")})
	testimg.TestDevice(t, im, bytes.NewReader(want), grain)
	im.Close()
	if _, err := im.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadAt after Close: %v", err)
	}
}

func TestUnusedGrainBehindTheEnd(t *testing.T) {
	// The disk ends in the middle of its last grain.
	image := stream("dd", 3, func(b []byte) {
		le.PutUint64(b[0x0c:], 11)
		le.PutUint64(b[len(b)-2*sector+0x0c:], 11)
	})
	im, err := vmdk.Open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes.NewReader(disk("dd")[:11*sector]), grain)
	if ps := im.Problems(); len(ps) != 1 { // the descriptor says 16 sectors
		t.Errorf("problems: %v", ps)
	}
}

func TestDelta(t *testing.T) {
	base := hosted("dddd", descriptor("monolithicSparse", "", `RW 32 SPARSE "base.vmdk"`), nil)
	text := strings.Replace(descriptor("monolithicSparse", `parentFileNameHint="base.vmdk"`, `RW 40 SPARSE "x.vmdk"`), "parentCID=ffffffff", "parentCID=0badf00d", 1)
	child := hosted("..zd.", text, nil)
	want := make([]byte, 5*grain)
	copy(want, disk("dd"))
	copy(want[3*grain:], fill(3))
	im := open(t, child, dir{"base.vmdk": base})
	testimg.TestDevice(t, im, bytes.NewReader(want), grain)
	if e, _ := im.Extent(0); e.Depth != 1 {
		t.Errorf("a grain of the parent has depth %d", e.Depth)
	}
	for name, c := range map[string]struct {
		files dir
		want  error
	}{
		"refused":          {nil, block.ErrRefused},
		"missing":          {dir{}, os.ErrNotExist},
		"parent is itself": {dir{"base.vmdk": hosted("dddd", strings.Replace(descriptor("monolithicSparse", "", `RW 32 SPARSE "b"`), "0badf00d", "00000001", 1), nil)}, block.ErrParent},
	} {
		o := &vmdk.Options{}
		if c.files != nil {
			o.Opener = c.files.open
		}
		if _, err := vmdk.Open(bytes.NewReader(child), o); !errors.Is(err, c.want) || !errors.Is(err, block.ErrParent) {
			t.Errorf("%s: %v, want %v and ErrParent", name, err, c.want)
		}
	}
	if i, _, err := vmdk.Describe(bytes.NewReader(child), nil); err != nil || i.ParentName != "base.vmdk" || i.ParentCID != 0x0badf00d {
		t.Errorf("Describe = %+v, %v", i, err)
	}
	// A delta whose extent is of another kind.
	text = strings.Replace(descriptor("seSparse", `parentFileNameHint="base.vmdk"`, `RW 40 SESPARSE "x-sesparse.vmdk"`), "parentCID=ffffffff", "parentCID=0badf00d", 1)
	testimg.TestDevice(t, open(t, []byte(text), dir{"base.vmdk": base, "x-sesparse.vmdk": sesparse("..zd.", nil)}), bytes.NewReader(want), grain)
}

func TestRedundantDirectory(t *testing.T) {
	for name, change := range map[string]func([]byte){
		"entry past the end":     func(b []byte) { le.PutUint32(b[22*sector+4:], 0x7fffffff) },
		"entry over the header":  func(b []byte) { le.PutUint32(b[22*sector+8:], 1) },
		"directory past the end": func(b []byte) { le.PutUint64(b[0x38:], 1<<40) },
	} {
		im := open(t, hosted(plan, self("monolithicSparse"), change), nil)
		testimg.TestDevice(t, im, bytes.NewReader(disk(plan)), grain)
		if len(im.Problems()) == 0 {
			t.Errorf("%s: no problem is reported", name)
		}
	}
}

func TestHostile(t *testing.T) {
	put32 := func(at int, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[at:], v) } }
	put64 := func(at int, v uint64) func([]byte) { return func(b []byte) { le.PutUint64(b[at:], v) } }
	const rgt, gt, stored = 23 * sector, 26 * sector, 29 * sector // of plan: tables, first grain
	entry := func(v uint32) func([]byte) { return put32(gt, v) }
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"V01 granularity":        {put64(0x14, 1<<64-1), block.ErrCorrupt},
		"grain 0":                {put64(0x14, 0), block.ErrCorrupt},
		"grain of 3 sectors":     {put64(0x14, 3), block.ErrCorrupt},
		"V02 entries a table":    {put32(0x2c, 0xffffffff), block.ErrLimit},
		"513 entries a table":    {put32(0x2c, 513), block.ErrLimit},
		"V03 grain directory":    {func(b []byte) { put64(0x0c, 0x4000000000000)(b); put32(0x2c, 1)(b) }, block.ErrLimit},
		"directory of 32 Mi + 1": {func(b []byte) { put64(0x0c, (32<<20)*8+1)(b); put32(0x2c, 1)(b) }, block.ErrLimit},
		"directory, short file":  {func(b []byte) { put64(0x0c, (32<<20)*8)(b); put32(0x2c, 1)(b) }, block.ErrTruncated},
		"V04 no entries a table": {put32(0x2c, 0), block.ErrCorrupt},
		"V05 version":            {put32(4, 9), block.ErrUnsupported},
		"V06 descriptor offset":  {put64(0x1c, 0x100000), block.ErrCorrupt},
		"V07 descriptor size":    {put64(0x24, 0x100000), block.ErrLimit},
		"line ends":              {func(b []byte) { b[0x4b] = '\n' }, block.ErrCorrupt},
		"compression 2":          {func(b []byte) { b[0x4d] = 2 }, block.ErrUnsupported},
		"grain past the end":     {entry(0x7fffffff), block.ErrTruncated},
		"grain over the header":  {entry(0), nil},
		"grain over directory":   {entry(22), block.ErrCorrupt},
		"grain over descriptor":  {entry(3), block.ErrCorrupt},
		"grain over its table":   {entry(gt/sector - 1), block.ErrCorrupt},
		"no footer":              {put64(0x38, 1<<64-1), block.ErrTruncated},
		"entry 1 without flag":   {func(b []byte) { put32(8, 3)(b); put32(gt, 1)(b) }, block.ErrCorrupt},
		"both directories bad":   {func(b []byte) { put64(0x38, 1<<50)(b); put64(0x30, 1<<51)(b) }, block.ErrTruncated},
		"both entries bad":       {func(b []byte) { put32(22*sector, 1<<30)(b); put32(21*sector, 1<<30)(b) }, block.ErrTruncated},
		"directory over header":  {func(b []byte) { put32(8, 5)(b); put64(0x38, 0)(b) }, block.ErrCorrupt},
	} {
		image := hosted(plan, self("monolithicSparse"), c.change)
		im, err := vmdk.Open(bytes.NewReader(image), nil)
		if err == nil {
			err = testimg.ReadDevice(im, im.Size())
			if e := testimg.Extents(im); !errors.Is(e, c.want) {
				t.Errorf("%s: the extents give %v, want %v", name, e, c.want)
			}
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestHostileStreams(t *testing.T) {
	var bomb bytes.Buffer
	w := zlib.NewWriter(&bomb)
	w.Write(make([]byte, 1<<20))
	w.Close()
	const first = 21 * sector // the first grain's marker
	end := func(b []byte) int { return len(b) - 3*sector }
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"V16 grain size":      {func(b []byte) { le.PutUint32(b[first+8:], 0xffffffff) }, block.ErrCorrupt},
		"V17 bomb":            {func(b []byte) { le.PutUint32(b[first+8:], uint32(bomb.Len())); copy(b[first+12:], bomb.Bytes()) }, block.ErrCorrupt},
		"no data":             {func(b []byte) { le.PutUint32(b[first+8:], 0) }, block.ErrCorrupt},
		"cut data":            {func(b []byte) { le.PutUint32(b[first+8:], 100) }, block.ErrCorrupt},
		"bad checksum":        {func(b []byte) { n := le.Uint32(b[first+8:]); b[first+12+n-1] ^= 1 }, block.ErrCorrupt},
		"another grain's":     {func(b []byte) { le.PutUint64(b[first:], 8) }, block.ErrCorrupt},
		"no footer marker":    {func(b []byte) { b[end(b)+12] = 7 }, block.ErrTruncated},
		"footer disagrees":    {func(b []byte) { b[end(b)+sector+0x0c]++ }, block.ErrCorrupt},
		"footer sends to one": {func(b []byte) { le.PutUint64(b[end(b)+sector+0x38:], 1<<64-1) }, block.ErrCorrupt},
	} {
		im, err := vmdk.Open(bytes.NewReader(stream("dd", 3, c.change)), nil)
		if err == nil {
			err = testimg.ReadDevice(im, im.Size())
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	whole := stream("dd", 3, nil)
	if _, err := vmdk.Open(bytes.NewReader(whole[:len(whole)-sector]), nil); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("a stream cut at its end: %v, want ErrTruncated", err)
	}
}

func TestHostileExtents(t *testing.T) {
	put32 := func(at int, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[at:], v) } }
	put64 := func(at int, v uint64) func([]byte) { return func(b []byte) { le.PutUint64(b[at:], v) } }
	for name, c := range map[string]struct {
		kind string
		b    []byte
		want error
	}{
		"COWD version":          {"VMFSSPARSE", cowd("d.d", 3, put32(4, 2)), block.ErrUnsupported},
		"COWD grain":            {"VMFSSPARSE", cowd("d.d", 3, put32(0x10, 0)), block.ErrCorrupt},
		"COWD directory":        {"VMFSSPARSE", cowd("d.d", 3, put32(0x18, 0xffffffff)), block.ErrLimit},
		"COWD directory cut":    {"VMFSSPARSE", cowd("d.d", 3, put32(0x18, 1<<20)), block.ErrTruncated},
		"COWD too small":        {"VMFSSPARSE", cowd("d.d", 3, put32(0x0c, 1<<30)), block.ErrCorrupt},
		"COWD over header":      {"VMFSSPARSE", cowd("d.d", 3, put32(0x14, 1)), block.ErrCorrupt},
		"COWD grain past end":   {"VMFSSPARSE", cowd("d.d", 3, put32(2048+512, 1<<30)), block.ErrTruncated},
		"COWD shorter":          {"VMFSSPARSE", cowd("d", 3, nil), block.ErrCorrupt},
		"seSparse version":      {"SESPARSE", sesparse("d.d", put64(8, 0x100000001)), block.ErrUnsupported},
		"seSparse grain":        {"SESPARSE", sesparse("d.d", put64(0x18, 16)), block.ErrUnsupported},
		"seSparse journal":      {"SESPARSE", sesparse("d.d", put64(512+0x18, 1)), block.ErrUnsupported},
		"seSparse volatile":     {"SESPARSE", sesparse("d.d", put64(512, 0)), block.ErrCorrupt},
		"seSparse offset":       {"SESPARSE", sesparse("d.d", put64(0x80, 1<<62)), block.ErrCorrupt},
		"seSparse capacity":     {"SESPARSE", sesparse("d.d", put64(0x10, 1<<62)), block.ErrLimit},
		"seSparse directory":    {"SESPARSE", sesparse("d.d", put64(0x88, 0)), block.ErrCorrupt},
		"seSparse entry":        {"SESPARSE", sesparse("d.d", put64(16*512, 0x2000000000000000)), block.ErrCorrupt},
		"seSparse table number": {"SESPARSE", sesparse("d.d", put64(16*512, 0x1000000000000001)), block.ErrCorrupt},
		"seSparse grain kind":   {"SESPARSE", sesparse("d.d", put64(32*512, 7<<60)), block.ErrCorrupt},
		"seSparse grain number": {"SESPARSE", sesparse("d.d", put64(32*512, 3<<60|0xffff)), block.ErrCorrupt},
		"seSparse grains 0":     {"SESPARSE", sesparse("d.d", put64(0xc0, 0)), block.ErrCorrupt},
		"seSparse over tables":  {"SESPARSE", sesparse("d.d", put64(0xc0, 90)), block.ErrCorrupt},
		"seSparse tables":       {"SESPARSE", sesparse("d.d", put64(0x90, 16)), block.ErrCorrupt},
		"seSparse cut":          {"SESPARSE", sesparse("d.d", nil)[:97*512], block.ErrTruncated},
		"not what it says":      {"SPARSE", cowd("d.d", 3, nil), block.ErrFormat},
	} {
		text := descriptor("custom", "", fmt.Sprintf(`RW 24 %s "x"`, c.kind))
		text = strings.Replace(text, "custom", map[string]string{"VMFSSPARSE": "vmfsSparse", "SESPARSE": "seSparse", "SPARSE": "twoGbMaxExtentSparse"}[c.kind], 1)
		im, err := vmdk.Open(strings.NewReader(text), &vmdk.Options{Opener: dir{"x": c.b}.open})
		if err == nil {
			err = testimg.ReadDevice(im, im.Size())
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, b := range map[string][]byte{"COWD delta": cowd("d.d", 2, nil), "seSparse": sesparse("d.d", nil)} {
		if _, err := vmdk.Open(bytes.NewReader(b), nil); !errors.Is(err, block.ErrParent) {
			t.Errorf("%s alone: %v, want ErrParent", name, err)
		}
	}
	if _, err := vmdk.Open(bytes.NewReader(hosted("d", "", nil)), nil); !errors.Is(err, block.ErrUnsupported) {
		t.Error("one extent of several was opened as a disk")
	}
}

// TestReferences has descriptors that name what they should not; the Opener
// must not even be asked.
func TestReferences(t *testing.T) {
	for _, name := range []string{"/etc/passwd", "../../../../etc/passwd", "sub/x.vmdk", `sub\x.vmdk`, "C:x", "nbd:host:10809", "json:{}", "-x", "", ".", "..", "a\x00b", "/dev/zero"} {
		text := descriptor("monolithicFlat", "", fmt.Sprintf("RW 8 FLAT \"%s\" 0", name))
		_, err := vmdk.Open(strings.NewReader(text), &vmdk.Options{Opener: func(r block.Ref) (block.Device, error) {
			t.Errorf("the Opener was asked for %q", r.Name)
			return nil, block.ErrRefused
		}})
		if want := block.ErrRefused; !errors.Is(err, want) && !(name == "a\x00b" && errors.Is(err, block.ErrCorrupt)) {
			t.Errorf("%q: %v, want ErrRefused", name, err)
		}
	}
	text := descriptor("monolithicFlat", "", `RW 8 FLAT "x-flat.vmdk" 0`)
	if _, err := vmdk.Open(strings.NewReader(text), nil); !errors.Is(err, block.ErrRefused) {
		t.Errorf("without an Opener: %v, want ErrRefused", err)
	}
}

func TestHostileDescriptors(t *testing.T) {
	many := strings.Repeat("RW 8 ZERO\n", vmdk.MaxExtents+1)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"V11 extents":       {descriptor("twoGbMaxExtentFlat", "", many), block.ErrLimit},
		"V12 overflow":      {descriptor("monolithicFlat", "", `RW 9223372036854775807 ZERO`, `RW 9223372036854775807 ZERO`), block.ErrCorrupt},
		"sum too large":     {descriptor("monolithicFlat", "", `RW 137438953472 ZERO`, `RW 1 ZERO`), block.ErrCorrupt},
		"V15 createType":    {descriptor("custom-\x1b]0;pwn\x07", "", `RW 8 ZERO`), block.ErrUnsupported},
		"device":            {descriptor("fullDevice", "", `RW 8 FLAT "\\.\PhysicalDrive0" 0`), block.ErrUnsupported},
		"raw device":        {descriptor("vmfsRawDeviceMap", "", `RW 8 VMFSRDM "x-rdm.vmdk"`), block.ErrUnsupported},
		"no extents":        {descriptor("vmfs", ""), block.ErrCorrupt},
		"no createType":     {"# Disk DescriptorFile\nRW 8 ZERO\n", block.ErrCorrupt},
		"a line of nothing": {descriptor("vmfs", "RQ 8 ZERO", `RW 8 ZERO`), block.ErrCorrupt},
		"second CID":        {descriptor("vmfs", "CID=1", `RW 8 ZERO`), block.ErrCorrupt},
		"CID":               {descriptor("vmfs", "x=y", `RW 8 ZERO`)[:len("# Disk DescriptorFile\nversion=1\nCID=0")] + "xyz\n", block.ErrCorrupt},
		"negative size":     {descriptor("vmfs", "", `RW -8 ZERO`), block.ErrCorrupt},
		"open quote":        {descriptor("vmfs", "", `RW 8 VMFS "x`), block.ErrCorrupt},
		"words behind":      {descriptor("vmfs", "", `RW 8 VMFS x 0`), block.ErrCorrupt},
		"offset of sparse":  {descriptor("vmfs", "", `RW 8 SPARSE "x" 9`), block.ErrCorrupt},
		"kind":              {descriptor("vmfs", "", `RW 8 CLOUD "x"`), block.ErrUnsupported},
		"no access":         {descriptor("vmfs", "", `NOACCESS 8 VMFS "x"`), block.ErrUnsupported},
		"flat too short":    {descriptor("vmfs", "", `RW 8 VMFS "x"`), block.ErrTruncated},
		"large":             {descriptor("vmfs", strings.Repeat("#", vmdk.MaxDescriptor), `RW 8 ZERO`), block.ErrLimit},
		"something else":    {"# Disk Descriptor\n", block.ErrFormat},
		"empty":             {"", block.ErrFormat},
	} {
		_, err := vmdk.Open(strings.NewReader(c.text), &vmdk.Options{Opener: dir{"x": make([]byte, 8*sector-1)}.open})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\x07") {
			t.Errorf("%s: the error has control characters: %q", name, err)
		}
	}
}

func TestUnknownKeysAreReported(t *testing.T) {
	im := open(t, []byte(descriptor("vmfs", `futureKey="x"`, `RW 8 ZERO`)), nil)
	if ps := im.Problems(); len(ps) != 1 || !strings.Contains(ps[0].Error(), "futureKey") {
		t.Errorf("problems: %v", ps)
	}
}

// TestLargeDiskTakesLittle reads from a disk of 60 TiB whose tables would not
// fit into the cache.
func TestLargeDiskTakesLittle(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "big.vmdk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Header and descriptor as for a small one, a directory of 128 MiB behind.
	b := hosted("d", descriptor("monolithicSparse", "", `RW 128849018880 SPARSE "x"`), func(b []byte) {
		le.PutUint64(b[0x0c:], 60<<40/512)
		le.PutUint64(b[0x14:], 128)
		le.PutUint32(b[0x2c:], 512)
		le.PutUint32(b[8:], 1|4)
		le.PutUint64(b[0x38:], 1<<20/512)
	})
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	tr := &testimg.Trace{Reader: testimg.File(t, path)}
	im, err := vmdk.Open(tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := im.ReadAt(make([]byte, 4096), 59<<40); n != 4096 || err != nil {
		t.Fatal(n, err)
	}
	if tr.Bytes() > 64<<10 {
		t.Errorf("one read took %d bytes of the file", tr.Bytes())
	}
}

func TestMutations(t *testing.T) {
	for name, c := range map[string]struct {
		b     []byte
		where []testimg.Range
	}{
		"sparse": {hosted(plan, self("monolithicSparse"), nil), []testimg.Range{{Off: 0, N: 0x50}, {Off: 512, N: 300}, {Off: 21 * 512, N: 16}, {Off: 22 * 512, N: 16}, {Off: 26 * 512, N: 64}}},
		"stream": {stream(plan, 3, nil), nil},
		"cowd":   {cowd(plan, 3, nil), []testimg.Range{{Off: 0, N: 0x20}, {Off: 2048, N: 8}, {Off: 2048 + 512, N: 160}}},
		"text":   {[]byte(descriptor("vmfs", "parentFileNameHint=\"x\"", `RW 8 VMFS "x" 0`, `RW 8 SESPARSE "se"`, `RW 8 ZERO`)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			files := dir{"x": make([]byte, 8192), "se": sesparse("d.d", nil)}
			testimg.Mutate(t, testimg.Mutations{Image: c.b, Where: c.where, Run: func(r block.Reader) error {
				im, err := vmdk.Open(r, &vmdk.Options{Opener: files.open})
				if err != nil {
					return err
				}
				defer im.Close()
				return testimg.ReadDevice(im, 64<<20)
			}})
		})
	}
	t.Run("sesparse", func(t *testing.T) {
		testimg.Mutate(t, testimg.Mutations{Image: sesparse(plan, nil), Where: []testimg.Range{{Off: 0, N: 0xd0}, {Off: 512, N: 32}, {Off: 16 * 512, N: 8}, {Off: 32 * 512, N: 320}}, Run: func(r block.Reader) error {
			im, err := vmdk.Open(strings.NewReader(descriptor("seSparse", "", fmt.Sprintf(`RW %d SESPARSE "x"`, sectors(plan)))),
				&vmdk.Options{Opener: func(block.Ref) (block.Device, error) { return block.Plain(r), nil }})
			if err != nil {
				return err
			}
			return testimg.ReadDevice(im, 64<<20)
		}})
	})
}

func FuzzOpen(f *testing.F) {
	files := dir{"x": make([]byte, 8192), "se": sesparse("d.d", nil), "cowd": cowd("d.d", 3, nil)}
	f.Add(hosted(plan, self("monolithicSparse"), nil))
	f.Add(stream("d.d", 3, nil))
	f.Add(cowd("d.d", 3, nil))
	f.Add([]byte(descriptor("vmfs", "parentFileNameHint=\"x\"", `RW 8 VMFS "x" 0`, `RW 8 SESPARSE "se"`, `RW 8 VMFSSPARSE "cowd"`, `RW 8 ZERO`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if im, err := vmdk.Open(bytes.NewReader(b), &vmdk.Options{Opener: files.open}); err == nil {
			testimg.ReadDevice(im, 16<<20)
			im.Close()
		}
	})
}

func FuzzSESparse(f *testing.F) {
	f.Add(sesparse("d.zu", nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		text := descriptor("seSparse", "", `RW 32 SESPARSE "x"`)
		if im, err := vmdk.Open(strings.NewReader(text), &vmdk.Options{Opener: dir{"x": b}.open}); err == nil {
			testimg.ReadDevice(im, 16<<20)
			im.Close()
		}
	})
}
