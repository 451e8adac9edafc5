package luks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// pattern is the content of a disk: no two sectors are alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i/251 + i/512)
	}
	return b
}

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// open opens the image of a file, whose header may be in another one.
func open(t *testing.T, name, header string) (*Volume, error) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	opts := &Options{}
	if header != "" {
		h, err := os.ReadFile(header)
		if err != nil {
			t.Fatal(err)
		}
		opts.Header = bytes.NewReader(h)
	}
	return Open(block.Plain(bytes.NewReader(b)), opts)
}

func unlock(t *testing.T, v *Volume, key string) *Device {
	t.Helper()
	d, err := v.Unlock(context.Background(), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// begins checks that the device begins with want.
func begins(t *testing.T, d block.Device, want []byte) {
	t.Helper()
	got, err := block.ReadBytes(d, 0, int64(len(want)), int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		i := 0
		for got[i] == want[i] {
			i++
		}
		t.Fatalf("the bytes differ from %#x", i)
	}
}

// TestReencrypt has cryptsetup encrypt a disk, which it does without a kernel's
// help, and reads the disk.
func TestReencrypt(t *testing.T) {
	plain := pattern(256 << 10)
	for _, c := range []struct{ name, args string }{
		{"xts", "--cipher aes-xts-plain64"},
		{"xts-128", "--cipher aes-xts-plain64 --key-size 256"},
		{"xts-plain", "--cipher aes-xts-plain"},
		{"xts-essiv", "--cipher aes-xts-essiv:sha256"},
		{"4096", "--cipher aes-xts-plain64 --sector-size 4096"},
		{"1024-cbc", "--cipher aes-cbc-essiv:sha256 --sector-size 1024"},
		{"cbc-plain64", "--cipher aes-cbc-plain64 --hash sha512"},
		{"cbc-plain64be", "--cipher aes-cbc-plain64be --hash sha1"},
		{"ecb", "--cipher aes-ecb"},
		{"ctr", "--cipher aes-ctr-plain64 --hash ripemd160"},
		{"sha3", "--hash sha3-256"},
		{"blake2", "--hash blake2b-512"},
		{"argon2i", "--pbkdf argon2i --pbkdf-memory 512 --pbkdf-parallel 2 --pbkdf-force-iterations 4"},
		{"argon2id", "--pbkdf argon2id --pbkdf-memory 1024 --pbkdf-parallel 4 --pbkdf-force-iterations 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			disk, head, key := write(t, filepath.Join(dir, "disk"), plain), filepath.Join(dir, "head"), write(t, filepath.Join(dir, "key"), []byte("geheim"))
			write(t, head, make([]byte, 1<<20))
			args := append([]string{"reencrypt", "--encrypt", "--type", "luks2", "--batch-mode", "--header", head, "--key-file", key}, strings.Fields(c.args)...)
			if !strings.Contains(c.args, "argon2") {
				args = append(args, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
			}
			if out, err := peers.Command(t, "cryptsetup", append(args, disk)...).CombinedOutput(); err != nil {
				t.Skipf("cryptsetup cannot encrypt so here: %s", out)
			}
			v, err := open(t, disk, head)
			if err != nil {
				t.Fatal(err)
			}
			if p := v.Problems(); len(p) > 0 {
				t.Error(p)
			}
			if _, err := v.Unlock(context.Background(), []byte("falsch")); !errors.Is(err, block.ErrEncrypted) {
				t.Errorf("a wrong key: %v", err)
			}
			d := unlock(t, v, "geheim")
			begins(t, d, plain)
			if d.Size() != int64(len(plain)) {
				t.Errorf("size %d", d.Size())
			}
			testimg.TestDevice(t, d, bytes.NewReader(plain), 512)
			dump := peers.Run(t, "cryptsetup", "luksDump", head)
			info := v.Info()
			for _, want := range []string{info.UUID, "cipher: " + info.Cipher + "\n", fmt.Sprintf("sector: %d [bytes]", info.SectorSize), fmt.Sprintf("Key:        %d bits", info.KeyBits), info.Slots[0].KDF} {
				if !strings.Contains(dump, want) {
					t.Errorf("luksDump does not say %q:\n%s", want, dump)
				}
			}
		})
	}
}

// TestHalfway stops a reencryption and has it refused by its name.
func TestHalfway(t *testing.T) {
	dir := t.TempDir()
	disk, key := write(t, filepath.Join(dir, "disk"), make([]byte, 24<<20)), write(t, filepath.Join(dir, "key"), []byte("k"))
	peers.Run(t, "cryptsetup", "reencrypt", "--encrypt", "--init-only", "--type", "luks2", "--batch-mode", "--reduce-device-size", "16M", "--luks2-keyslots-size", "512k",
		"--key-file", key, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", disk)
	_, err := open(t, disk, "")
	if !errors.Is(err, block.ErrUnsupported) || !strings.Contains(err.Error(), "reencryption is in progress") {
		t.Error(err)
	}
}

// qemuLUKS makes a raw luks image by qemu-img, which aborts now and then where
// it is given little time to count iterations.
func qemuLUKS(t *testing.T, src, dst, options string) error {
	var err error
	for range 10 {
		var out []byte
		out, err = peers.Command(t, "qemu-img", "convert", "-f", "raw", "-O", "luks", "--object", "secret,id=s,data=geheim", "-o", "key-secret=s,iter-time=20,"+options, src, dst).CombinedOutput()
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%w: %s", err, out)
	}
	return err
}

// TestQemu reads what qemu-img writes.
func TestQemu(t *testing.T) {
	plain := pattern(64 << 10)
	dir := t.TempDir()
	src := write(t, filepath.Join(dir, "plain"), plain)
	for _, o := range []string{
		"cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64",
		"cipher-alg=aes-192,cipher-mode=cbc,ivgen-alg=plain,hash-alg=sha512",
		"cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1",
		"cipher-alg=aes-256,cipher-mode=ecb,hash-alg=ripemd160",
		"cipher-alg=aes-128,cipher-mode=ctr,ivgen-alg=plain64",
		"cipher-alg=serpent-256,cipher-mode=xts,ivgen-alg=plain64",
		"cipher-alg=serpent-128,cipher-mode=cbc,ivgen-alg=plain64",
		"cipher-alg=serpent-192,cipher-mode=xts,ivgen-alg=essiv,ivgen-hash-alg=sha256",
		"cipher-alg=twofish-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256",
		"cipher-alg=twofish-128,cipher-mode=xts,ivgen-alg=plain64",
	} {
		t.Run(o, func(t *testing.T) {
			name := filepath.Join(dir, "image")
			if err := qemuLUKS(t, src, name, o); err != nil {
				t.Skip(err)
			}
			v, err := open(t, name, "")
			if err != nil {
				t.Fatal(err)
			}
			d := unlock(t, v, "geheim")
			begins(t, d, plain)
			if _, err := v.Unlock(context.Background(), []byte("falsch")); !errors.Is(err, block.ErrEncrypted) {
				t.Errorf("a wrong key: %v", err)
			}
		})
	}
}

// suite unpacks an archive of cryptsetup's tests.
func suite(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	peers.Run(t, "tar", "-xJSf", filepath.Join(peers.Suite(t, "cryptsetup"), "tests", name+".tar.xz"), "-C", dir, "--no-same-owner")
	return filepath.Join(dir, name)
}

// TestSuite1 opens the images of cryptsetup's luks1-compat-test: each holds a
// FAT filesystem with the serial number DEAD-BABE.
func TestSuite1(t *testing.T) {
	dir := suite(t, "luks1-images")
	key, err := os.ReadFile(filepath.Join(dir, "keyfile1"))
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.img"))
	if len(files) < 12 {
		t.Fatalf("%d images", len(files))
	}
	for _, name := range files {
		base := filepath.Base(name)
		t.Run(base, func(t *testing.T) {
			v, err := open(t, name, "")
			if strings.Contains(base, "whirlpool") || strings.Contains(base, "lrw") {
				if !errors.Is(err, block.ErrUnsupported) {
					t.Fatal(err)
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 512)
			d := unlock(t, v, string(key))
			if _, err := d.ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b[0x27:0x2b], []byte{0xbe, 0xba, 0xad, 0xde}) && !bytes.Equal(b[0x43:0x47], []byte{0xbe, 0xba, 0xad, 0xde}) {
				t.Errorf("no serial number in %x", b[:0x60])
			}
		})
	}
}

// TestSuiteSizes opens images with JSON areas of all sizes, and with only one
// copy of the headers left.
func TestSuiteSizes(t *testing.T) {
	dir := t.TempDir()
	peers.Run(t, "tar", "-xJSf", filepath.Join(peers.Suite(t, "cryptsetup"), "tests", "luks2_mda_images.tar.xz"), "-C", dir, "--no-same-owner")
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 9 {
		t.Fatalf("%d images", len(files))
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			v, err := Open(block.Plain(bytes.NewReader(b)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if p := v.Problems(); len(p) > 0 {
				t.Error(p)
			}
			info := v.Info()
			dump := peers.Run(t, "cryptsetup", "luksDump", name)
			if !strings.Contains(dump, info.UUID) || !strings.Contains(dump, fmt.Sprintf("offset: %d [bytes]", info.PayloadOffset)) {
				t.Errorf("%+v\n%s", info, dump)
			}
			clear(b[:4096])
			v, err = Open(block.Plain(bytes.NewReader(b)), nil)
			if err != nil || len(v.Problems()) != 1 || v.Info().UUID != info.UUID {
				t.Errorf("without the first header: %v", err)
			}
		})
	}
}

// TestSuiteConversion opens the images of cryptsetup's tests of conversion,
// LUKS1 and LUKS2 with ciphers of three key sizes, by the passphrases of
// api-test-2.c.
func TestSuiteConversion(t *testing.T) {
	dir := suite(t, "conversion_imgs")
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) < 20 {
		t.Fatalf("%d images", len(files))
	}
	opened := 0
	for _, name := range files {
		v, err := open(t, name, "")
		if err != nil {
			if !strings.Contains(err.Error(), "detached") {
				t.Errorf("%s: %v", filepath.Base(name), err)
				continue
			}
			if v, err = open(t, filepath.Join(peers.Suite(t, "cryptsetup"), "README.md"), name); err != nil {
				t.Errorf("%s as a header: %v", filepath.Base(name), err)
				continue
			}
		}
		if len(v.Info().Slots) == 0 {
			continue
		}
		if _, err = v.Unlock(context.Background(), []byte("aaablabl")); err == nil { // PASS0
			opened++
		}
	}
	t.Logf("%d of %d opened", opened, len(files))
}
