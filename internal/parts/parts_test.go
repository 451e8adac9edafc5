package parts

import "testing"

func TestNumber(t *testing.T) {
	for name, want := range map[string]int{
		"disk.001": 1, "disk.042": 42, "disk.999": 999,
		"disk.000": 0, "disk.1": 0, "disk.+01": 0, "disk.-01": 0, "disk.1000": 0, "disk.0001": 0,
		"disk.": 0, "disk": 0, "disk.0x1": 0, "other.001": 0, "disk.001.001": 0, "001": 0, "": 0,
	} {
		if got := Number("disk", name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
		if want > 0 && Name("disk", want) != name {
			t.Errorf("%d: %q", want, Name("disk", want))
		}
	}
}
