package fuzz_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/qcow2"
)

// qcow2Seeds gives f the fixtures of package qcow2, each cut down to its start
// too, which is where the fuzzer can do most.
func qcow2Seeds(f *testing.F) {
	f.Helper()
	paths, err := filepath.Glob("../qcow2/testdata/*.qcow2.gz")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range paths {
		b := testimg.Unpack(f, path)
		if strings.Contains(path, "small") || strings.Contains(path, "v2") || strings.Contains(path, "datafile") {
			f.Add(b)
		}
		f.Add(b[:min(len(b), 20<<10)])
	}
}

// FuzzQcow2 opens, reads and maps an image. The extents must agree with the
// bytes wherever both are to be had.
func FuzzQcow2(f *testing.F) {
	qcow2Seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		opener := func(block.Ref) (block.Device, error) { return block.Plain(bytes.NewReader(make([]byte, 5000))), nil }
		r := bytes.NewReader(b)
		info, _, err := qcow2.Describe(r, nil)
		if err != nil {
			return
		}
		names := []string{""}
		for _, s := range info.Snapshots[:min(2, len(info.Snapshots))] {
			names = append(names, s.ID)
		}
		for _, name := range names {
			im, err := qcow2.Open(r, &qcow2.Options{Opener: opener, BackingFormat: "raw", Snapshot: name})
			if err != nil {
				continue
			}
			checkDevice(t, im)
			im.Close()
			if _, err := im.ReadAt(make([]byte, 1), 0); err != os.ErrClosed {
				t.Fatalf("ReadAt after Close: %v", err)
			}
		}
	})
}

// checkDevice reads d along its extents, as far as a fuzzer has time, and
// compares both.
func checkDevice(t *testing.T, d block.Device) {
	t.Helper()
	buf := make([]byte, 4096)
	steps := 0
	for e, err := range block.Extents(d, 0, d.Size()) {
		if steps++; steps > 100 || err != nil {
			return
		}
		if e.Len < 1 || e.Unset && !e.Zero || e.Depth < 0 {
			t.Fatalf("extent %+v", e)
		}
		p := buf[:min(e.Len, int64(len(buf)))]
		if err := block.ReadFull(d, p, e.Off); err != nil {
			if !e.Compressed { // only the inflating can still fail
				t.Fatalf("extent %+v is mapped, but: %v", e, err)
			}
			continue
		}
		if e.Zero && len(bytes.Trim(p, "\x00")) > 0 {
			t.Fatalf("extent %+v holds other bytes", e)
		}
		if e.Host != nil {
			h := make([]byte, len(p))
			if err := block.ReadFull(e.Host, h, e.HostOff); err != nil || !bytes.Equal(h, p) {
				t.Fatalf("extent %+v does not lie verbatim in its host: %v", e, err)
			}
		}
	}
}

// FuzzProbe probes and opens whatever comes; the answers must agree.
func FuzzProbe(f *testing.F) {
	qcow2Seeds(f)
	for _, s := range []string{"", "x", "KDMV", "vhdxfile", "conectix", "# Disk DescriptorFile\n", "BZh91AY&SY", "\x1f\x8b\x08"} {
		f.Add([]byte(s))
		f.Add(append([]byte(s), make([]byte, 1000)...))
		f.Add(append(make([]byte, 1000), s...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := format.Probe(bytes.NewReader(b))
		switch {
		case err != nil && d.Format != "":
			t.Fatalf("%v, and the format %q", err, d.Format)
		case err == nil && (len(d.Candidates) != 1 || d.Candidates[0] != d.Format):
			t.Fatalf("%+v", d)
		}
		for _, r := range d.Reasons {
			if r.Off < 0 || r.Off >= int64(len(b)) {
				t.Fatalf("reason %+v of %d bytes", r, len(b))
			}
		}
		im, err2 := format.Open(bytes.NewReader(b), nil)
		if err != nil && err2 == nil {
			t.Fatalf("Probe: %v, and Open opens it", err)
		}
		if err2 == nil {
			if d.Format != im.Info().Format {
				t.Fatalf("Probe says %s, Open %s", d.Format, im.Info().Format)
			}
			im.Close()
		}
	})
}
