//go:build libguestfs && linux

package guestfish

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/block"
)

const (
	maxStart   = 10 * time.Minute // until the appliance runs: half a minute without KVM on an idle machine
	maxCommand = 5 * time.Minute  // for one batch of commands
	maxLeave   = 5 * time.Second  // to end in its own time
	maxError   = 4 << 10          // bytes that are kept of what it complains of
	maxBatch   = 32 << 10         // bytes of commands that are written before answers are read, less than a pipe holds
)

// A child is one guestfish with its appliance, in which a volume is /dev/sda.
type child struct {
	cmd  *exec.Cmd
	in   *os.File
	out  *os.File
	errs *os.File // what it complains of; emptied before each batch
	dir  string   // of this child, with all files that it and libguestfs make
	srv  *server
	gone chan struct{} // closed when the process has ended

	mu     sync.Mutex // held for a batch of commands and their answers
	rest   []byte     // of what was read of out
	broken error      // why there are no more answers

	closing sync.Once
}

// start starts guestfish, which has no appliance yet.
func start(r block.Reader) (*child, error) {
	path, err := exec.LookPath("guestfish")
	if err != nil {
		return nil, fmt.Errorf("%w: only guestfish reads this filesystem: %w", block.ErrUnsupported, err)
	}
	c := &child{gone: make(chan struct{})}
	if c.dir, err = os.MkdirTemp("", "guestkit-*"); err != nil { // 0700
		return nil, err
	}
	if err := c.run(path, r); err != nil {
		if c.srv != nil {
			c.srv.Close()
		}
		c.clean()
		return nil, err
	}
	return c, nil
}

// socket is where the volume is served. It has no name any more once the
// appliance runs.
func (c *child) socket() string { return filepath.Join(c.dir, "nbd") }

func (c *child) run(path string, r block.Reader) error {
	// libguestfs makes an address of it, in which these separate.
	if strings.ContainsAny(c.dir, " :,?'\"\\") {
		return fmt.Errorf("%w: the folder %q for temporary files: guestfish takes no such name", block.ErrUnsupported, c.dir)
	}
	l, err := net.Listen("unix", c.socket())
	if err != nil {
		return err
	}
	c.srv = serve(l, r)
	var child [3]*os.File // its standard files
	defer func() {
		for _, f := range child {
			f.Close()
		}
	}()
	if child[0], c.in, err = os.Pipe(); err != nil {
		return err
	}
	if c.out, child[1], err = os.Pipe(); err != nil {
		return err
	}
	name := filepath.Join(c.dir, "errors")
	if c.errs, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	if child[2], err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return err
	}
	c.cmd = exec.Command(path, "--ro")
	c.cmd.Env = environment(os.Environ(), c.dir, unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) == nil)
	c.cmd.Dir = "/"
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = child[0], child[1], child[2]
	// A group of its own: Ctrl-C is not for it, and all that it starts ends
	// with it. It does not outlive this process, and its recovery process ends
	// qemu then.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		c.cmd.Wait()
		close(c.gone)
	}()
	return nil
}

// environment is what guestfish is told: where things are, and what the user
// set for libguestfs, but for what would have it chat. Its temporary files and
// sockets lie in dir. Where the user does not choose, qemu is started without
// libvirt, and emulates where there is no KVM.
func environment(from []string, dir string, kvm bool) []string {
	out := []string{"LC_ALL=C", "XDG_RUNTIME_DIR=" + dir}
	set := map[string]bool{"LC_ALL": true, "XDG_RUNTIME_DIR": true, "LIBGUESTFS_DEBUG": true, "LIBGUESTFS_TRACE": true, "LIBGUESTFS_TMPDIR": true}
	for _, kv := range from {
		k, _, _ := strings.Cut(kv, "=")
		if !set[k] && (slices.Contains([]string{"PATH", "HOME", "TMPDIR"}, k) || strings.HasPrefix(k, "LIBGUESTFS_") || strings.HasPrefix(k, "SUPERMIN_")) {
			out, set[k] = append(out, kv), true
		}
	}
	out = append(out, "LIBGUESTFS_TMPDIR="+dir)
	if !set["LIBGUESTFS_BACKEND"] {
		out = append(out, "LIBGUESTFS_BACKEND=direct")
		if !kvm && !set["LIBGUESTFS_BACKEND_SETTINGS"] {
			out = append(out, "LIBGUESTFS_BACKEND_SETTINGS=force_tcg")
		}
	}
	return out
}

// quote makes one argument of a command, whatever bytes it has.
func quote(arg string) string {
	b := []byte{'"'}
	for _, c := range []byte(arg) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/._-:", c) >= 0 {
			b = append(b, c)
		} else {
			b = fmt.Appendf(b, `\x%02x`, c)
		}
	}
	return string(append(b, '"'))
}

// command makes a line of a name and arguments.
func command(name string, args ...string) string {
	for _, a := range args {
		name += " " + quote(a)
	}
	return name
}

// ask has commands run and returns what each printed, of most bytes in all, and
// what it complained of: a command that fails ends nothing. The error is one of
// the child, which answers no more after it.
//
// The answer to each command ends where a line follows that nobody knew before:
// no content of a file looks like it.
func (c *child) ask(limit int, wait time.Duration, commands ...string) (answers [][]byte, complaint string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return nil, "", c.broken
	}
	var expired bool
	var once sync.Once // either it expires, or it is stopped
	timer := time.AfterFunc(wait, func() { once.Do(func() { expired = true; c.kill() }) })
	defer timer.Stop()
	answers, complaint, err = c.exchange(limit, commands)
	once.Do(func() {})
	switch {
	case err == nil:
		return answers, complaint, nil
	case expired:
		err = fmt.Errorf("%w: guestfish took more than %v", block.ErrLimit, wait)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE):
		err = fmt.Errorf("guestfish has ended: %s", c.complaint())
	}
	c.kill()
	c.broken = err
	return nil, "", err
}

func (c *child) exchange(limit int, commands []string) ([][]byte, string, error) {
	if err := c.errs.Truncate(0); err != nil {
		return nil, "", err
	}
	mark := rand.Text()
	end := []byte(mark + "\n")
	var answers [][]byte
	for len(commands) > 0 {
		var lines []byte
		n := 0
		for n < len(commands) && (n == 0 || len(lines)+len(commands[n]) < maxBatch) {
			lines = fmt.Appendf(lines, "-%s\necho %s\n", commands[n], mark)
			n++
		}
		commands = commands[n:]
		if _, err := c.in.Write(lines); err != nil {
			return nil, "", err
		}
		for range n {
			a, err := c.until(end, limit)
			if err != nil {
				return nil, "", err
			}
			limit -= len(a)
			answers = append(answers, a)
		}
	}
	return answers, c.complaint(), nil
}

// until reads what comes before end.
func (c *child) until(end []byte, limit int) ([]byte, error) {
	for from := 0; ; {
		if i := bytes.Index(c.rest[from:], end); i >= 0 {
			a := c.rest[: from+i : from+i]
			c.rest = c.rest[from+i+len(end):]
			return a, nil
		}
		from = max(0, len(c.rest)-len(end))
		if from > limit {
			return nil, fmt.Errorf("%w: an answer of guestfish of more than %d bytes", block.ErrLimit, limit)
		}
		c.rest = slices.Grow(c.rest, 64<<10)
		n, err := c.out.Read(c.rest[len(c.rest):cap(c.rest)])
		c.rest = c.rest[:len(c.rest)+n]
		if err != nil {
			return nil, err
		}
	}
}

// complaint is what guestfish has said since the last batch began.
func (c *child) complaint() string {
	b := make([]byte, maxError)
	n, _ := c.errs.ReadAt(b, 0)
	var lines []string
	for line := range strings.Lines(string(b[:n])) {
		line = strings.TrimSpace(line)
		if _, after, ok := strings.Cut(line, "libguestfs: error: "); ok {
			line = after
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// kill ends the child, and all that it has started, at once.
func (c *child) kill() { syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) }

// Close ends the child. One that is busy is not waited for.
func (c *child) Close() error {
	c.closing.Do(func() {
		if c.mu.TryLock() {
			c.in.Close() // its commands end here
			c.broken = fs.ErrClosed
			c.mu.Unlock()
			select {
			case <-c.gone:
			case <-time.After(maxLeave):
			}
		}
		c.kill()
		<-c.gone
		c.srv.Close()
		c.mu.Lock() // those who still waited for an answer have their error
		c.broken = fs.ErrClosed
		c.clean()
		c.mu.Unlock()
	})
	return nil
}

// clean leaves nothing behind.
func (c *child) clean() {
	for _, f := range []*os.File{c.in, c.out, c.errs} {
		f.Close() // of a nil File an error
	}
	os.RemoveAll(c.dir)
}
