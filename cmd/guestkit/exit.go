package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// The exit codes that all commands share; docs/cli.md documents them.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitNothing    = 3 // nothing found: no system, no such file in the guest
	exitIncomplete = 4 // with --require-complete: some volume was not read
	exitConcern    = 5 // with --fail-on: a concern is as grave
)

// An exitError ends a command with a code. Its err is printed, unless it is
// nil because all was said.
type exitError struct {
	code  int
	err   error
	usage bool // --help tells more
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit ends a command with a code and without a further word.
func exit(code int) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

// usagef is an error of how the command was called.
func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), usage: true}
}

// nothingf says that what was asked for is not there.
func nothingf(format string, args ...any) error {
	return &exitError{code: exitNothing, err: fmt.Errorf(format, args...)}
}

// signalCode is the exit code of a process that a signal ended.
func signalCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 128 + int(syscall.SIGINT)
}

// brokenPipe tells that nobody reads the output any more, which is no failure
// worth a word: "guestkit ls … | head".
func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
