package guestkit_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/digest"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// soundDisk is a disk of 512 KiB in which no two sectors are the same, and an image of
// it whose clusters are not in the order of the disk, so that a packed one is
// read from its middle.
func soundDisk(t *testing.T) (raw, image []byte) {
	raw = make([]byte, 512<<10)
	for i := 0; i < len(raw); i += sha256.Size {
		x := sha256.Sum256(fmt.Append(nil, i))
		copy(raw[i:], x[:8]) // some of it can be compressed
	}
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	src := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(src, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := guestkit.Convert(t.Context(), src, path, nil); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw, append(image, bytes.Repeat([]byte("of no cluster"), 20000)...)
}

func zipOf(t *testing.T, method uint16, name string, b []byte) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	if err != nil {
		t.Fatal(err)
	}
	f.Write(b)
	z.Close()
	return out.Bytes()
}

func tarOf(t *testing.T, files ...string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(files[i+1]))
	}
	w.Close()
	return out.Bytes()
}

// TestFlippedByte flips bytes in every kind of file that holds an image and has
// checksums. What is converted is right, or an error, and nothing is at the name
// of the output; and of the bytes of the disk none is flipped without an error.
func TestFlippedByte(t *testing.T) {
	raw, image := soundDisk(t)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o700)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	type packed struct {
		name string
		b    []byte
		want []byte
		out  string // the file that is opened, if it is another one
	}
	var files []packed
	add := func(name string, b, want []byte) { files = append(files, packed{name, b, want, ""}) }
	add("stored-raw.zip", zipOf(t, zip.Store, "disk.raw", raw), raw)
	add("stored-qcow2.zip", zipOf(t, zip.Store, "disk.qcow2", image), raw)
	add("deflated-raw.zip", zipOf(t, zip.Deflate, "disk.raw", raw), raw)
	add("deflated-qcow2.zip", zipOf(t, zip.Deflate, "disk.qcow2", image), raw)
	ovf := strings.NewReplacer("SIZE", fmt.Sprint(len(raw)), "FILE", fmt.Sprint(len(image))).Replace(`<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:id="f" ovf:href="disk.img" ovf:size="FILE"/></References>
<DiskSection><Info/><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="SIZE"/></DiskSection>
<VirtualSystem ovf:id="vm"><Info/></VirtualSystem></Envelope>`)
	mf := fmt.Sprintf("SHA256(vm.ovf)= %x\nSHA256(disk.img)= %x\n", sha256.Sum256([]byte(ovf)), sha256.Sum256(image))
	add("vm.ova", tarOf(t, "vm.ovf", ovf, "vm.mf", mf, "disk.img", string(image)), raw)
	write("ovf/vm.ovf", []byte(ovf))
	write("ovf/vm.mf", []byte(mf))
	files = append(files, packed{"ovf/disk.img", image, raw, "ovf/vm.ovf"})
	xva := testimg.Unpack(t, "ova/testdata/two.xva.gz")
	add("two.xva", xva, nil)
	for _, c := range []struct{ suffix, tool, flags string }{
		{"gz", "gzip", ""}, {"xz", "xz", "-0 --block-size=65536 -T1"}, {"crc32.xz", "xz", "-0 --check=crc32"}, {"zst", "zstd", "-q -1"}, {"bz2", "bzip2", ""}, {"lzo", "lzop", "-q"},
	} {
		if !peers.Has(t, c.tool) {
			continue
		}
		for _, in := range []struct {
			name string
			b    []byte
		}{{"disk.raw", raw}, {"disk.qcow2", image}} {
			path := write(in.name, in.b)
			name := in.name + "." + c.suffix
			peers.Run(t, "sh", "-c", c.tool+" "+c.flags+" -c "+path+" >"+filepath.Join(dir, name))
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			add(name, b, raw)
		}
	}
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			path := write(f.name, f.b)
			if f.out != "" {
				path = filepath.Join(dir, f.out)
			}
			o := &guestkit.ConvertOptions{Format: &format.Options{Unwrap: true, FollowOwnDir: true}}
			if f.want == nil {
				o.Format.Disk = "1"
			}
			o.Output.File.NoSync = true
			out := filepath.Join(t.TempDir(), "out.raw")
			run := func(o *guestkit.ConvertOptions) error {
				_, err := guestkit.Convert(t.Context(), path, out, o)
				if _, serr := os.Stat(out); (serr == nil) != (err == nil) {
					t.Errorf("%v, and the output: %v", err, serr)
				}
				return err
			}
			if err := run(o); err != nil {
				t.Fatal(err)
			}
			got, _ := os.ReadFile(out)
			if f.want == nil {
				f.want = got
			}
			if !bytes.Equal(got, f.want) {
				t.Fatal("it is not the disk")
			}
			failed := 0
			const flips = 9
			for i := range flips {
				at := len(f.b) * (2*i + 1) / (2 * flips)
				b := bytes.Clone(f.b)
				b[at] ^= 0x10
				write(f.name, b)
				os.Remove(out)
				if run(o) != nil {
					failed++
				} else if got, _ := os.ReadFile(out); !bytes.Equal(got, f.want) {
					t.Errorf("byte %d: another disk in silence", at)
				}
			}
			if failed < flips*2/3 && f.name != "two.xva" || failed == 0 {
				t.Errorf("%d of %d flipped bytes are an error", failed, flips)
			}
			// A part is held to the whole.
			b := bytes.Clone(f.b)
			b[len(b)*3/4] ^= 0x10
			write(f.name, b)
			os.Remove(out)
			if f.name != "two.xva" {
				if err := run(&guestkit.ConvertOptions{Format: o.Format, Output: o.Output, Part: &convert.Range{Off: 4096, Len: 4096}}); err == nil {
					t.Error("a part of it is converted")
				}
				im, err := format.OpenFile(path, o.Format)
				if err == nil {
					if _, err := digest.Sum(t.Context(), im, 1, nil); err == nil {
						t.Error("it has a digest")
					}
					if _, err := convert.Compare(t.Context(), im, im, false, nil); err == nil {
						t.Error("it is compared")
					}
					im.Close()
				}
			}
		})
	}
}
