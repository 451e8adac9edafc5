package guestkit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
)

// A disk is laid out as a platform asks.
func ExampleConvert() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c, err := guestkit.Convert(context.Background(), "testdata/images/debian12-uefi.qcow2", filepath.Join(dir, "disk.vhd"), &guestkit.ConvertOptions{Platform: "azure"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Sources[0].Format, "to", c.Output.Format, c.Output.VHD.Subformat)
	// Output: qcow2 to vhd fixed
}

// TestConvert goes through the choices between an image, a stream and a package.
func TestConvert(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "a.raw")
	disk := bytes.Repeat([]byte("guestkit"), 1<<17)
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	var piped bytes.Buffer
	for name, c := range map[string]struct {
		src, dst string
		o        *guestkit.ConvertOptions
		wrong    error
	}{
		"by name":            {raw, "a.qcow2", nil, nil},
		"stdin":              {"-", "b.qcow2", &guestkit.ConvertOptions{Stdin: bytes.NewReader(disk)}, nil},
		"stdin is not ours":  {"-", "no.qcow2", nil, block.ErrOption},
		"stdin to a package": {"-", "no.ova", &guestkit.ConvertOptions{Stdin: bytes.NewReader(disk)}, block.ErrOption},
		"package":            {raw, "c.ova", &guestkit.ConvertOptions{Add: []string{raw}}, nil},
		"two disks":          {raw, "no.qcow2", &guestkit.ConvertOptions{Add: []string{raw}}, block.ErrOption},
		"part":               {raw, "d.raw", &guestkit.ConvertOptions{Part: &convert.Range{Off: 4096, Len: -1}}, nil},
		"part past the end":  {raw, "no.raw", &guestkit.ConvertOptions{Part: &convert.Range{Off: 4096, Len: 1 << 30}}, block.ErrTruncated},
		"large":              {raw, "no.raw", &guestkit.ConvertOptions{MaxVirtualSize: 1000}, block.ErrLimit},
		"stdout":             {raw, "-", &guestkit.ConvertOptions{Stdout: &piped}, nil},
		"stdout, no image":   {raw, "-", &guestkit.ConvertOptions{Stdout: &piped, Output: convert.Output{Format: "qcow2"}}, block.ErrOption},
		"no format":          {raw, "no.thing", nil, block.ErrOption},
		"unknown platform":   {raw, "no.vhd", &guestkit.ConvertOptions{Platform: "mars"}, block.ErrOption},
		"another format":     {raw, "no.qcow2", &guestkit.ConvertOptions{Platform: "azure"}, block.ErrOption},
		"format in capitals": {raw, "e.img", &guestkit.ConvertOptions{Output: convert.Output{Format: "QCOW2"}}, nil},
	} {
		dst := c.dst
		if dst != "-" {
			dst = filepath.Join(dir, dst)
		}
		_, err := guestkit.Convert(ctx, c.src, dst, c.o)
		if c.wrong != nil && !errors.Is(err, c.wrong) || c.wrong == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dst); strings.HasPrefix(c.dst, "no.") && err == nil {
			t.Errorf("%s: it is there", name)
		}
	}
	if !bytes.Equal(piped.Bytes(), disk) {
		t.Errorf("the stream has %d bytes", piped.Len())
	}
	for name, f := range map[string]string{"a.qcow2": "qcow2", "b.qcow2": "qcow2", "c.ova": "ova", "e.img": "qcow2"} {
		info, _, err := format.DescribeFile(filepath.Join(dir, name), nil)
		if err != nil || info.Format != f || f == "ova" && len(info.Disks) != 2 {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	stop, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := guestkit.Convert(stop, raw, filepath.Join(dir, "stopped.qcow2"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}
