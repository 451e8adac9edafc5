package guid

import "testing"

func TestRoundTrip(t *testing.T) {
	const s = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	g, err := Parse("{C12A7328-F81F-11D2-BA4B-00A0C93EC93B}")
	if err != nil || g.String() != s {
		t.Fatalf("%v, %v", g, err)
	}
	if g[0] != 0x28 || g[4] != 0x1f || g[8] != 0xba || g[15] != 0x3b {
		t.Errorf("the bytes are % x", g[:])
	}
	for _, bad := range []string{"", "c12a7328", "c12a7328-f81f-11d2-ba4b-00a0c93ec93", "c12a7328xf81f-11d2-ba4b-00a0c93ec93b", "g12a7328-f81f-11d2-ba4b-00a0c93ec93b", "c12a7328-f81f-11d2-ba4b-00a0c93e--3b"} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) gave no error", bad)
		}
	}
}

func TestUUID(t *testing.T) {
	const s = "c12a7328-f81f-41d2-ba4b-00a0c93ec93b"
	u, err := ParseUUID(s)
	if err != nil || u.String() != s || u[0] != 0xc1 || u[6] != 0x41 {
		t.Errorf("% x, %v", u[:], err)
	}
	if n := NewUUID(); n[6]>>4 != 4 || n[8]>>6 != 2 || n == NewUUID() {
		t.Errorf("a new one is %s", n)
	}
}
