package format_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
)

// TestOtherKinds: files of another known kind are no raw disks. The beginnings
// are those that the programs write, by file(1) and the formats' documents.
func TestOtherKinds(t *testing.T) {
	oldTar := make([]byte, 512)
	copy(oldTar, "disk.txt")
	copy(oldTar[100:], "0000644\x000000000\x000000000\x0000000001000\x0014000000000\x00")
	copy(oldTar[148:], "        ")
	sum := 0
	for _, c := range oldTar {
		sum += int(c)
	}
	copy(oldTar[148:], []byte{'0' + byte(sum>>15&7), '0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
	pe := make([]byte, 256)
	copy(pe, "MZ")
	pe[60] = 0x80
	copy(pe[0x80:], "PE\x00\x00")
	for kind, head := range map[string]string{
		"tar":      string(oldTar),
		"cpio":     "070701000000",
		"zip":      "PK\x03\x04\x14\x00",
		"7z":       "7z\xbc\xaf\x27\x1c\x00\x04",
		"lzma":     "\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00",
		"lzo":      "\x89LZO\x00\x0d\x0a\x1a\x0a",
		"lzip":     "LZIP\x01\x0c",
		"compress": "\x1f\x9d\x90\x00",
		"zst":      "\x50\x2a\x4d\x18\x04\x00\x00\x00\x10\x00\x00\x00\x28\xb5\x2f\xfd",
		"lz4":      "\x02\x21\x4c\x18\x00",
		"elf":      "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"pe":       string(pe),
		"pdf":      "%PDF-1.7\n",
		"rar":      "Rar!\x1a\x07\x01\x00",
	} {
		b := append([]byte(head), make([]byte, 8192-len(head))...)
		found, err := format.Probe(bytes.NewReader(b))
		if err != nil || found.Format != kind || !found.Wrapper {
			t.Errorf("%s: %+v, %v", kind, found, err)
		}
		class := block.ErrUnsupported
		if kind == "zip" {
			class = block.ErrTruncated // such archives are read
		}
		if _, err := format.Open(bytes.NewReader(b), nil); !errors.Is(err, class) || !strings.Contains(err.Error(), "Options.Format raw") {
			t.Errorf("%s: %v", kind, err)
		}
		if im, err := format.Open(bytes.NewReader(b), &format.Options{Format: "raw"}); err != nil || im.Size() != int64(len(b)) {
			t.Errorf("%s as raw: %v", kind, err)
		}
	}
	for name, head := range map[string]string{"zeros": "", "text": "hello", "MZ": "MZ", "odd lzma": "\x5d\x00\x00\x81\x00", "skippable": "\x50\x2a\x4d\x18\x04\x00\x00\x00\x10\x00\x00\x00"} {
		b := append([]byte(head), make([]byte, 8192-len(head))...)
		if found, err := format.Probe(bytes.NewReader(b)); err != nil || found.Format != "raw" {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

// TestPromises: a name that promises a format which the content is not, and a
// footer with a wrong checksum, make no raw disk unless that is stated.
func TestPromises(t *testing.T) {
	footer := append(make([]byte, 4096), make([]byte, 512)...)
	copy(footer[4096:], "conectix")
	for name, refused := range map[string]bool{"a.qcow2": true, "a.VHDX": true, "a.vhd": true, "a.vmdk": true, "a.vdi": true, "a.avhdx": true, "a.ova": true,
		"a.qcow2.xz": true, "a-flat.vmdk": false, "a.img": false, "a.raw": false, "qcow2": false, "a": false} {
		for _, stated := range []string{"", "raw"} {
			im, err := format.Open(format.NewSource(bytes.NewReader(make([]byte, 4096)), "dir.qcow2/"+name, nil), &format.Options{Format: stated})
			if got := err != nil; got != (refused && stated == "") || got && !strings.Contains(err.Error(), "Options.Format raw") {
				t.Errorf("%s, format %q: %v", name, stated, err)
			}
			if err == nil {
				im.Close()
			}
		}
	}
	if _, err := format.Open(bytes.NewReader(footer), nil); !errors.Is(err, block.ErrCorrupt) || !strings.Contains(err.Error(), "Options.Format raw") {
		t.Errorf("a bad footer: %v", err)
	}
	if _, err := format.Open(bytes.NewReader(footer), &format.Options{Format: "raw"}); err != nil {
		t.Errorf("a bad footer as raw: %v", err)
	}
}
