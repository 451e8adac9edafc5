package qcow2_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// cryptKey answers with a wrong key first.
func cryptKey(_ context.Context, n block.KeyNeed) ([]byte, error) {
	if n.Attempt >= 2 {
		return nil, block.ErrEncrypted
	}
	return []byte([]string{"falsch", "geheim"}[n.Attempt]), nil
}

// cryptPlain is a disk with data, zeros and more data, whose size is no
// multiple of a cluster.
func cryptPlain() []byte {
	b := make([]byte, 3<<20+512)
	for i := range b {
		if i < 300<<10 || i > 2<<20 {
			b[i] = byte(i*7 + i/251 + i/512)
		}
	}
	return b
}

// TestJudgeLUKS reads images that qemu-img encrypts, alone and over a backing
// file, and has what qemu-io writes into one in them.
func TestJudgeLUKS(t *testing.T) {
	plain := cryptPlain()
	dir := t.TempDir()
	src := filepath.Join(dir, "plain")
	if err := os.WriteFile(src, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	secret := []string{"--object", "secret,id=s,data=geheim"}
	for _, o := range []string{
		"",
		",encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256,cluster_size=4k",
		",encrypt.cipher-alg=serpent-256,cluster_size=2M",
		",extended_l2=on",
	} {
		image := filepath.Join(dir, "image.qcow2")
		os.Remove(image)
		peers.RunAgain(t, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, secret...), "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=100"+o, src, image)...)
		d, err := format.OpenFile(image, &format.Options{Unlock: cryptKey})
		if err != nil {
			t.Fatalf("%s: %v", o, err)
		}
		testimg.TestDevice(t, d, bytes.NewReader(plain), 64<<10)
		for e, err := range block.Extents(d, 0, d.Size()) {
			if err != nil || e.Host != nil {
				t.Errorf("%s: %+v, %v", o, e, err)
			}
		}
		d.Close()
	}
	// An overlay without encryption over one with it, and the other way round.
	base, over := filepath.Join(dir, "base.qcow2"), filepath.Join(dir, "over.qcow2")
	os.Rename(filepath.Join(dir, "image.qcow2"), base)
	peers.RunAgain(t, "qemu-img", append(append([]string{"create", "-q", "-f", "qcow2"}, secret...), "-u", "-b", "base.qcow2", "-F", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=100", over, "3146240")...)
	io := peers.Command(t, "qemu-io", append(secret, "--image-opts", "-c", "write -P 0x5a 1M 68k",
		"driver=qcow2,encrypt.key-secret=s,file.filename="+over+",backing.driver=qcow2,backing.encrypt.key-secret=s,backing.file.filename="+base)...)
	peers.RunCmd(t, io)
	copy(plain[1<<20:], bytes.Repeat([]byte{0x5a}, 68<<10))
	d, err := format.OpenFile(over, &format.Options{Unlock: cryptKey, FollowOwnDir: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	testimg.TestDevice(t, d, bytes.NewReader(plain), 64<<10)

	for _, o := range []*format.Options{{}, {Unlock: func(context.Context, block.KeyNeed) ([]byte, error) { return []byte("falsch"), nil }}} {
		if _, err := format.OpenFile(base, o); !errors.Is(err, block.ErrEncrypted) {
			t.Errorf("without the key: %v", err)
		}
	}
	// In a package, which has the same keys.
	raw, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vm.ovf"), []byte(`<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References><File ovf:id="f" ovf:href="d.qcow2"/></References><DiskSection><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="3146240"/></DiskSection></Envelope>`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d.qcow2"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	peers.Run(t, "tar", "-C", dir, "-cf", filepath.Join(dir, "vm.ova"), "vm.ovf", "d.qcow2")
	packed, err := format.OpenFile(filepath.Join(dir, "vm.ova"), &format.Options{Unlock: cryptKey})
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, packed, bytes.NewReader(cryptPlain()), 64<<10)
	packed.Close()
	dear := &format.Options{Unlock: cryptKey}
	dear.Qcow2.KeyWork = 100
	if _, err := format.OpenFile(base, dear); !errors.Is(err, block.ErrLimit) {
		t.Errorf("a key that is too dear: %v", err)
	}
}

// TestJudgeAES has qemu-img read an image as one of the AES of old, which it
// does not write any more: any image will do, since nothing says that the key
// is wrong.
func TestJudgeAES(t *testing.T) {
	dir := t.TempDir()
	src, image, out := filepath.Join(dir, "plain"), filepath.Join(dir, "image.qcow2"), filepath.Join(dir, "out")
	if err := os.WriteFile(src, cryptPlain(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"geheim", "a passphrase of more than sixteen bytes"} {
		peers.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", src, image)
		b, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		b[0x23] = 1
		if err := os.WriteFile(image, b, 0o600); err != nil {
			t.Fatal(err)
		}
		os.Remove(out)
		peers.Run(t, "qemu-img", "convert", "--object", "secret,id=s,data="+key, "--image-opts", "driver=qcow2,encrypt.format=aes,encrypt.key-secret=s,file.filename="+image, "-O", "raw", out)
		want, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		d, err := format.OpenFile(image, &format.Options{Unlock: func(context.Context, block.KeyNeed) ([]byte, error) { return []byte(key), nil }})
		if err != nil {
			t.Fatal(err)
		}
		testimg.TestDevice(t, d, bytes.NewReader(want), 64<<10)
		d.Close()
	}
}

// TestJudgeRawLUKS reads a raw disk as qemu's driver luks does.
func TestJudgeRawLUKS(t *testing.T) {
	disk := testimg.Unpack(t, "../volume/luks/testdata/luks1.img.gz")
	want := testimg.Unpack(t, "../volume/luks/testdata/plain.img.gz")
	d, err := format.Open(bytes.NewReader(disk), &format.Options{Format: "luks", Unlock: cryptKey})
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, d, bytes.NewReader(want), 512)
	if i := d.Info(); i.VirtualSize != int64(len(want)) || i.Encryption != "LUKS" {
		t.Errorf("%+v", i)
	}
}
