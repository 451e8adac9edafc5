package linux

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Bounds of what is read of a kernel image to find its version.
const (
	maxImageHead = 72 << 10 // the boot protocol of x86 keeps it in the first 64 KiB and 512 bytes
	maxImage     = 64 << 20 // bytes looked through, decompressed
	maxRelease   = 65       // __NEW_UTS_LEN and a NUL
)

// imageVersion returns what `uname -r` of a kernel image prints, as the header of
// x86 has it (Documentation/arch/x86/boot.rst, kernel_version); "" for others.
func imageVersion(b []byte) string {
	if len(b) < 0x210 || string(b[0x202:0x206]) != "HdrS" {
		return ""
	}
	at := int(binary.LittleEndian.Uint16(b[0x20e:]))
	if at == 0 || at+0x200 >= len(b) {
		return ""
	}
	return unameRelease(b[at+0x200:])
}

// unameRelease is the first word of a text, if it may be the release of a kernel.
func unameRelease(b []byte) string {
	b = b[:min(len(b), maxRelease)]
	end := bytes.IndexAny(b, " \x00\n")
	if end <= 0 || b[0] < '0' || b[0] > '9' {
		return ""
	}
	for _, c := range b[:end] {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	return string(b[:end])
}

// banner is how the text begins that every kernel prints first.
const banner = "Linux version "

// bannerVersion looks for the banner in an image that is not compressed, or by gzip
// or zstd, alone or in an EFI program that unpacks itself (include/linux/zboot).
func bannerVersion(f io.ReaderAt, size int64) string {
	head := make([]byte, 64)
	if n, _ := f.ReadAt(head, 0); n < len(head) {
		return ""
	}
	var r io.Reader = io.NewSectionReader(f, 0, min(size, maxImage))
	kind := ""
	switch {
	case head[0] == 0x1f && head[1] == 0x8b:
		kind = "gzip"
	case string(head[:2]) == "MZ" && string(head[4:8]) == "zimg":
		off, n := int64(binary.LittleEndian.Uint32(head[8:])), int64(binary.LittleEndian.Uint32(head[12:]))
		if off >= size {
			return ""
		}
		r = io.NewSectionReader(f, off, min(n, size-off))
		kind, _, _ = strings.Cut(string(head[24:56]), "\x00")
	}
	switch kind {
	case "":
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return ""
		}
		r = z
	case "zstd", "zstd22":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return ""
		}
		defer z.Close()
		r = z
	default:
		return ""
	}
	return findBanner(io.LimitReader(r, maxImage))
}

// findBanner looks through a stream.
func findBanner(r io.Reader) string {
	const keep = len(banner) + maxRelease
	buf := make([]byte, keep+64<<10)
	n := 0
	for {
		m, err := io.ReadFull(r, buf[n:])
		n += m
		for b := buf[:n]; ; {
			i := bytes.Index(b, []byte(banner))
			if i < 0 || len(b)-i < keep && err == nil {
				break
			}
			if v := unameRelease(b[i+len(banner):]); v != "" {
				return v
			}
			b = b[i+len(banner):]
		}
		if err != nil {
			return ""
		}
		n = copy(buf, buf[n-keep:n])
	}
}
