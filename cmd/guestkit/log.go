package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/journal"
)

// logRun is one run of the command.
type logRun struct {
	a   *app
	src *source

	volume               string
	units, idents        []string
	since, until         string
	priority             string
	boot                 string
	grep                 string
	output               string
	lines                int
	kernel, reverse, all bool
	local, boots         bool

	filter journal.Filter
	zone   *time.Location
	errs   problem.List
	code   int
}

// The forms of --output, and the layouts of time of those that have one.
var logForms = map[string]string{"short": "Jan 02 15:04:05", "short-precise": "Jan 02 15:04:05.000000", "short-iso": "2006-01-02T15:04:05-0700", "cat": "", "json": "", "export": "", "xml": ""}

// logArgs lets --boot be written as journalctl takes it: "-b", "-b -1".
func logArgs(args []string) []string {
	if i := slices.Index(args, "log"); i < 0 || i > 3 {
		return args
	}
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if (arg == "-b" || arg == "--boot") && i+1 < len(args) && isBoot(args[i+1]) {
			i++
			arg = "--boot=" + args[i]
		}
		out = append(out, arg)
	}
	return out
}

// isBoot reports whether a word names a boot: a number, or an ID.
func isBoot(s string) bool {
	if _, ok := journal.ParseID(s); ok {
		return true
	}
	_, err := strconv.Atoi(s)
	return err == nil
}

func newLog(a *app) *cobra.Command {
	l := &logRun{a: a, zone: time.UTC}
	cmd := &cobra.Command{
		Use:   "log [flags] IMAGE [NAME…]",
		Short: "Print the system logs of the guest",
		Long: `Prints the journal of systemd in an image as journalctl does: the files of all
machines and boots in one order, in UTC. Where there is none, or with a NAME, it
prints plain logs of /var/log ("syslog", "auth.log", "nginx/access.log") with
those that were rotated and compressed, oldest first.

Of Windows it prints event logs by time: System, Application, Security and Setup, or
those of each NAME ("Microsoft-Windows-GroupPolicy/Operational", "*PowerShell*").
The values of an event are shown by their names; the texts of messages are in
libraries, not in logs. --identifier is the provider there.

IMAGE may also be a journal file or an event log, and each NAME a further one.

Times are "2026-01-31 12:00:00", a date, "today", "yesterday", "-2h" or "2 hours ago".
A priority stands for itself and what is more urgent; "err..notice" is a range.
The expression of --grep is one of RE2, as in Go; it takes no regard of case if it
has no capitals. What could not be read is said at the end, and makes the exit
code 1; that a journal was not closed is said, and no failure.`,
		Example: `  guestkit log disk.qcow2 -u ssh -p notice --since yesterday
  guestkit log disk.qcow2 -b -1 -n 50
  guestkit log disk.qcow2 --json | jq -r .MESSAGE
  guestkit log disk.qcow2 auth.log --grep 'Failed password'
  guestkit log windows.vhdx Security --since yesterday --json
  guestkit log system.journal -o export`,
	}
	l.src = a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := l.src.volumeFlag(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&l.units, "unit", "u", nil, "entries of this `UNIT`, or of those that match a pattern; repeatable")
	f.StringArrayVarP(&l.idents, "identifier", "t", nil, "entries with this syslog identifier (`NAME`); repeatable")
	f.StringVarP(&l.since, "since", "S", "", "entries of this `TIME` and later")
	f.StringVar(&l.until, "until", "", "entries of this `TIME` and earlier")
	f.StringVarP(&l.priority, "priority", "p", "", "entries of this `PRIORITY` or a more urgent one: 0 to 7, emerg to debug")
	f.StringVarP(&l.boot, "boot", "b", "", "entries of one boot: its `ID`, or a number as --list-boots has it (default 0, the last)")
	f.Lookup("boot").NoOptDefVal = "0"
	f.BoolVarP(&l.kernel, "dmesg", "k", false, "messages of the kernel, of the last boot unless --boot says otherwise")
	f.StringVarP(&l.grep, "grep", "g", "", "entries whose message matches `PATTERN`")
	f.IntVarP(&l.lines, "lines", "n", 0, "the last `N` entries only")
	f.BoolVarP(&l.reverse, "reverse", "r", false, "the newest first")
	f.StringVarP(&l.output, "output", "o", "short", "print in this `FORM`: short, short-iso, short-precise, cat, json or export, as journalctl; xml of Windows")
	f.BoolVar(&l.all, "all", false, "print messages that are no text")
	f.BoolVar(&l.local, "local", false, "take and print times in the guest's zone, not in UTC")
	f.BoolVar(&l.boots, "list-boots", false, "list the boots")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"short", "short-iso", "short-precise", "cat", "json", "export", "xml"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions([]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if _, ok := logForms[l.output]; !ok {
			return usagef("--output is short, short-iso, short-precise, cat, json, export or xml, not %q", l.output)
		}
		if l.lines < 0 {
			return usagef("--lines is a number of entries")
		}
		if l.a.json {
			l.output = "json"
		}
		if l.kernel && !f.Changed("boot") {
			l.boot = "0"
		}
		l.volume = *volume
		return l.run(splitImage(args))
	}
	return cmd
}

func (l *logRun) run(args []string) error {
	disks, rest, err := l.src.one(args)
	if err != nil {
		return err
	}
	if err := l.compile(); err != nil {
		return err
	}
	for mark, read := range map[string]func([]string) error{"LPKSHHRH": l.hostFiles, "ElfFile\x00": l.hostEvents} {
		if len(disks) == 1 && l.src.format == "" && beginsWith(disks[0], mark) {
			if l.local {
				return usagef("--local goes with a guest, which has a zone")
			}
			return read(append(disks, rest...))
		}
	}
	t, err := l.src.tree(disks, l.volume)
	if err != nil {
		return err
	}
	defer t.Close()
	if l.local {
		if t.windows() {
			return usagef("--local takes the zone of /etc/localtime, which Windows has not")
		}
		if err := l.guestZone(t); err != nil {
			return err
		}
	}
	if err := l.times(); err != nil {
		return err
	}
	if t.windows() {
		err = l.events(t, rest)
	} else if len(rest) > 0 {
		err = l.plain(t, rest)
	} else {
		err = l.guest(t)
	}
	if err != nil {
		return err
	}
	l.a.warn(t.Problems())
	l.src.noteRemote()
	l.a.noteTime()
	return l.end()
}

// compile reads the flags that need no guest.
func (l *logRun) compile() error {
	for _, u := range l.units {
		l.filter.Units = append(l.filter.Units, journal.UnitName(u))
	}
	l.filter.Identifiers = l.idents
	l.filter.Kernel = l.kernel
	if l.priority != "" {
		p, ok := journal.ParsePriorities(l.priority)
		if !ok {
			return usagef("--priority is 0 to 7, or emerg to debug, or a range of these, not %q", l.priority)
		}
		l.filter.Priorities = p
	}
	if l.grep != "" {
		pattern := l.grep
		if strings.ToLower(pattern) == pattern {
			pattern = "(?i)" + pattern
		}
		var err error
		if l.filter.Message, err = regexp.Compile(pattern); err != nil {
			return usagef("%v", err)
		}
	}
	if l.boot != "" && !isBoot(l.boot) {
		return usagef("--boot is an ID of 32 digits or a number, not %q", l.boot)
	}
	if !l.local {
		return l.times()
	}
	return nil
}

// times reads --since and --until, in the zone that counts.
func (l *logRun) times() error {
	for _, x := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", l.since, &l.filter.Since}, {"until", l.until, &l.filter.Until}} {
		if x.text == "" {
			continue
		}
		t, ok := journal.ParseTime(x.text, l.a.start, l.zone)
		if !ok {
			return usagef(`--%s is a time such as "2026-01-31 12:00:00", today or "-2h", not %q`, x.flag, x.text)
		}
		*x.to = t
	}
	return nil
}

// guestZone takes the zone from the guest's /etc/localtime.
func (l *logRun) guestZone(t *guestTree) error {
	const name = "etc/localtime"
	b, err := readGuestFile(t, name, 1<<20)
	if err == nil {
		l.zone, err = time.LoadLocationFromTZData("", b)
	}
	return guestError(name, err)
}

// readGuestFile reads a small file of the guest.
func readGuestFile(t *guestTree, name string, most int64) ([]byte, error) {
	f, err := t.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%w: it has more than %d bytes", block.ErrLimit, most)
	}
	return b, err
}

// hostFiles reads journal files of the host.
func (l *logRun) hostFiles(names []string) error {
	var hosts hostFiles
	defer hosts.close()
	var files []*journal.File
	for _, name := range names {
		r, err := hosts.open(name)
		if err != nil {
			return err
		}
		f, err := journal.Open(r, l.options(len(names)))
		if err != nil {
			return pathError(name, err)
		}
		files = append(files, f)
	}
	if err := l.journals(files); err != nil {
		return err
	}
	for i, f := range files {
		l.problems(names[i], f)
	}
	return l.end()
}

// options gives each of several files its part of the memory.
func (l *logRun) options(files int) *journal.Options {
	return &journal.Options{CacheBytes: max(8<<20/int64(max(files, 1)), 256<<10)}
}

// A logFile is a file of the guest that is read at any place.
type logFile interface {
	io.Closer
	block.Reader
}

// file opens a file of the guest. It is nil if that fails, which is said.
func (l *logRun) file(t *guestTree, name string) logFile {
	f, err := t.Open(name)
	if err != nil {
		l.errs.Add(guestError(name, err))
		return nil
	}
	if r, ok := f.(logFile); ok {
		return r
	}
	f.Close()
	l.errs.Add(guestError(name, errIsDir))
	return nil
}

// guest prints the journal of a guest, or a plain log where it has none.
func (l *logRun) guest(t *guestTree) error {
	names, err := journal.Find(t)
	if errors.Is(err, fs.ErrNotExist) && len(names) == 0 {
		return l.plain(t, nil)
	}
	l.errs.Add(err)
	var files []*journal.File
	var open []string
	for _, name := range names {
		f := l.file(t, name)
		if f == nil {
			continue
		}
		defer f.Close()
		j, err := journal.Open(f, l.options(len(names)))
		if err != nil {
			l.errs.Add(guestError(name, err))
			continue
		}
		files = append(files, j)
		open = append(open, name)
	}
	if err := l.journals(files); err != nil {
		return err
	}
	for i, f := range files {
		l.problems(shownPath(open[i]), f)
	}
	return nil
}

// problems keeps those of a file. That it was not closed is no failure.
func (l *logRun) problems(name string, f *journal.File) {
	for _, err := range f.Problems() {
		l.problem(name, err)
	}
}

func (l *logRun) problem(name string, err error) {
	if errors.Is(err, block.ErrDirty) {
		l.a.warn([]error{pathError(name, err)})
		return
	}
	l.errs.Add(pathError(name, err))
}

// end says what could not be read.
func (l *logRun) end() error {
	for _, err := range l.errs.All() {
		l.code = l.a.sayError(err, l.code)
	}
	if l.code == exitDone {
		return nil
	}
	return exit(l.code)
}
