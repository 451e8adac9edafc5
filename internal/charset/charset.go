// Package charset turns text of declared encodings into UTF-8: names in VMDK
// descriptors, which are in the code page of the host that wrote them, and XML.
package charset

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"

	"github.com/guestkit/guestkit/internal/wide"
)

// Text returns text of the encoding of that name, or without a byte order mark,
// as UTF-8. What is UTF-8 already stays, whatever it calls itself, but where the
// encoding has bytes that mean something else. ok is false for an encoding that
// is not known.
func Text(b []byte, name string) (text string, ok bool) {
	if s, ok := Marked(b); ok {
		return s, true
	}
	if utf8.Valid(b) && !shifts(b) {
		return string(b), true
	}
	e := named(name)
	if e == nil {
		return "", false
	}
	out, err := e.NewDecoder().Bytes(b)
	return string(out), err == nil
}

// shifts reports whether there are escape sequences, as in ISO-2022-JP.
func shifts(b []byte) bool { return bytes.ContainsRune(b, 0x1b) }

// Marked returns text that begins with a byte order mark, of UTF-8 or UTF-16.
func Marked(b []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return string(b[3:]), true
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return wide.String(b[2:], binary.LittleEndian), true
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return wide.String(b[2:], binary.BigEndian), true
	}
	return "", false
}

// Latin is text of Windows' Western code page, of which ISO-8859-1 and US-ASCII
// are a part; it fits any bytes.
func Latin(b []byte) string {
	out, _ := charmap.Windows1252.NewDecoder().Bytes(b)
	return string(out)
}

// named is the encoding that a program calls by that name, nil if it is not
// known. Those that the Web takes for windows-1252 are that here too.
func named(name string) encoding.Encoding {
	name = strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(strings.TrimSpace(name)))
	if page, ok := strings.CutPrefix(name, "cp"); ok {
		name = "windows-" + page
	}
	switch name {
	case "windows-1252", "iso-8859-1", "latin1", "us-ascii", "ascii":
		return charmap.Windows1252
	case "gbk", "gb2312", "windows-936", "gb18030", "x-gbk":
		return simplifiedchinese.GB18030
	case "big5", "windows-950":
		return traditionalchinese.Big5
	case "shift-jis", "sjis", "windows-932", "windows-31j", "ms932":
		return japanese.ShiftJIS
	case "euc-jp":
		return japanese.EUCJP
	case "iso-2022-jp":
		return japanese.ISO2022JP
	case "euc-kr", "windows-949", "ks-c-5601-1987":
		return korean.EUCKR
	}
	for _, e := range charmap.All {
		if m, ok := e.(*charmap.Charmap); ok && strings.ToLower(strings.ReplaceAll(m.String(), " ", "-")) == name {
			return m
		}
	}
	return nil
}
