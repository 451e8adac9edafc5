package qcow2_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/qcow2"
)

// qemuInfo is what qemu-img info prints.
type qemuInfo struct {
	Format      string `json:"format"`
	VirtualSize int64  `json:"virtual-size"`
	ClusterSize int64  `json:"cluster-size"`
	Encrypted   bool   `json:"encrypted"`
	Backing     string `json:"backing-filename"`
	BackingFmt  string `json:"backing-filename-format"`
	Snapshots   []struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		VMSize int64  `json:"vm-state-size"`
		Sec    int64  `json:"date-sec"`
		Nsec   int    `json:"date-nsec"`
	} `json:"snapshots"`
	Specific struct {
		Data struct {
			Compat      string `json:"compat"`
			Compression string `json:"compression-type"`
			Lazy        bool   `json:"lazy-refcounts"`
			Refcount    int    `json:"refcount-bits"`
			Corrupt     bool   `json:"corrupt"`
			ExtendedL2  bool   `json:"extended-l2"`
			DataFile    string `json:"data-file"`
			DataFileRaw bool   `json:"data-file-raw"`
			Bitmaps     []struct {
				Name        string   `json:"name"`
				Granularity int64    `json:"granularity"`
				Flags       []string `json:"flags"`
			} `json:"bitmaps"`
		} `json:"data"`
	} `json:"format-specific"`
}

// TestJudgeSnapshots opens internal snapshots by id and by name, one of them of
// another size than the disk, and compares their bytes.
func TestJudgeSnapshots(t *testing.T) {
	for _, options := range []string{"compat=1.1", "extended_l2=on", "cluster_size=1k", "compression_type=zstd"} {
		t.Run(options, func(t *testing.T) {
			dir := t.TempDir()
			image := filepath.Join(dir, "image.qcow2")
			peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, image, "4M")
			cs := clusterSize(t, image)
			qemuIO(t, image, "qcow2", fillCommands(1, 4<<20, cs, true))
			peers.Run(t, "qemu-img", "snapshot", "-c", "first", image)
			qemuIO(t, image, "qcow2", fillCommands(2, 4<<20, cs, false))
			peers.Run(t, "qemu-img", "resize", "-q", image, "6M")
			qemuIO(t, image, "qcow2", fillCommands(3, 6<<20, cs, true))
			peers.Run(t, "qemu-img", "snapshot", "-c", "second one", image)
			qemuIO(t, image, "qcow2", fillCommands(4, 6<<20, cs, false))
			judge(t, image, cs)
			for _, s := range []struct {
				ask, judge string
				size       int64
			}{{"1", "first", 4 << 20}, {"first", "first", 4 << 20}, {"second one", "second one", 6 << 20}} {
				im, err := format.OpenFile(image, &format.Options{Snapshot: s.ask})
				if err != nil {
					t.Fatal(err)
				}
				defer im.Close()
				if im.Size() != s.size {
					t.Errorf("snapshot %q has %d bytes, want %d", s.ask, im.Size(), s.size)
				}
				want := filepath.Join(dir, "want.raw")
				peers.Run(t, "qemu-img", "convert", "-l", "snapshot.name="+s.judge, "-O", "raw", image, want)
				f, err := format.OpenHostFile(want)
				if err != nil {
					t.Fatal(err)
				}
				compareAll(t, im, block.Section(f, 0, im.Size())) // qemu-img writes the size of today
				f.Close()
			}
			if _, err := format.OpenFile(image, &format.Options{Snapshot: "third"}); !errors.Is(err, qcow2.ErrNoSnapshot) {
				t.Errorf("a snapshot that is not there: %v", err)
			}
		})
	}
}

// TestJudgeInfo compares what is said about an image with qemu-img info.
func TestJudgeInfo(t *testing.T) {
	for _, options := range []string{
		"compat=0.10", "compat=1.1", "lazy_refcounts=on", "refcount_bits=1", "refcount_bits=64", "compression_type=zstd",
		"extended_l2=on,cluster_size=128k", "cluster_size=512", "data_file=data.raw", "data_file=data.raw,data_file_raw=on",
	} {
		t.Run(options, func(t *testing.T) {
			dir := t.TempDir()
			run := func(args ...string) string {
				cmd := peers.Command(t, "qemu-img", args...)
				cmd.Dir = dir
				return peers.RunCmd(t, cmd)
			}
			run("create", "-q", "-f", "qcow2", "-o", options, "image.qcow2", "5M")
			if options != "compat=0.10" {
				run("bitmap", "--add", "image.qcow2", "one")
				run("bitmap", "--add", "--disable", "-g", "1M", "image.qcow2", "a second bitmap")
			}
			if options[:4] != "data" { // no internal snapshots there
				run("snapshot", "-c", "snap", "image.qcow2")
				run("snapshot", "-c", "snap two", "image.qcow2")
			}
			var want qemuInfo
			if err := json.Unmarshal([]byte(run("info", "--output=json", "image.qcow2")), &want); err != nil {
				t.Fatal(err)
			}
			got, problems, err := format.DescribeFile(filepath.Join(dir, "image.qcow2"), nil)
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			compareInfo(t, got, &want)
		})
	}
}

func compareInfo(t *testing.T, got *format.Info, want *qemuInfo) {
	t.Helper()
	d := want.Specific.Data
	same := func(what string, g, w any) {
		if g != w {
			t.Errorf("%s is %v, want %v", what, g, w)
		}
	}
	same("format", got.Format, want.Format)
	same("size", got.VirtualSize, want.VirtualSize)
	same("cluster size", got.ClusterSize, want.ClusterSize)
	same("encrypted", got.Encryption != "", want.Encrypted)
	same("compat", got.Compat, d.Compat)
	if d.Compression != "" {
		same("compression", got.CompressionType, d.Compression)
	}
	same("lazy refcounts", got.LazyRefcounts, d.Lazy)
	same("refcount bits", got.RefcountBits, d.Refcount)
	same("corrupt", got.Corrupt, d.Corrupt)
	same("extended L2", got.ExtendedL2, d.ExtendedL2)
	if got.DataFile != nil {
		same("data file", got.DataFile.Name, d.DataFile)
	} else {
		same("data file", "", d.DataFile)
	}
	same("raw data file", got.DataFileRaw, d.DataFileRaw)
	if len(got.Snapshots) != len(want.Snapshots) || len(got.Bitmaps) != len(d.Bitmaps) {
		t.Fatalf("%d snapshots and %d bitmaps, want %d and %d", len(got.Snapshots), len(got.Bitmaps), len(want.Snapshots), len(d.Bitmaps))
	}
	for i, w := range want.Snapshots {
		g := got.Snapshots[i]
		same("snapshot id", g.ID, w.ID)
		same("snapshot name", g.Name, w.Name)
		same("vm state", g.VMStateSize, w.VMSize)
		same("date", g.Date.Unix(), w.Sec)
		same("date nsec", g.Date.Nanosecond(), w.Nsec)
		same("disk size", g.DiskSize, want.VirtualSize)
	}
	for i, w := range d.Bitmaps {
		g := got.Bitmaps[i]
		same("bitmap name", g.Name, w.Name)
		same("granularity", g.Granularity, w.Granularity)
		auto := false
		for _, f := range w.Flags {
			auto = auto || f == "auto"
		}
		same("auto", g.Auto, auto)
	}
}

// TestJudgeEncrypted describes encrypted images, and does not read them.
func TestJudgeEncrypted(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image.qcow2")
	peers.RunAgain(t, "qemu-img", "create", "-q", "--object", "secret,id=s,data=secret", "-f", "qcow2",
		"-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=100", image, "1M")
	if _, err := format.OpenFile(image, nil); !errors.Is(err, block.ErrEncrypted) {
		t.Errorf("OpenFile: %v, want ErrEncrypted", err)
	}
	info, _, err := format.DescribeFile(image, nil)
	if err != nil || info.Encryption != "LUKS" || info.VirtualSize != 1<<20 {
		t.Errorf("DescribeFile = %+v, %v", info, err)
	}
	before, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	before[0x23] = 1 // the legacy method, which qemu-img no longer creates
	if err := os.WriteFile(image, before, 0o600); err != nil {
		t.Fatal(err)
	}
	info, _, err = format.DescribeFile(image, nil)
	if err != nil || info.Encryption != "AES" {
		t.Errorf("DescribeFile = %+v, %v", info, err)
	}
}
