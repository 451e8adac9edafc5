package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/terminal"
)

// grep is one run of the command.
type grep struct {
	a                           *app
	recursive, fold, list       bool
	numbers, fixed, word, count bool
	invert, noNames, names      bool
	extended, whole, only       bool
	most                        int64 // lines of a file; 0 is no bound
	text                        *regexp.Regexp
	found                       bool
	code                        int
}

// grepDoc is a line that matches, with --json.
type grepDoc struct {
	Path  string `json:"path"`
	Line  int64  `json:"line"`
	Text  string `json:"text"`
	Bytes string `json:"text_bytes,omitempty"` // base64, where the text is no UTF-8
}

// maxLine bounds a line that is kept; what is longer is cut.
const maxLine = 1 << 20

func newGrep(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grep [flags] PATTERN IMAGE PATH…",
		Short: "Search the text of files of the guest",
		Long: `Prints the lines of files of the guest that match a regular expression: one of RE2, as
in Go; with -E one of POSIX and GNU, but for references to groups (\1); with -F a
fixed text. Of files that are not text only their name is told. -v inverts, as it does
for grep; --verbose has no letter here.
Links below a PATH are not followed. The exit code is 1 if nothing matches, as that
of grep(1), and 2 after errors.`,
		Example: `  guestkit grep -rn PermitRoot disk.qcow2 /etc/ssh
  guestkit grep -ril password disk.qcow2 /home /etc`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := src.volumeFlag(cmd)
	g := &grep{a: a}
	f := cmd.Flags()
	f.BoolVarP(&g.recursive, "recursive", "r", false, "search directories and what is below them")
	f.BoolVarP(&g.fold, "ignore-case", "i", false, "take upper and lower case for the same")
	f.BoolVarP(&g.list, "files-with-matches", "l", false, "print the names of files alone")
	f.BoolVarP(&g.numbers, "line-number", "n", false, "print the number of each line")
	f.BoolVarP(&g.fixed, "fixed-strings", "F", false, "take PATTERN as it is, not as an expression")
	f.BoolVarP(&g.word, "word-regexp", "w", false, "match whole words only")
	f.BoolVarP(&g.count, "count", "c", false, "print how many lines match")
	f.BoolVarP(&g.extended, "extended-regexp", "E", false, "take PATTERN as grep -E does, but without references to groups (\\1)")
	f.BoolVarP(&g.whole, "line-regexp", "x", false, "match whole lines only")
	f.BoolVarP(&g.invert, "invert-match", "v", false, "print the lines that do not match")
	f.BoolVarP(&g.only, "only-matching", "o", false, "print what matches, each on a line, and not the rest of lines")
	f.BoolVarP(&g.names, "with-filename", "H", false, "print the names of files, also of one")
	f.BoolVar(&g.noNames, "no-filename", false, "do not print the names of files")
	f.Int64VarP(&g.most, "max-count", "m", 0, "end each file after `N` lines")
	verboseFlag(cmd, a)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("no PATTERN is given")
		}
		if err := g.compile(args[0]); err != nil {
			return err
		}
		return src.onTree(splitImage(args[1:]), *volume, g.run)
	}
	return cmd
}

func (g *grep) run(t *guestTree, paths []string) (int, error) {
	if len(paths) == 0 {
		if !g.recursive {
			return 0, usagef("no PATH in the guest is given")
		}
		paths = []string{"/"}
	}
	named := len(paths) > 1 || g.recursive || g.names
	for _, arg := range paths {
		nodes, err := t.glob(g.a.ctx, arg)
		if err != nil {
			g.code = g.a.sayError(err, g.code)
		}
		named = named || len(nodes) > 1
		for _, n := range nodes {
			if n.Stat().Mode.Type() != 0 && !n.Stat().Mode.IsDir() { // a link that was named is followed
				if to, err := t.node(arg, true); err == nil {
					n = to
				}
			}
			if err := g.search(n, named && !g.noNames); err != nil {
				return 0, err
			}
		}
	}
	switch {
	case g.code != exitDone:
		return exitUsage, nil
	case !g.found:
		return exitFailed, nil
	}
	return exitDone, nil
}

func (g *grep) search(n *vfs.Node, named bool) error {
	if n.Stat().Mode.IsDir() && !g.recursive {
		g.code = g.a.sayError(guestError(n.Path(), errIsDir), g.code)
		return nil
	}
	return vfs.Walk(g.a.ctx, n, nil, func(n *vfs.Node, err error) error {
		if err == nil && n.Stat().Mode.IsRegular() {
			err = g.file(n, named)
		}
		var out *outputError
		if errors.As(err, &out) || g.a.ctx.Err() != nil {
			return err
		}
		if err != nil {
			g.code = g.a.sayError(guestError(n.Path(), err), g.code)
		}
		return nil
	})
}

// file searches one file.
func (g *grep) file(n *vfs.Node, named bool) error {
	f, err := n.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(&interruptible{g.a, f}, 256<<10)
	head, err := r.Peek(8 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	binary := bytes.IndexByte(head, 0) >= 0
	var number, count int64
	for {
		line, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(line) == 0 && err != nil {
			break
		}
		number++
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if binary && g.count { // a NUL ends a line there
			for part := range bytes.SplitSeq(line, []byte{0}) {
				if g.text.Match(part) != g.invert && (g.most == 0 || count < g.most) {
					count++
					g.found = true
				}
			}
		} else if g.text.Match(line) != g.invert {
			count++
			g.found = true
			if g.list || binary {
				break
			}
			if !g.count {
				if err := g.matched(n, named, number, line); err != nil {
					return err
				}
			}
		}
		if err != nil || g.most > 0 && count == g.most {
			break
		}
	}
	return g.summary(n, named, binary, count)
}

// summary prints what is told of a file as a whole.
func (g *grep) summary(n *vfs.Node, named, binary bool, count int64) error {
	name := "/" + n.RawPath()
	switch {
	case g.a.json && (g.list || binary || g.count):
		if count > 0 {
			return g.a.line(grepDoc{Path: shownPath(n.Path()), Line: 0})
		}
	case g.count && !g.list:
		if named {
			g.a.out.Printf("%s:", name)
		}
		g.a.out.Printf("%d\n", count)
	case count == 0:
	case g.list:
		g.a.out.Printf("%s\n", name)
	case binary:
		g.a.out.Printf("%s: binary file matches\n", name)
	}
	if err := g.a.out.Err(); err != nil {
		return &outputError{err}
	}
	return nil
}

func (g *grep) line(n *vfs.Node, named bool, number int64, line []byte) error {
	if g.a.json {
		text := vfs.EscapeTarget(string(line))
		if err := g.a.line(grepDoc{shownPath(n.Path()), number, text, rawBytes(text, string(line))}); err != nil {
			return &outputError{err}
		}
		return nil
	}
	if named {
		g.a.out.Printf("%s:", terminal.Blue.In("/"+n.RawPath()))
	}
	if g.numbers {
		g.a.out.Printf("%d:", number)
	}
	g.a.out.Printf("%s\n", string(line))
	if err := g.a.out.Err(); err != nil {
		return &outputError{err}
	}
	return nil
}

// readLine reads a line with its end; of a very long one the first part.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	line = bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		var more []byte
		more, err = r.ReadSlice('\n')
		if len(line) < maxLine {
			line = append(line, more...)
		}
	}
	return line, err
}

// interruptible is a reader that a signal ends.
type interruptible struct {
	a *app
	r io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.a.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
