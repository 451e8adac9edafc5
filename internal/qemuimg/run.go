//go:build qemu && linux

package qemuimg

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/guestkit/guestkit/block"
)

const (
	maxTime   = time.Hour // for one run
	maxOutput = 1 << 20   // bytes that are kept of what it prints
	maxError  = 4 << 10   // of what it complains of
)

// name is that of file n of a run, in the process of qemu-img. To open it opens
// the very file that guestkit has open, whatever its path leads to by now.
func name(n int) string { return fmt.Sprintf("/proc/self/fd/%d", 3+n) }

// source names the image, which is the first file of a run, such that neither
// its content nor its name decides what is opened. A backing file is not.
func source(format string) string {
	spec, _ := json.Marshal(map[string]any{ // strings alone, which cannot fail
		"driver":  format,
		"file":    map[string]string{"driver": "file", "filename": name(0)},
		"backing": nil,
	})
	return "json:" + string(spec)
}

// run runs qemu-img with the files given, and returns what it printed and its
// exit code. The error has what it complained of.
func run(files []*os.File, args ...string) ([]byte, int, error) {
	path, err := exec.LookPath("qemu-img")
	if err != nil {
		return nil, -1, fmt.Errorf("%w: only qemu-img reads this format: %w", block.ErrUnsupported, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	out, errs := &clipped{most: maxOutput}, &clipped{most: maxError}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Dir = "/"
	cmd.ExtraFiles = files
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	code := cmd.ProcessState.ExitCode() // -1 if it did not start or was killed
	switch said := bytes.TrimSpace(errs.kept); {
	case ctx.Err() != nil:
		err = fmt.Errorf("%w: qemu-img %s took more than %v", block.ErrLimit, args[0], maxTime)
	case err != nil && len(said) > 0:
		err = fmt.Errorf("qemu-img %s: %w: %s", args[0], err, said)
	case err != nil:
		err = fmt.Errorf("qemu-img %s: %w", args[0], err)
	}
	return out.kept, code, err
}

// A clipped writer keeps the first bytes that are written to it.
type clipped struct {
	kept []byte
	most int
}

func (c *clipped) Write(p []byte) (int, error) {
	c.kept = append(c.kept, p[:min(len(p), c.most-len(c.kept))]...)
	return len(p), nil
}
