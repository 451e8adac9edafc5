// Package initramfs lists what an initial RAM filesystem of Linux holds: archives of
// cpio behind each other, each of them as it is or compressed, with zeros between
// them (Documentation/driver-api/early-userspace/buffer-format.rst). The first is
// often an update of microcode that is not compressed, and the last the system.
//
// gzip, bzip2, LZMA, xz, LZO, LZ4 (in its legacy frame) and zstd are read: all that
// the kernel unpacks.
package initramfs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/ulikunitz/xz/lzma"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/wrapped"
)

const format = "initramfs"

const (
	headerLen = 110      // of an entry
	maxName   = 4096     // PATH_MAX of Linux
	maxNested = 2        // a compressed archive in a compressed one is nobody's
	maxBlock  = 8 << 20  // of LZ4's legacy frame
	maxDict   = 64 << 20 // of LZMA
	trailer   = "TRAILER!!!"
)

// Limits bound what is unpacked.
type Limits struct {
	Size  int64 // bytes that come out
	Names int   // that are listed
}

// List calls each for the names in the file that r is, in their order, and returns
// how the last archive is compressed: "gzip", "bzip2", "lzma", "xz", "lzo", "lz4",
// "zstd", or "none". What is not an initramfs is an error that wraps
// block.ErrFormat; past a limit it is block.ErrLimit.
func List(r io.Reader, l Limits, each func(name string)) (compression string, err error) {
	s := &scanner{l: l, each: each, compression: "none"}
	err = s.segments(bufio.NewReaderSize(r, 64<<10), 0, never)
	return s.compression, err
}

type scanner struct {
	l           Limits
	out         int64 // bytes seen
	names       int
	each        func(string)
	compression string
}

// magics are those of the compressors.
var magics = []struct{ name, magic string }{
	{"gzip", "\x1F\x8B"}, {"bzip2", "BZh"}, {"lzma", "\x5D\x00\x00"}, {"xz", "\xFD7zXZ\x00"}, {"lzo", "\x89LZO\x00\r\n\x1A\n"},
	{"lz4", "\x02\x21\x4C\x18"}, {"zstd", "\x28\xB5\x2F\xFD"},
}

func never() bool  { return false }
func always() bool { return true }

// segments reads one archive after the other. behind reports whether an error of r
// between them is that of what follows a compressed archive, which is no matter.
func (s *scanner) segments(r *bufio.Reader, depth int, behind func() bool) error {
	for first := true; ; first = false {
		zeros := int64(0)
		for {
			b, err := r.ReadByte()
			if err == io.EOF {
				if first {
					return block.Errorf(format, "file", 0, block.ErrFormat, "it is empty")
				}
				return nil
			}
			if err != nil && !first && behind() {
				return nil
			}
			if err != nil {
				return err
			}
			if b != 0 {
				break
			}
			if zeros++; s.out+zeros > s.l.Size {
				return s.tooMuch()
			}
		}
		if err := r.UnreadByte(); err != nil {
			return err
		}
		s.out += zeros
		head, err := r.Peek(12)
		if err != nil && err != io.EOF {
			return err
		}
		if bytes.HasPrefix(head, []byte("07070")) {
			if err := s.archive(r); err != nil {
				return err
			}
			continue
		}
		name := ""
		for _, m := range magics {
			if bytes.HasPrefix(head, []byte(m.magic)) {
				name = m.name
			}
		}
		switch {
		case name == "" && first:
			return block.Errorf(format, "file", 0, block.ErrFormat, "neither an archive of cpio nor compressed")
		case name == "":
			return block.Errorf(format, "file", -1, block.ErrCorrupt, "what follows an archive is none")
		case depth == maxNested:
			return block.Errorf(format, "file", -1, block.ErrLimit, "archives are compressed in each other")
		}
		s.compression = name
		// The decoders read ahead: what follows a compressed archive is none of
		// the kernel's either.
		return s.compressed(r, name, depth)
	}
}

func (s *scanner) compressed(r *bufio.Reader, name string, depth int) error {
	fault := func(err error) error {
		return block.Errorf(format, name, -1, block.ErrCorrupt, "%v", err)
	}
	var z io.Reader
	var err error
	behind := never
	switch name {
	case "gzip", "bzip2", "xz", "zstd", "lzo":
		var w *wrapped.Reader
		w, err = wrapped.NewReader(map[string]string{"gzip": "gz", "bzip2": "bz2", "xz": "xz", "zstd": "zst", "lzo": "lzo"}[name], r, wrapped.Limits{Size: s.l.Size + 1})
		z = w
		switch name {
		case "bzip2": // its decoder looks for more by itself, and does not tell
			behind = always
		case "xz", "zstd": // the others take zeros
			behind = w.Whole
		}
	case "lzma":
		z, err = lzma.ReaderConfig{DictCap: maxDict}.NewReader(r)
	case "lz4":
		z = &legacy{r: r}
	}
	if err != nil {
		return fault(err)
	}
	before := s.names
	err = s.segments(bufio.NewReaderSize(z, 64<<10), depth+1, behind)
	var e *block.Error
	switch {
	case err == nil || errors.Is(err, block.ErrLimit):
		return err
	case s.names > before && !errors.As(err, &e):
		return fault(err)
	case errors.As(err, &e):
		return err
	}
	return fault(err)
}

func (s *scanner) tooMuch() error {
	return block.Errorf(format, "file", -1, block.ErrLimit, "it unpacks to more than %d bytes", s.l.Size)
}

// archive reads one archive of cpio, of the "newc" kind, to its trailer.
func (s *scanner) archive(r *bufio.Reader) error {
	fault := func(detail string, args ...any) error {
		return block.Errorf(format, "cpio", -1, block.ErrCorrupt, "entry %d: %s", s.names+1, fmt.Sprintf(detail, args...))
	}
	at := int64(0) // fields are aligned to four bytes from the start
	skip := func(n int64) error {
		if n > s.l.Size-s.out {
			return s.tooMuch()
		}
		s.out += n
		at += n
		for n > 0 {
			k, err := r.Discard(int(min(n, 1<<30)))
			if n -= int64(k); err != nil {
				return fault("%v", noEOF(err))
			}
		}
		return nil
	}
	var head [headerLen]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fault("%v", noEOF(err))
		}
		at += headerLen
		s.out += headerLen
		if m := string(head[:6]); m != "070701" && m != "070702" {
			return fault("no header")
		}
		size, err1 := strconv.ParseUint(string(head[54:62]), 16, 32)
		length, err2 := strconv.ParseUint(string(head[94:102]), 16, 32)
		if err1 != nil || err2 != nil || length == 0 || length > maxName {
			return fault("its header: a name of %q bytes, and %q of data", head[94:102], head[54:62])
		}
		name := make([]byte, length)
		if _, err := io.ReadFull(r, name); err != nil {
			return fault("%v", noEOF(err))
		}
		at += int64(length)
		s.out += int64(length)
		name, _, _ = bytes.Cut(name, []byte{0})
		if err := skip(-at & 3); err != nil {
			return err
		}
		if string(name) == trailer {
			return nil
		}
		if s.names == s.l.Names {
			return block.Errorf(format, "file", -1, block.ErrLimit, "more than %d names", s.l.Names)
		}
		s.names++
		s.each(string(name))
		if err := skip(int64(size)); err != nil {
			return err
		}
		if err := skip(-at & 3); err != nil {
			return err
		}
	}
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

var le = binary.LittleEndian
