package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestSnapshot does to one image what qemu-img does to its copy, and writes in
// between: both hold the same disks, and qemu-img finds ours sound.
func TestSnapshot(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for _, opts := range []string{"compat=1.1", "compat=0.10,cluster_size=4k", "extended_l2=on,cluster_size=16k", "refcount_bits=64,cluster_size=512"} {
		dir := t.TempDir()
		ours, theirs := filepath.Join(dir, "ours.qcow2"), filepath.Join(dir, "theirs.qcow2")
		for _, image := range []string{ours, theirs} {
			peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", opts, image, "4M")
		}
		for i, step := range []string{"w 0 1M", "-c one", "w 512k 1M", "-c two", "w 3M 64k", "-c three", "-d two", "w 600k 8k", "-a one", "w 0 4k", "-a three", "-d one", "w 1M 1M", "-a 3"} {
			verb, rest, _ := strings.Cut(step, " ")
			for _, image := range []string{ours, theirs} {
				switch {
				case verb == "w":
					peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P "+string(rune('1'+i%9))+" "+rest, image)
				case image == ours:
					if r := gk(t, "snapshot", verb, rest, ours); r.code != 0 {
						t.Fatalf("%s: %s: %s", opts, step, r.err)
					}
				default:
					peers.Run(t, "qemu-img", "snapshot", verb, rest, theirs)
				}
			}
			peers.Run(t, "qemu-img", "check", "-q", ours)
			peers.Run(t, "qemu-img", "compare", "-q", ours, theirs)
			var a, b []string
			for line := range strings.Lines(peers.Run(t, "qemu-img", "snapshot", "-l", ours)) {
				a = append(a, strings.Fields(line)[0])
			}
			for line := range strings.Lines(peers.Run(t, "qemu-img", "snapshot", "-l", theirs)) {
				b = append(b, strings.Fields(line)[0])
			}
			if strings.Join(a, " ") != strings.Join(b, " ") {
				t.Errorf("%s: %s: snapshots %q, qemu-img has %q", opts, step, a, b)
			}
			for _, id := range a {
				if id == "Snapshot" || id == "ID" {
					continue
				}
				for _, image := range []string{ours, theirs} {
					peers.Run(t, "qemu-img", "convert", "-O", "raw", "-l", "snapshot.id="+id, image, image+".raw")
				}
				peers.Run(t, "cmp", ours+".raw", theirs+".raw")
			}
		}
		r := gk(t, "snapshot", "--json", ours)
		var doc snapshotsDoc
		if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Snapshots) != 1 || doc.Snapshots[0].Name != "three" {
			t.Errorf("%s %v", r.out, err)
		}
		if r := gk(t, "snapshot", "-l", ours); !strings.Contains(r.out, "three") {
			t.Errorf("%+v", r)
		}
		for _, args := range [][]string{{"-c", "three"}, {"-c", ""}, {"-d", "nothing"}, {"-a", "nothing"}} {
			if r := gk(t, append([]string{"snapshot"}, append(args, ours)...)...); r.code == 0 {
				t.Errorf("%q: %+v", args, r)
			}
		}
	}
}

// TestSnapshotWords: a name that is the id of another snapshot is told from it as
// qemu-img's words do, and never taken for it by what cannot be undone.
func TestSnapshotWords(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	image := filepath.Join(t.TempDir(), "disk.qcow2")
	peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", image, "64K")
	for i, name := range []string{"0", "1", "2"} { // the ids are one more
		peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P "+string(rune('1'+i))+" 0 64k", image)
		peers.Run(t, "qemu-img", "snapshot", "-c", name, image)
	}
	for _, words := range []string{"0", "1", "3", "snapshot.id=1", "snapshot.name=1", "snapshot.id=2,snapshot.name=1", "snapshot.name=2,snapshot.id=3"} {
		peers.Run(t, "qemu-img", "convert", "-O", "raw", "-l", words, image, image+".theirs")
		must(t, "convert", "--force", "-O", "raw", "-l", words, image, image+".ours")
		peers.Run(t, "cmp", image+".ours", image+".theirs")
	}
	for _, words := range []string{"snapshot.id=0", "snapshot.name=3", "snapshot.id=1,snapshot.name=1"} {
		if r := gk(t, "convert", "-O", "raw", "-l", words, image, image+".none"); r.code != exitNothing {
			t.Errorf("%s: %+v", words, r)
		}
	}
	if r := gk(t, "snapshot", "-d", "1", image); r.code != exitFailed || !strings.Contains(r.err, "snapshot.name=") {
		t.Errorf("%+v", r)
	}
	must(t, "snapshot", "-d", "snapshot.name=1", image)
	must(t, "snapshot", "-a", "snapshot.id=1", image)
	if got := peers.Run(t, "qemu-io", "-r", "-f", "qcow2", "-c", "read -P 1 0 64k", image); strings.Contains(got, "failed") {
		t.Errorf("%s", got)
	}
	if list := peers.Run(t, "qemu-img", "snapshot", "-l", image); strings.Count(list, "\n") != 4 {
		t.Errorf("left are\n%s", list)
	}
	peers.Run(t, "qemu-img", "check", "-q", image)
}

// TestBitmap changes bitmaps as qemu-img does.
func TestBitmap(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours.qcow2"), filepath.Join(dir, "theirs.qcow2")
	for _, image := range []string{ours, theirs} {
		peers.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", image, "300M")
	}
	for i, step := range []string{"--add a", "w 1M 3M", "--add --disable -g 64k b", "w 100M 2M", "--merge a b", "--add -g 512 c", "w 299M 1M", "--merge c b", "--merge b c", "--disable a", "w 8k 8k", "--clear b", "--enable b", "w 0 512", "--remove a", "--add d", "--merge c d",
		"--clear --merge c b", "--merge d --clear --disable --enable b", "--merge c b", "--clear --merge b b", "--add --merge c --merge d e", "--remove --add -g 64k --merge c --disable d"} {
		f := strings.Fields(step)
		last := len(f) - 1
		for _, image := range []string{ours, theirs} {
			args := append(append([]string{"bitmap"}, f[:last]...), image, f[last])
			switch {
			case f[0] == "w":
				peers.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P "+string(rune('1'+i%9))+" "+f[1]+" "+f[2], image)
			case image == ours:
				if r := gk(t, args...); r.code != 0 {
					t.Fatalf("%s: %s", step, r.err)
				}
			default:
				peers.Run(t, "qemu-img", args...)
			}
		}
		peers.Run(t, "qemu-img", "check", "-q", ours)
		var docs [2]qemuInfoDoc
		for i, image := range []string{ours, theirs} {
			if err := json.Unmarshal([]byte(peers.Run(t, "qemu-img", "info", "--output=json", image)), &docs[i]); err != nil {
				t.Fatal(err)
			}
			data, _ := docs[i].Specific.Data.(map[string]any)
			list, _ := data["bitmaps"].([]any)
			b, _ := json.Marshal(list)
			docs[i].Format = string(b)
			for _, x := range list {
				name := x.(map[string]any)["name"].(string)
				docs[i].Format += name + ": " + gk(t, "bitmap", image, name).out
			}
		}
		if docs[0].Format != docs[1].Format {
			t.Fatalf("%s: %s\nqemu-img has %s", step, docs[0].Format, docs[1].Format)
		}
	}
	// The dirty ranges as QEMU reads them: x-dirty-bitmap is not at hand offline,
	// so that a merge by QEMU of what we merged must not change it.
	before := gk(t, "bitmap", ours, "d").out
	peers.Run(t, "qemu-img", "bitmap", "--merge", "c", ours, "d")
	if after := gk(t, "bitmap", ours, "d").out; after != before || !strings.Contains(after, "+") {
		t.Errorf("%s, then %s", before, after)
	}
	if r := gk(t, "bitmap", "--add", ours, "d"); r.code == 0 {
		t.Errorf("%+v", r)
	}
	if err := os.Truncate(theirs, 4096); err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "bitmap", "--add", theirs, "e"); r.code == 0 {
		t.Errorf("%+v", r)
	}
}
