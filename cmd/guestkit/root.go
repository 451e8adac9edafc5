package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/qcow2"
)

// streams are what a run reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// app is one run of the command line: what every command is given.
type app struct {
	ctx   context.Context // ends at the first signal
	start time.Time

	in  io.Reader         // standard input
	raw *bufio.Writer     // standard output, for bytes of a guest and JSON
	out *terminal.Printer // standard output, for people
	err *terminal.Printer // standard error

	outTerminal bool // a person is watching
	errTerminal bool // a person can be asked

	// restore gives a terminal its echo back while a key is asked for.
	restore atomic.Pointer[func()]

	verbose, quiet bool
	showVersion    bool // of the root command
	json           bool // of the commands that have it

	// guests are those that were opened; a run that ends closes them, in case
	// its command did not come to it.
	mu     sync.Mutex
	guests []*guestkit.Guest
	opened []io.Closer // and other files

	// tidies is set by a command that must clean up after a signal; the
	// others end at once.
	tidies atomic.Bool
}

// newApp starts a run.
func newApp(s streams) *app {
	raw := bufio.NewWriterSize(s.out, 64<<10)
	outColor, outTerminal := colors(s.out)
	errColor, errTerminal := colors(s.err)
	a := &app{ctx: context.Background(), start: time.Now(), in: s.in, raw: raw, outTerminal: outTerminal, errTerminal: errTerminal,
		out: terminal.NewPrinter(raw, outColor), err: terminal.NewPrinter(s.err, errColor)}
	a.out.SetWords(inFlags)
	a.err.SetWords(inFlags)
	if f, ok := s.out.(*os.File); ok && outTerminal {
		a.out.SetWidth(func() int { return columns(f) })
	}
	return a
}

// run is the whole program: it returns the exit code. A signal ends it.
func run(args []string, s streams, signals <-chan os.Signal) int {
	a := newApp(s)
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	a.ctx = ctx
	done := make(chan int, 1)
	go func() {
		done <- a.guard(func() int {
			root := newRoot(a, s, firstWord(args))
			if err := knownCommand(root, args); err != nil { // whatever flags follow
				return a.report(err, root.CommandPath())
			}
			strictHelpers(root)
			root.SetArgs(logArgs(habitArgs(findArgs(resizeArgs(args)))))
			cmd, err := root.ExecuteC()
			if werr := a.finish(); err == nil {
				err = werr
			}
			return a.report(err, cmd.CommandPath())
		})
	}()
	select {
	case code := <-done:
		a.closeGuests()
		return code
	case sig := <-signals:
		cancel()
		if restore := a.restore.Load(); restore != nil {
			(*restore)()
		}
		ended := make(chan struct{})
		go func() {
			a.closeGuests()
			close(ended)
		}()
		select { // what was started for the guest ends with it
		case <-ended:
		case <-time.After(maxEnd):
		}
		if a.tidies.Load() {
			select {
			case <-done:
			case <-signals: // asked twice
			}
		}
		return signalCode(sig)
	}
}

// maxEnd is how long a signal waits for a guest that is being closed.
const maxEnd = 3 * time.Second

// own makes the run close a guest at its end.
func (a *app) own(g *guestkit.Guest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.guests = append(a.guests, g)
}

// disown forgets a guest that is closed: a batch has many of them.
func (a *app) disown(g *guestkit.Guest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.guests = slices.DeleteFunc(a.guests, func(o *guestkit.Guest) bool { return o == g })
}

func (a *app) closeGuests() {
	a.mu.Lock()
	guests, opened := a.guests, a.opened
	a.guests, a.opened = nil, nil
	a.mu.Unlock()
	for _, g := range guests {
		g.Close()
	}
	for _, f := range opened {
		f.Close()
	}
}

// guard turns a panic, which is a fault of ours, into an error.
func (a *app) guard(run func() int) (code int) {
	defer func() {
		x := recover()
		if x == nil {
			return
		}
		a.err.Printf("%s internal error: %s\n", terminal.Red.In("guestkit:"), fmt.Sprint(x))
		if a.verbose {
			for _, line := range strings.Split(strings.TrimSpace(string(debug.Stack())), "\n") {
				a.err.Printf("  %s\n", strings.ReplaceAll(line, "\t", "    "))
			}
		} else {
			a.err.Printf("This is a bug; please report it with what --verbose adds.\n")
		}
		code = exitFailed
	}()
	return run()
}

// finish writes out what is buffered.
func (a *app) finish() error {
	if err := a.out.Err(); err != nil {
		return err
	}
	return a.raw.Flush()
}

// report prints the error of a command, if there is one to print, and gives
// its code; an error among others is of no command.
func (a *app) report(err error, command string) int {
	if err == nil {
		return exitDone
	}
	if brokenPipe(err) {
		return exitFailed
	}
	code := exitFailed
	var e *exitError
	if !errors.As(err, &e) && errors.Is(err, block.ErrOption) { // the library knows which values are good
		e = &exitError{code: exitUsage, err: err, usage: true}
		code = e.code
	} else if e == nil && (errors.Is(err, qcow2.ErrNoSnapshot) || errors.Is(err, qcow2.ErrNoBitmap)) {
		code = exitNothing
	} else if e != nil {
		if code = e.code; e.err == nil {
			return code
		}
	}
	var stays *leftBehind
	if !errors.As(err, &stays) && (errors.Is(err, context.Canceled) || a.ctx.Err() != nil) {
		err = errors.New("interrupted")
	}
	a.err.Printf("%s %s\n", terminal.Red.In("guestkit:"), err)
	if e != nil && e.usage && command != "" {
		a.err.Printf("Try '%s --help'.\n", command)
	}
	return code
}

// leftBehind is the error of a run that was interrupted and could not undo all that it
// did: it is said, and not that there was an interrupt, as every other error is then.
type leftBehind struct{ error }

// A command as the table has it.
type command struct {
	name    string
	aliases []string
	make    func(a *app) *cobra.Command
	all     bool // it is about the others
}

// commands are the tree: each is a file of its own and a line here.
var commands = []command{
	{name: "inspect", make: newInspect},
	{name: "info", make: newInfo},
	{name: "detect", make: newDetect},
	{name: "volumes", make: newVolumes},
	{name: "ls", make: newLs},
	{name: "cat", make: newCat},
	{name: "cp", make: newCp, aliases: []string{"copy-out", "copy"}},
	{name: "tar", make: newTar, aliases: []string{"tar-out"}},
	{name: "find", make: newFind},
	{name: "stat", make: newStat},
	{name: "grep", make: newGrep},
	{name: "log", make: newLog},
	{name: "du", make: newDu},
	{name: "df", make: newDf},
	{name: "serve", make: newServe},
	{name: "mount", make: newMount},
	{name: "manifest", make: newManifest},
	{name: "registry", make: newRegistry},
	{name: "convert", make: newConvert},
	{name: "create", make: newCreate},
	{name: "limits", make: newLimits},
	{name: "map", make: newMap},
	{name: "compare", make: newCompare},
	{name: "diff", make: newDiff},
	{name: "measure", make: newMeasure},
	{name: "check", make: newCheck},
	{name: "resize", make: newResize},
	{name: "snapshot", make: newSnapshot},
	{name: "bitmap", make: newBitmap},
	{name: "rebase", make: newRebase},
	{name: "commit", make: newCommit},
	{name: "flatten", make: newFlatten},
	{name: "amend", make: newAmend},
	{name: "digest", make: newDigest},
	{name: "sparsify", make: newSparsify},
	{name: "chain", make: newChain},
	{name: "dd", make: newDd},
	{name: "run", make: newRun},
	{name: "version", make: newVersion},
	{name: "man-pages", make: newMan, all: true},
}

// newRoot makes the tree of commands, with the one alone that the first word names:
// the flags of all of them took half the time in which the program starts. A word that
// names none, and what is about the others (help, completion), has them all.
func newRoot(a *app, s streams, word string) *cobra.Command {
	root := &cobra.Command{
		Use:   "guestkit",
		Short: "Read, inspect and convert the disk images of virtual machines",
		Long: `Guestkit reads, inspects and converts the disk images of virtual machines: without
root, without mounting them, and without changing a byte of the source.`,
		Example: `  guestkit inspect disk.qcow2              which system is in there?
  guestkit ls -l disk.qcow2 /etc           its files
  guestkit cat disk.qcow2 /etc/os-release
  guestkit convert disk.vmdk disk.qcow2`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			if a.showVersion {
				return a.version()
			}
			help(cmd, cmd.ErrOrStderr(), mostHelp)
			return exit(exitUsage)
		},
	}
	root.Flags().BoolVarP(&a.showVersion, "version", "V", false, "print the version")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "say what is opened, read and skipped, and how long it took")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "say nothing but errors")
	named := slices.IndexFunc(commands, func(c command) bool {
		return !c.all && (c.name == word || slices.Contains(c.aliases, word))
	})
	for i, c := range commands {
		if named < 0 || i == named {
			cmd := c.make(a)
			cmd.Aliases = c.aliases
			root.AddCommand(cmd)
		}
	}
	root.CompletionOptions.DisableDefaultCmd = named >= 0
	root.SetOut(a.raw)
	root.SetErr(s.err)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { help(cmd, cmd.OutOrStdout(), a.helpWidth()) })
	root.SetFlagErrorFunc(unknownFlag)
	return root
}

// knownCommand is an error if the first word is no command.
func knownCommand(root *cobra.Command, args []string) error {
	word := firstWord(args)
	if word == "" || strings.HasPrefix(word, "__complete") || root.CompletionOptions.DisableDefaultCmd { // the one that is named
		return nil
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == word || c.HasAlias(word) {
			return nil
		}
	}
	return unknownCommand(root, word)
}

// strictHelpers makes cobra's help and completion, which knownCommand has made,
// refuse words that they do not know: cobra prints help and calls that success.
func strictHelpers(root *cobra.Command) {
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return unknownCommand(root, strings.Join(args, " "))
				}
				return nil
			}
		case "completion":
			c.Args = func(_ *cobra.Command, args []string) error {
				if len(args) > 0 {
					return usagef("unknown shell %q (supported: bash, fish, powershell, zsh)", args[0])
				}
				return nil
			}
			c.RunE = func(*cobra.Command, []string) error {
				return usagef("no shell is given (supported: bash, fish, powershell, zsh)")
			}
		}
	}
}

// unknownCommand says that there is no such command, and what to type instead:
// for what other programs have, or what looks like it.
func unknownCommand(root *cobra.Command, name string) error {
	if f := foreignVerb(name); f != nil {
		return usagef("unknown command %q; %s", name, f.answer())
	}
	root.SuggestionsMinimumDistance = 2
	if s := root.SuggestionsFor(name); len(s) > 0 {
		return usagef("unknown command %q; did you mean %q?", name, s[0])
	}
	return usagef("unknown command %q", name)
}
