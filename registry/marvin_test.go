package registry

import "testing"

// The sums, folded to 32 bits, are what other implementations give under the
// same seed.
func TestMarvin(t *testing.T) {
	for s, want := range map[string]uint32{
		"": 0xb00892ac, "h": 0xf41a608e, "he": 0x11107c6b, "hel": 0x24056a46, "hell": 0x7f91e021, "hello, world!": 0x00c18515,
	} {
		m := newMarvin()
		sum := m.sum(m.write([]byte(s)))
		if got := uint32(sum) ^ uint32(sum>>32); got != want {
			t.Errorf("%q: %#x, not %#x", s, got, want)
		}
	}
}
