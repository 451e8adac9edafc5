package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// someDisk writes a raw disk: a MiB of data, one of zeros, 8 KiB of zeros within
// data, and data.
func someDisk(t *testing.T) (name string, disk []byte) {
	t.Helper()
	disk = make([]byte, 4<<20)
	for i := range disk {
		if i < 1<<20 || i >= 2<<20 && (i < 3<<20 || i >= 3<<20+8<<10) {
			disk[i] = byte(i%251 + 1)
		}
	}
	name = filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(name, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, disk
}

// TestConvertWorkers has -m and -W change nothing but how the work is done.
func TestConvertWorkers(t *testing.T) {
	raw, _ := someDisk(t)
	var first []byte
	for _, flags := range [][]string{nil, {"-m", "1"}, {"-m", "7", "-W"}, {"-W"}} {
		out := filepath.Join(t.TempDir(), "out.qcow2")
		if r := gk(t, append(append([]string{"convert"}, flags...), raw, out)...); r.code != 0 {
			t.Fatalf("%q: %+v", flags, r)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Errorf("%q writes another image", flags)
		}
	}
	if r := gk(t, "convert", "-m", "-1", raw, filepath.Join(t.TempDir(), "x.qcow2")); r.code != exitUsage {
		t.Errorf("-m -1: %+v", r)
	}
}

// TestConvertSparse has -S say which zeros in the data are left out.
func TestConvertSparse(t *testing.T) {
	raw, disk := someDisk(t)
	if err := os.WriteFile(raw, disk, 0o600); err != nil { // without holes
		t.Fatal(err)
	}
	for sparse, zero := range map[string]int64{"4k": 1<<20 + 8<<10, "8k": 1<<20 + 8<<10, "16k": 1 << 20, "0": 0} {
		out := filepath.Join(t.TempDir(), "out.raw")
		r := gk(t, "convert", "--json", "-S", sparse, raw, out)
		var doc convertDoc
		if err := json.Unmarshal([]byte(r.out), &doc); r.code != 0 || err != nil {
			t.Fatalf("-S %s: %+v, %v", sparse, r, err)
		}
		if doc.Zero != zero || doc.Data+doc.Zero != int64(len(disk)) {
			t.Errorf("-S %s leaves out %d bytes and writes %d, want %d left out", sparse, doc.Zero, doc.Data, zero)
		}
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, disk) {
			t.Errorf("-S %s: another disk, %v", sparse, err)
		}
	}
}

// TestConvertNoCreate has -n write into a device alone, as --device does.
func TestConvertNoCreate(t *testing.T) {
	raw, _ := someDisk(t)
	dir := t.TempDir()
	there := filepath.Join(dir, "there.raw")
	if err := os.WriteFile(there, []byte("as it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"-n", "--device"} {
		r := gk(t, "convert", flag, raw, there)
		if b, err := os.ReadFile(there); r.code == exitDone || string(b) != "as it was" || err != nil {
			t.Errorf("%s onto a file: %+v, and it holds %q, %v", flag, r, b, err)
		}
		r = gk(t, "convert", flag, raw, filepath.Join(dir, "none.raw"))
		if _, err := os.Stat(there + ".none"); r.code != exitFailed || err == nil {
			t.Errorf("%s onto nothing: %+v", flag, r)
		}
	}
	for _, change := range [][]string{{"snapshot", "-c", "kept"}, {"bitmap", "--add"}} {
		there := filepath.Join(t.TempDir(), "there.qcow2")
		must(t, "convert", raw, there)
		must(t, "convert", "-n", raw, there)
		args := append(change, there)
		if change[0] == "bitmap" {
			args = append(args, "kept")
		}
		must(t, args...)
		if r := gk(t, "convert", "-n", raw, there); r.code != exitUsage || !strings.Contains(r.err, change[0]) {
			t.Errorf("-n onto an image with a %s: %+v", change[0], r)
		}
		must(t, "convert", "-n", "--force", raw, there)
	}
}

// TestConvertProgress reads the lines of --progress=json.
func TestConvertProgress(t *testing.T) {
	raw, disk := someDisk(t)
	r := gk(t, "convert", "--progress=json", raw, filepath.Join(t.TempDir(), "out.qcow2"))
	if r.code != 0 {
		t.Fatal(r.err)
	}
	var last struct {
		Transferred, Total *int64
		Elapsed            *float64
	}
	before := int64(0)
	for line := range strings.Lines(r.err) {
		if err := json.Unmarshal([]byte(line), &last); err != nil || last.Transferred == nil || last.Total == nil || last.Elapsed == nil {
			t.Fatalf("%q: %v", line, err)
		}
		if *last.Transferred < before || *last.Total != int64(len(disk)) {
			t.Errorf("after %d: %s", before, line)
		}
		before = *last.Transferred
	}
	if before != int64(len(disk)) {
		t.Errorf("the last line says %d of %d bytes", before, len(disk))
	}
	if r := gk(t, "-q", "convert", "--progress=json", raw, filepath.Join(t.TempDir(), "out.qcow2")); r.code != 0 || r.err != "" {
		t.Errorf("-q: %+v", r)
	}
}

// TestOptionValues are refused by the library, which is a matter of usage.
func TestOptionValues(t *testing.T) {
	raw, _ := someDisk(t)
	for _, c := range []string{
		"qcow2 cluster_size=3k", "qcow2 refcount_bits=5", "qcow2 compression_type=lzma", "qcow2 preallocation=some", "raw preallocation=some",
		"vmdk subformat=other", "vmdk adapter_type=scsi", "vhd subformat=other", "vhdx block_size=3M", "ova firmware=none",
	} {
		format, option, _ := strings.Cut(c, " ")
		out := filepath.Join(t.TempDir(), "out")
		r := gk(t, "convert", "-O", format, "-o", option, raw, out)
		if _, err := os.Stat(out); r.code != exitUsage || err == nil || !strings.Contains(r.err, "--help") {
			t.Errorf("convert %s: %+v", c, r)
		}
	}
	if r := gk(t, "create", "-f", "qcow2", "-o", "cluster_size=3k", filepath.Join(t.TempDir(), "x"), "1M"); r.code != exitUsage {
		t.Errorf("create: %+v", r)
	}
}

// TestCheckLeaks ends with its own code.
func TestCheckLeaks(t *testing.T) {
	raw, _ := someDisk(t)
	image := filepath.Join(t.TempDir(), "leak.qcow2")
	if r := gk(t, "convert", raw, image); r.code != 0 {
		t.Fatal(r.err)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	const cluster = 64 << 10
	be := binary.BigEndian
	counts := be.Uint64(b[be.Uint64(b[0x30:]):])
	n := (len(b) + cluster - 1) / cluster
	be.PutUint16(b[counts+uint64(2*n):], 1) // of a cluster that nothing refers to
	if err := os.WriteFile(image, append(b, make([]byte, (n+1)*cluster-len(b))...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "check", image); r.code != checkLeaks || !strings.Contains(r.out, "1 leaked clusters") {
		t.Errorf("%+v", r)
	}
	if r := gk(t, "check", "--repair=leaks", image); r.code != 0 {
		t.Errorf("repair: %+v", r)
	}
	if r := gk(t, "check", image); r.code != 0 {
		t.Errorf("after the repair: %+v", r)
	}
}

// TestUntrustedDocument says of which format a refused image is.
func TestUntrustedDocument(t *testing.T) {
	raw, _ := someDisk(t)
	image := filepath.Join(t.TempDir(), "a.qcow2")
	if r := gk(t, "convert", raw, image); r.code != 0 {
		t.Fatal(r.err)
	}
	var doc checkDoc
	r := gk(t, "check", "--untrusted", "--json", "--max-virtual-size", "1M", image)
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || r.code != checkCorrupt || doc.Format != "qcow2" || doc.Unit != "reasons" || doc.Corruptions != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestImageItself: no image is its own data file or lies upon itself, which is told before
// anything is written.
func TestImageItself(t *testing.T) {
	raw, _ := someDisk(t)
	t.Chdir(t.TempDir())
	for _, args := range []string{"convert --force -o data_file=./new.qcow2 RAW new.qcow2", "create -o data_file=new.qcow2 new.qcow2 1M", "create -u -b new.qcow2 -F qcow2 ./new.qcow2 1M"} {
		if r := gk(t, strings.Fields(strings.Replace(args, "RAW", raw, 1))...); r.code != exitUsage || !strings.Contains(r.err, "itself") {
			t.Errorf("%s: %+v", args, r)
		}
	}
	if left, err := os.ReadDir("."); len(left) > 0 || err != nil {
		t.Errorf("left are %v, %v", left, err)
	}
}

// TestConvertOddDisks: a disk of several begins with a sector, as qemu-img has it, where
// the one before does not end with a whole one.
func TestConvertOddDisks(t *testing.T) {
	peers.Need(t, "qemu-img")
	t.Chdir(t.TempDir())
	var names []string
	for i, size := range []int{1000, 4096, 70001, 511} {
		names = append(names, string(rune('a'+i))+".raw")
		if err := os.WriteFile(names[i], bytes.Repeat([]byte{byte(i + 1)}, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, format := range []string{"raw", "qcow2", "vmdk"} {
		peers.Run(t, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", format}, names...), "theirs")...)
		must(t, append(append([]string{"convert", "--force", "-O", format}, names...), "ours")...)
		peers.Run(t, "qemu-img", "compare", "-f", format, "-F", format, "ours", "theirs")
	}
}
