package charset

import "testing"

// The bytes are those of iconv.
func TestText(t *testing.T) {
	for _, c := range []struct{ b, name, want string }{
		{"plain", "GBK", "plain"},
		{"\xd0\xc2\xbd\xa8", "GBK", "新建"},
		{"\xd0\xc2\xbd\xa8", "windows-936", "新建"},
		{"Ger\xe4t \x80", "windows-1252", "Gerät €"},
		{"Ger\xe4t", "ISO-8859-1", "Gerät"},
		{"Gerät", "US-ASCII", "Gerät"},
		{"\x93\xfa\x96\x7b", "Shift_JIS", "日本"},
		{"\xc7\xd1\xb1\xdb", "EUC-KR", "한글"},
		{"\xef\xf0\xe8\xe2\xe5\xf2", "windows-1251", "привет"},
		{"\xef\xf0\xe8\xe2\xe5\xf2", "CP1251", "привет"},
		{"\xb1\xb6", "iso-8859-2", "ąś"},
		{"\xef\xbb\xbfx", "", "x"},
		{"\xff\xfex\x00", "UTF-16", "x"},
		{"\xfe\xff\x00x", "", "x"},
	} {
		if got, ok := Text([]byte(c.b), c.name); !ok || got != c.want {
			t.Errorf("%q in %s: %q, %v, want %q", c.b, c.name, got, ok, c.want)
		}
	}
	if got, ok := Text([]byte("\xd0\xc2"), "klingon"); ok {
		t.Errorf("an unknown encoding gave %q", got)
	}
	if got := Latin([]byte("\xe4")); got != "ä" {
		t.Errorf("%q", got)
	}
}
