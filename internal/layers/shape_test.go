package layers_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/qed"
	"github.com/guestkit/guestkit/vdi"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vhdx"
	"github.com/guestkit/guestkit/vmdk"
)

// An opened is an image of any format, of which I is what it says about itself.
type opened[I any] interface {
	block.Device
	io.Closer
	Info() I
	Problems() []error
}

// A written is a writer of any format.
type written interface {
	io.WriterAt
	Place(off, n int64) (host, placed int64, err error)
	WriteHost(p []byte, host int64) error
	CloneHost(host, n int64, src *os.File, srcOff int64) error
	CopyHost(host, n int64, src *os.File, srcOff int64) error
	Zero(off, n int64) error
	Granularity() int64
	Commit() error
	Close() error
}

// shape is what every package of an image format has. That it compiles is half
// of the test.
func shape[O, I, L any, M opened[I], W written](
	_ func(block.Reader, *O) (M, error),
	_ func(block.Reader, *O) (I, []error, error),
	_ func(context.Context, block.Reader, *O, func(block.Fault)) (*block.CheckResult, error),
	_ L, _ W,
) [3]reflect.Type {
	return [3]reflect.Type{reflect.TypeFor[O](), reflect.TypeFor[I](), reflect.TypeFor[L]()}
}

// nothing is the Layout and the Writer of a format that is only read.
type nothing struct {
	written
	Size int64
}

// TestShape holds the formats to one shape: the same names for the same
// things, in files of the same names.
func TestShape(t *testing.T) {
	for name, types := range map[string][3]reflect.Type{
		"qcow2": shape(qcow2.Open, qcow2.Describe, qcow2.Check, qcow2.Layout{}, &qcow2.Writer{}),
		"vmdk":  shape(vmdk.Open, vmdk.Describe, vmdk.Check, vmdk.Layout{}, &vmdk.Writer{}),
		"vhd":   shape(vhd.Open, vhd.Describe, vhd.Check, vhd.Layout{}, &vhd.Writer{}),
		"vhdx":  shape(vhdx.Open, vhdx.Describe, vhdx.Check, vhdx.Layout{}, &vhdx.Writer{}),
		"vdi":   shape(vdi.Open, vdi.Describe, vdi.Check, vdi.Layout{}, &vdi.Writer{}),
		"qed":   shape(qed.Open, qed.Describe, qed.Check, nothing{}, nothing{}),
	} {
		for i, fields := range []map[string]reflect.Type{
			{"Opener": reflect.TypeFor[block.Opener](), "CacheBytes": reflect.TypeFor[int64]()},
			{"Size": reflect.TypeFor[int64](), "Subformat": reflect.TypeFor[string]()},
			{"Size": reflect.TypeFor[int64]()},
		} {
			for field, want := range fields {
				if f, ok := types[i].FieldByName(field); !ok || f.Type != want {
					t.Errorf("%s has no field %s of type %s", types[i], field, want)
				}
			}
		}
		if f, ok := types[2].FieldByName("Subformat"); ok && f.Type.Kind() != reflect.String {
			t.Errorf("%s.Subformat is a %s", types[2], f.Type)
		}
		parts := []string{"doc.go", "header.go", "reader.go", "check.go", "overlap.go"}
		if types[2] != reflect.TypeFor[nothing]() {
			parts = append(parts, "layout.go", "writer.go")
		}
		for _, file := range parts {
			if _, err := os.Stat(filepath.Join("..", "..", name, file)); err != nil {
				t.Error(err)
			}
		}
		constant := false
		files, _ := filepath.Glob(filepath.Join("..", "..", name, "*.go"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			constant = constant || strings.Contains(strings.Join(strings.Fields(string(b)), " "), ` format = "`+name+`"`)
			if !strings.HasSuffix(f, "_test.go") && strings.Contains(string(b), `Errorf("`+name+`"`) {
				t.Errorf("%s names the format by a literal", f)
			}
		}
		if !constant {
			t.Errorf("%s has no constant format", name)
		}
	}
}
