package qcow2_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/qcow2"
)

// TestPackEncrypted discards the start of encrypted images and packs them. What LUKS
// encrypts belongs to its place in the file, so that it must not move.
func TestPackEncrypted(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "plain")
	key := func(context.Context, block.KeyNeed) ([]byte, error) { return []byte("geheim"), nil }
	secret := []string{"--object", "secret,id=s,data=geheim"}
	for _, method := range []string{"luks", "aes"} {
		plain := cryptPlain()
		if err := os.WriteFile(src, plain, 0o600); err != nil {
			t.Fatal(err)
		}
		image := filepath.Join(dir, method+".qcow2")
		o := "encrypt.format=" + method + ",encrypt.key-secret=s"
		if method == "luks" {
			o += ",encrypt.iter-time=100"
		}
		peers.RunAgain(t, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, secret...), "-o", o, src, image)...)
		s, err := convert.OpenStorage(image)
		if err != nil {
			t.Fatal(err)
		}
		n, err := qcow2.Discard(context.Background(), s, []qcow2.Range{{Off: 0, Len: 256 << 10}})
		if err != nil || n != 256<<10 {
			t.Fatalf("%s: %d bytes discarded, %v", method, n, err)
		}
		before := s.Size()
		if err := qcow2.Pack(context.Background(), s); err != nil {
			t.Fatal(method, err)
		}
		if method == "aes" && s.Size() >= before {
			t.Errorf("%s: the file has %d bytes, as before", method, s.Size())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		clear(plain[:256<<10])
		d, err := format.OpenFile(image, &format.Options{Unlock: key})
		if err != nil {
			t.Fatal(method, err)
		}
		testimg.TestDevice(t, d, bytes.NewReader(plain), 64<<10)
		d.Close()
	}
}
