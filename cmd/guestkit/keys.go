package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/keys"
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
	list      *keys.List
}

// keyFlags gives a command the flags of keys. All commands that read a guest
// have them by way of sourceFlags.
func (s *source) keyFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.keys.selectors, "key", nil, "a key: `ID:key:TEXT` or ID:file:PATH; ID is a volume, a UUID, a device name or all; repeatable")
	f.StringArrayVar(&s.keys.files, "key-file", nil, "a `FILE` with a key for all that is encrypted; repeatable")
	f.BoolVar(&s.keys.stdin, "keys-from-stdin", false, "read keys for all from standard input, one a line")
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
	if f, ok := s.a.in.(*os.File); ok && !k.stdin && s.a.errTerminal && term.IsTerminal(int(f.Fd())) {
		k.list.Ask = func(ctx context.Context, need block.KeyNeed) ([]byte, error) { return s.a.ask(ctx, f, need) }
	}
	return nil
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
