package format_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/testimg"
)

func split(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "x.001")
}

func TestSplit(t *testing.T) {
	a, b, c := strings.Repeat("a", 4096), strings.Repeat("b", 4096), strings.Repeat("c", 512)
	path := split(t, map[string]string{"x.001": a, "x.002": b, "x.003": c, "x.004x": "", "y.004": "", "x.01": ""})
	im, err := format.OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, strings.NewReader(a+b+c), 512)
	info := im.Info()
	if len(info.Parts) != 3 || info.Parts[2] != strings.TrimSuffix(path, "1")+"3" || info.FileSize != 8704 || info.Format != "raw" {
		t.Errorf("info %+v", info)
	}
	if e, err := im.Extent(5000); err != nil || e.HostOff != 5000-4096 || e.Len != 8192-5000 {
		t.Errorf("extent %+v, %v: it lies verbatim in the second part", e, err)
	}
	if err := im.(interface{ Changed() error }).Changed(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(strings.TrimSuffix(path, "1")+"3", []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := im.(interface{ Changed() error }).Changed(); !errors.Is(err, block.ErrChanged) {
		t.Errorf("a part that changes: %v", err)
	}
	if err := im.Close(); err != nil {
		t.Error(err)
	}
	if info, _, err := format.DescribeFile(path, nil); err != nil || len(info.Parts) != 3 {
		t.Errorf("DescribeFile: %v", err)
	}
	// What is split may be of any format; a part alone is what it is.
	ovf, _, _, _ := threeDisks()
	data := string(tarOf(t, [2]string{"vm.ovf", ovf}, [2]string{"a.raw", "content"}))
	path = split(t, map[string]string{"x.001": data[:1000], "x.002": data[1000:2000], "x.003": data[2000:3000]})
	if _, err := format.OpenFile(path, nil); err == nil { // cut short at 3000 bytes
		t.Error("a package that is cut")
	}
	path = split(t, map[string]string{"x.001": data[:len(data)/2], "x.002": data[len(data)/2:]})
	if im, err = format.OpenFile(path, &format.Options{Disk: "a"}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 7)
	if im.ReadAt(got, 0); !bytes.Equal(got, []byte("content")) {
		t.Errorf("a split package reads %q", got)
	}
	im.Close()
	path = split(t, map[string]string{"x.001": a})
	if im, err = format.OpenFile(path, nil); err != nil || im.Info().Parts != nil {
		t.Errorf("one part: %v", err)
	}
	im.Close()
}

func TestSplitFaults(t *testing.T) {
	a := strings.Repeat("a", 4096)
	for name, files := range map[string]map[string]string{
		"missing":    {"x.001": a, "x.003": a},
		"short":      {"x.001": a, "x.002": "b", "x.003": a},
		"long":       {"x.001": a, "x.002": a + "b"},
		"empty last": {"x.001": a, "x.002": ""},
	} {
		if _, err := format.OpenFile(split(t, files), nil); !errors.Is(err, block.ErrTruncated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := split(t, map[string]string{"x.001": a, "x.003": a})
	second := strings.TrimSuffix(path, "1") + "2"
	if err := os.Mkdir(second, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := format.OpenFile(path, nil); !errors.Is(err, block.ErrRefused) {
		t.Errorf("a folder: %v", err)
	}
	os.Remove(second)
	if err := os.Symlink("/etc/passwd", second); err != nil {
		t.Skip(err)
	}
	if _, err := format.OpenFile(path, nil); err == nil {
		t.Error("a link that leads out was opened")
	}
}
