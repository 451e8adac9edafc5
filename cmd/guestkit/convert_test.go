package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestConvertStandardInput reads a raw disk from a pipe, and says what cannot
// be read so.
func TestConvertStandardInput(t *testing.T) {
	dir := t.TempDir()
	disk := bytes.Repeat([]byte("data"), 300<<10)
	convert := func(in []byte, args ...string) result {
		var out, errs bytes.Buffer
		code := run(append([]string{"convert"}, args...), streams{bytes.NewReader(in), &out, &errs}, nil)
		return result{code, out.String(), errs.String()}
	}
	raw := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.qcow2")
	if r := convert(disk, "--verify", "-", out); r.code != 0 {
		t.Fatal(r.err)
	}
	if r := gk(t, "compare", "-s", raw, out); r.code != 0 {
		t.Error(r.out, r.err)
	}
	if r := convert(disk, "-", "-"); r.code != 0 || r.out != string(disk) {
		t.Errorf("to standard output: code %d, %d bytes, %s", r.code, len(r.out), r.err)
	}
	if r := convert(disk, "--offset", "4", "--length", "8", "-", "-"); r.out != "datadata" {
		t.Errorf("a part: %+v", r)
	}
	image, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for want, r := range map[string]result{
		"already exists":          convert(disk, "-", out),
		"save it to a file first": convert(image, "-", dir+"/x.qcow2"),
		"the stream is empty":     convert(nil, "-", dir+"/x.qcow2"),
		"it ends before":          convert(disk, "--length", "1G", "-", dir+"/x.qcow2"),
		"limit exceeded":          convert(disk, "--max-virtual-size", "1M", "-", dir+"/x.qcow2"),
	} {
		if r.code != exitFailed || !strings.Contains(r.err, want) {
			t.Errorf("want %q: %+v", want, r)
		}
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*x.qcow2*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left)+len(hidden) > 0 {
		t.Errorf("left behind: %v %v", left, hidden)
	}
}

// TestConvertInterrupted ends a copy by a signal: nothing is left.
func TestConvertInterrupted(t *testing.T) {
	dir := t.TempDir()
	r, w := io.Pipe()
	defer w.Close()
	signals := make(chan os.Signal, 1)
	done := make(chan int, 1)
	go func() {
		var out, errs bytes.Buffer
		done <- run([]string{"convert", "-", filepath.Join(dir, "out.qcow2")}, streams{r, &out, &errs}, signals)
	}()
	if _, err := w.Write(make([]byte, 4<<20)); err != nil { // it is on its way
		t.Fatal(err)
	}
	signals <- syscall.SIGTERM
	select {
	case code := <-done:
		if code != 143 {
			t.Errorf("code %d", code)
		}
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
