package vmdk_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/vmdk"
)

// TestDescriptorVariants has the ways in which programs and people write
// descriptors, which all are read, and are told from other files.
func TestDescriptorVariants(t *testing.T) {
	data := bytes.Repeat([]byte("12345678"), 512)
	text := func(head, extent string) string {
		return head + "version=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n" + extent + "\n"
	}
	const usual = `RW 8 FLAT "x" 0`
	for name, c := range map[string]struct {
		text string
		odd  int
	}{
		"usual":         {text("# Disk DescriptorFile\n", usual), 0},
		"spaced":        {text("#  Disk Descriptor File\n", usual), 0},
		"no space":      {text("#disk descriptorfile\n", usual), 0},
		"other comment": {text("# made by hand\n\n", usual), 0},
		"no comment":    {text("", usual), 0},
		"mark of UTF-8": {"\xef\xbb\xbf" + text("# Disk DescriptorFile\n", usual), 0},
		"mark alone":    {"\xef\xbb\xbf" + text("", usual), 0},
		"UTF-16":        {"\xff\xfe" + strings.Join(strings.Split(text("# Disk DescriptorFile\n", usual), ""), "\x00") + "\x00", 0},
		"line ends":     {strings.ReplaceAll(text("# Disk DescriptorFile\n", usual), "\n", "\r\n"), 0},
		"tabs":          {text("# Disk DescriptorFile\n", "RW\t8\tFLAT\t\"x\"\t0"), 0},
		"case":          {text("# Disk DescriptorFile\n", `rw 8 flat "x" 0`), 0},
		"keys in case":  {"# Disk DescriptorFile\ncid=fffffffe\nPARENTCID=ffffffff\nCreateType=\"MonolithicFlat\"\n" + usual, 0},
		"identities":    {text("# Disk DescriptorFile\n", usual+` "partition-uuid" "device-id"`), 0},
		"no offset":     {text("# Disk DescriptorFile\n", `RW 8 FLAT "x" "partition-uuid"`), 0},
		"2gb":           {strings.Replace(text("# Disk DescriptorFile\n", usual), "monolithicFlat", "2gbMaxExtentFlat", 1), 0},
		"2GB":           {strings.Replace(text("# Disk DescriptorFile\n", usual), "monolithicFlat", "2GbMaxExtentFlat", 1), 0},
		"no parent":     {strings.Replace(text("# Disk DescriptorFile\n", usual), "ffffffff", "00000000", 1), 0},
		"said twice":    {text("# Disk DescriptorFile\n", "version=1\nversion=1\n"+usual), 0},
		"stray":         {text("# Disk DescriptorFile\n", usual+"\n-----\nhello world"), 2},
		"encoding":      {text("# Disk DescriptorFile\nencoding=\"GBK\"\n", usual+"\nRW 8 FLAT \"\xd0\xc2\xbd\xa8\" 0"), 0},
	} {
		if !vmdk.IsDescriptor([]byte(c.text)[:min(len(c.text), 4096)]) {
			t.Errorf("%s: it is not told to be a descriptor", name)
		}
		im, err := vmdk.Open(strings.NewReader(c.text), &vmdk.Options{Opener: dir{"x": data, "新建": data}.open})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b := make([]byte, len(data))
		if err := block.ReadFull(im, b, 0); err != nil || !bytes.Equal(b, data) {
			t.Errorf("%s: it reads wrong, %v", name, err)
		}
		if n := len(im.Problems()); n != c.odd {
			t.Errorf("%s: %d problems, want %d: %v", name, n, c.odd, im.Problems())
		}
		im.Close()
	}
	for _, s := range []string{"", "#!/bin/sh\necho\n", "version=1\nname=x\n", "KDMV", "hello", "# a comment\n\nversion=2\n", "[section]\nCID=1\n"} {
		if vmdk.IsDescriptor([]byte(s)) {
			t.Errorf("%q is told to be a descriptor", s)
		}
	}
}

// TestStreamWithBytesBehind: tapes and archives leave bytes behind the end of a
// stream, which VMware does not look at.
func TestStreamWithBytesBehind(t *testing.T) {
	const plan = "dz d"
	image := stream(strings.ReplaceAll(strings.ReplaceAll(plan, "z", "."), " ", "."), 3, nil)
	want := open(t, image, nil)
	for _, tail := range []string{"\x00", strings.Repeat("\x00", 511), strings.Repeat("\x00", 10240), strings.Repeat("x", 3*512), strings.Repeat("KDMV", 1000)} {
		got := open(t, append(bytes.Clone(image), tail...), nil)
		a, _ := block.ReadBytes(want, 0, want.Size(), want.Size())
		b, err := block.ReadBytes(got, 0, got.Size(), got.Size())
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%d bytes behind: %v", len(tail), err)
		}
	}
}
