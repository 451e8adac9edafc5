package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/volume"
	"github.com/guestkit/guestkit/volume/keys"
	"github.com/guestkit/guestkit/volume/luks"
)

// keyFile is the variable with the name of a key file for all commands.
const keyFile = "GUESTKIT_KEY_FILE"

// maxPrompts is how often a person is asked for the key of one thing.
const maxPrompts = 3

// keySource is the keys that a command is given.
type keySource struct {
	selectors []string // --key
	files     []string // --key-file
	stdin     bool     // --keys-from-stdin
	headers   []string // --luks-header
	cost      costFlag // --key-cost
	list      *keys.List
	detached  []volume.LUKSHeader // of the headers
}

// keyFlags gives a command the flags of keys. All commands that read a guest
// have them by way of sourceFlags.
func (s *source) keyFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.keys.selectors, "key", nil, "a key: `ID:key:TEXT` or ID:file:PATH; ID is a volume, a UUID, a device name or all; repeatable")
	f.StringArrayVar(&s.keys.files, "key-file", nil, "a `FILE` with a key for all that is encrypted; repeatable")
	f.BoolVar(&s.keys.stdin, "keys-from-stdin", false, "read keys for all from standard input, one a line")
	f.StringArrayVar(&s.keys.headers, "luks-header", nil, "a detached LUKS header: `ID=FILE`; ID is a volume or a device name; repeatable")
	f.Var(&s.keys.cost, "key-cost", "what one try of a key may cost: `memory=SIZE,steps=MILLIONS` (default memory=1G,steps=32)")
}

// readKeys reads the keys once, in the order in which they are tried.
func (s *source) readKeys() error {
	k := &s.keys
	if k.list != nil {
		return nil
	}
	k.list = new(keys.List)
	for i, text := range k.selectors {
		if err := k.list.Add(text); err != nil {
			return usagef("--key number %d: %v", i+1, err)
		}
		k.selectors[i] = "" // no further copies
	}
	files := k.files
	if name := os.Getenv(keyFile); name != "" {
		files = append(files, name)
	}
	for _, name := range files {
		if err := k.list.AddFile(keys.All, name); err != nil {
			return fmt.Errorf("key file: %w", err)
		}
	}
	if k.stdin {
		if err := k.list.AddLines(s.a.in); err != nil {
			return fmt.Errorf("keys from standard input: %w", err)
		}
	}
	for _, text := range k.headers {
		id, path, ok := strings.Cut(text, "=")
		if !ok || id == "" || id == keys.All {
			return usagef("--luks-header %q: not of the form ID=FILE, where ID is one volume", text)
		}
		head, err := s.a.openHeader(path)
		if err != nil {
			return err
		}
		k.detached = append(k.detached, volume.LUKSHeader{Volume: id, Header: head})
	}
	if f, ok := s.a.in.(*os.File); ok && !k.stdin && s.a.errTerminal && term.IsTerminal(int(f.Fd())) {
		k.list.Ask = func(ctx context.Context, need block.KeyNeed) ([]byte, error) { return s.a.ask(ctx, f, need) }
	}
	return nil
}

// openHeader opens the file of a detached header for as long as the command runs.
func (a *app) openHeader(path string) (block.Reader, error) {
	if err := plainFile(path); err != nil {
		return nil, err
	}
	f, err := format.OpenHostFile(path)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened = append(a.opened, f)
	return f, nil
}

// A costFlag is --key-cost: the zero value leaves the defaults.
type costFlag luks.Limits

func (c *costFlag) Type() string   { return "COST" }
func (c *costFlag) String() string { return "" }

// What all keys that are tried on one volume may cost together, in tries of the
// dearest kind.
const costTries = 8

func (c *costFlag) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "memory":
			n, err := parseSize(value)
			if err != nil || n < 1 {
				return usagef("%q is no size of memory", value)
			}
			c.Memory = n
		case "steps":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 1 || n > 1e9 {
				return usagef("%q is no number of million steps", value)
			}
			c.Work, c.TotalWork = n*1e6, costTries*n*1e6
		default:
			return usagef("%q is neither memory=SIZE nor steps=MILLIONS", part)
		}
	}
	return nil
}

// volumeOptions are how volumes are looked for with these keys; o may be nil.
func (k *keySource) volumeOptions(o *inspect.Options) *inspect.Options {
	var io inspect.Options
	if o != nil {
		io = *o
	}
	var vo volume.Options
	if io.Volume != nil {
		vo = *io.Volume
	}
	vo.KeyCost, vo.LUKSHeaders = luks.Limits(k.cost), k.detached
	io.Volume = &vo
	return &io
}

// unlock is what is given to those who need keys.
func (s *source) unlock(ctx context.Context, need block.KeyNeed) ([]byte, error) {
	if s.keys.list == nil {
		return nil, fmt.Errorf("%w: no key is given for it", block.ErrEncrypted)
	}
	key, err := s.keys.list.Unlock(ctx, need)
	if err == nil {
		s.a.note("trying a key on %s (%s; %s)", need.Name, need.Format, need.Hint)
	}
	return key, err
}

// ask asks a person for a key, without showing it. An empty one leaves the
// thing locked.
func (a *app) ask(ctx context.Context, tty *os.File, need block.KeyNeed) ([]byte, error) {
	if need.Attempt >= maxPrompts {
		return nil, fmt.Errorf("%w: no key fits", block.ErrEncrypted)
	}
	fd := int(tty.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	restore := func() { term.Restore(fd, state) }
	a.restore.Store(&restore)
	defer a.restore.Store(nil)
	if need.Attempt > 0 {
		a.err.Printf("That key does not fit.\n")
	}
	a.err.Printf("Key for %s (%s), or nothing to leave it locked: ", what(need), need.Hint)
	type answer struct {
		key []byte
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		key, err := term.ReadPassword(fd)
		answers <- answer{key, err}
	}()
	select {
	case got := <-answers:
		a.err.Printf("\n")
		if got.err != nil {
			return nil, got.err
		}
		if len(bytes.TrimSpace(got.key)) == 0 {
			return nil, fmt.Errorf("%w: no key was given", block.ErrEncrypted)
		}
		return got.key, nil
	case <-ctx.Done():
		restore()
		return nil, ctx.Err()
	}
}

// what names what needs a key: "gpt3 (luks, label x, UUID …)".
func what(need block.KeyNeed) string {
	about := []string{need.Format}
	if need.Label != "" {
		about = append(about, fmt.Sprintf("%q", need.Label))
	}
	if need.UUID != "" {
		about = append(about, need.UUID)
	}
	return need.Name + ": " + strings.Join(about, ", ")
}
