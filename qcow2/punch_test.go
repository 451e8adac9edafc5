package qcow2

import (
	"testing"
)

// punched is an image file that has holes.
type punched struct {
	*powerLog
	n int64
}

func (p *punched) Punch(off, n int64) error {
	p.n += n
	_, err := p.WriteAt(make([]byte, n), off)
	return err
}

// TestPackPunches: what is free behind clusters that cannot be moved takes no room,
// and the disk is the same.
func TestPackPunches(t *testing.T) {
	b := written(t, Layout{ClusterSize: 4096}, true).b // compressed clusters, which stay
	disk := readDisk(t, b)
	p := &punched{powerLog: newPowerLog(b)}
	half := int64(len(disk)) / 2 &^ 4095
	if n, err := Discard(t.Context(), p, []Range{{Off: 0, Len: half}}); err != nil || n == 0 {
		t.Fatalf("%d bytes were given back, %v", n, err)
	}
	if err := Pack(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if p.n == 0 {
		t.Error("no hole was punched")
	}
	clear(disk[:half])
	if got := readDisk(t, p.b); string(got) != string(disk) {
		t.Error("another disk")
	}
	if res, faults := mustCheck(t, p.b); !res.Clean() {
		t.Errorf("%+v %v", res, faults)
	}
}
