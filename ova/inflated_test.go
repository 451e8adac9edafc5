package ova

import (
	"bytes"
	"errors"
	"testing"

	"github.com/guestkit/guestkit/block"
)

// However many disks lie in one compressed file, what is inflated for them is
// bounded, and a file that cannot be inflated is tried once.
func TestInflatedBudget(t *testing.T) {
	content := bytes.Repeat([]byte("disk"), 256<<10)
	good := gz(t, content)
	bad := good[:len(good)-8] + "damaged!"
	text := descriptor(`<File ovf:id="f" ovf:href="good" ovf:compression="gzip"/><File ovf:id="g" ovf:href="bad" ovf:compression="gzip"/>`,
		`<Disk ovf:diskId="a" ovf:fileRef="f" ovf:format="raw"/><Disk ovf:diskId="b" ovf:fileRef="g" ovf:format="raw"/>`)
	data := pack(t, part{name: "vm.ovf", data: text}, part{name: "good", data: good}, part{name: "bad", data: bad})
	r := &counting{Reader: bytes.NewReader(data)}
	p, err := Open(r, &Options{MaxInflated: 5 << 19})
	if err != nil {
		t.Fatal(err)
	}
	open := func(i int) error {
		f, err := p.Open(p.Disks[i].File)
		if err == nil {
			block.Close(f)
		}
		return err
	}
	if err := open(1); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("damaged: %v", err)
	}
	r.n = 0
	if err := open(1); !errors.Is(err, block.ErrCorrupt) || r.n > 0 {
		t.Errorf("damaged, again: %v after %d bytes were read", err, r.n)
	}
	for i := range 4 {
		if err := open(0); (err != nil) != (i >= 2) || i >= 2 && !errors.Is(err, block.ErrLimit) {
			t.Errorf("disk %d of 1 MiB where 2.5 may be inflated: %v", i+1, err)
		}
	}
}

// counting counts the bytes that are read.
type counting struct {
	*bytes.Reader
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.n += n
	return n, err
}
