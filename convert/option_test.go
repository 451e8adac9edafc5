package convert

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
)

// TestOptionRows holds each row to what its writer does: the default is what is
// written without the option, each listed value is taken, others are not.
func TestOptionRows(t *testing.T) {
	src := bytesDisk(1 << 20)
	write := func(f, name, value string) (os.FileInfo, string, error) {
		dir := t.TempDir()
		out := &Output{Path: filepath.Join(dir, "out"), Format: f}
		if name != "" {
			if err := out.Set(name, value); err != nil {
				return nil, "", err
			}
		}
		if name == "secure_boot" && value == "on" {
			out.OVA.Firmware = "efi"
		}
		if _, err := ToFile(context.Background(), src, out, &Options{NoClone: true}); err != nil {
			return nil, "", err
		}
		fi, err := os.Stat(out.Path)
		info, _, derr := format.DescribeFile(out.Path, &format.Options{Format: f})
		if f == "tar.gz" {
			return fi, "", err
		}
		if derr != nil {
			t.Fatalf("%s %s=%s: %v", f, name, value, derr)
		}
		return fi, info.Subformat + info.Version + info.Compat + info.CompressionType, err
	}
	for _, f := range Formats() {
		plain, said, err := write(f, "", "")
		if err != nil {
			t.Fatal(err)
		}
		before := ""
		for _, o := range FormatOptions(f) {
			if o.Help == "" || o.Kind == "" || strings.HasSuffix(o.Help, ".") || o.Name <= before {
				t.Errorf("%s: the row %+v is not complete, or not in order", f, o)
			}
			before = o.Name
			if err := new(Output).Set(o.Name, "x"); !errors.Is(err, block.ErrOption) {
				t.Errorf("an image of no format has the option %s: %v", o.Name, err)
			}
			if o.Default != "" {
				fi, text, err := write(f, o.Name, o.Default)
				if err != nil || text != said || f != "ova" && fi.Size() != plain.Size() {
					t.Errorf("%s: %s=%s is not the default: %q and %q, %v", f, o.Name, o.Default, text, said, err)
				}
			}
			values := o.Values
			if o.Kind == KindBool {
				values = []string{"on", "off"}
			}
			for _, v := range values {
				switch o.Name {
				case "data_file_raw", "zeroed_grain", "extended_l2":
					continue // need another option, or no other
				}
				if f == "vmdk" && o.Name == "subformat" {
					continue // files beside it: TestWriteVMDK
				}
				if _, _, err := write(f, o.Name, v); err != nil {
					t.Errorf("%s: %s=%s: %v", f, o.Name, v, err)
				}
			}
			if len(values) > 0 || o.Kind != KindText {
				if err := (&Output{Format: f}).Set(o.Name, "nonsense"); !errors.Is(err, block.ErrOption) {
					t.Errorf("%s: %s=nonsense: %v", f, o.Name, err)
				}
			}
		}
		if err := (&Output{Format: f}).Set("nonsense", "1"); !errors.Is(err, block.ErrOption) {
			t.Errorf("%s: nonsense=1: %v", f, err)
		}
	}
	for _, c := range []struct {
		format, typ, level string
		good               bool
	}{
		{"qcow2", "zstd", "9", true}, {"qcow2", "", "", true}, {"vmdk", "zlib", "", true}, {"vmdk", "zstd", "", false},
		{"ova", "", "3", true}, {"raw", "", "", false}, {"tar.gz", "", "", true}, {"tar.gz", "zstd", "", false}, {"qcow2", "", "x", false},
	} {
		if err := (&Output{Format: c.format}).SetCompression(c.typ, c.level); (err == nil) != c.good {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
