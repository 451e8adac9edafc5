package main

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/pattern"
)

// verboseFlag leaves --verbose to a command in which the letter v means something
// else.
func verboseFlag(cmd *cobra.Command, a *app) {
	cmd.Flags().BoolVar(&a.verbose, "verbose", false, "say what is opened, read and skipped, and how long it took")
}

// compile makes the expression of a pattern. Its first group is what matches.
func (g *grep) compile(pattern string) error {
	switch {
	case g.fixed:
		pattern = regexp.QuoteMeta(pattern)
	case g.extended:
		var err error
		if pattern, err = posix(pattern); err != nil {
			return err
		}
	}
	flags := ""
	if g.fold {
		flags = "(?i)"
	}
	if _, err := syntax.Parse(pattern, syntax.Perl); err != nil { // before it is put into groups
		return usagef("%v", err)
	}
	pattern = "(" + pattern + ")"
	switch {
	case g.whole:
		pattern = "^" + pattern + "$"
	case g.word: // shorter matches are tried, as grep does
		pattern = `(?:^|[^\pL\pN_])` + pattern + `(?:$|[^\pL\pN_])`
	}
	var err error
	if g.text, err = regexp.Compile(flags + pattern); err != nil {
		return usagef("%v", err)
	}
	if g.extended {
		g.text.Longest() // the leftmost, and of these the longest, as POSIX wants it
	}
	return nil
}

// posix writes an expression of grep -E as one of RE2. What is different: a backslash in
// brackets stands for itself, "{,n}" is a repetition, \< \> and \` \' are the ends of
// words and lines, and a "{" that begins no repetition is one.
func posix(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case '<', '>':
				b.WriteString(`\b`)
			case '`':
				b.WriteString(`\A`)
			case '\'':
				b.WriteString(`\z`)
			case 'b', 'B', 'w', 'W', 's', 'S':
				b.WriteString(s[i-1 : i+1])
			case '1', '2', '3', '4', '5', '6', '7', '8', '9':
				return "", usagef(`-E: references to groups, as \%c, are not known to RE2`, s[i])
			default:
				b.WriteString(regexp.QuoteMeta(s[i : i+1]))
			}
		case c == '[':
			end := bracketEnd(s[i:])
			if end < 0 {
				return "", usagef("-E: a bracket expression has no end")
			}
			set := s[i : i+end]
			if strings.Contains(set, "[=") || strings.Contains(set, "[.") {
				return "", usagef("-E: %s: equivalence classes and collating elements are not known to RE2", set)
			}
			set = strings.ReplaceAll(set, `\`, `\\`)
			for _, head := range []string{"[^]", "[]"} { // a ] that comes first stands for itself
				if rest, ok := strings.CutPrefix(set, head); ok {
					set = head[:len(head)-1] + `\]` + rest
				}
			}
			b.WriteString(set)
			i += end - 1
		case c == '{':
			n := repetition().FindString(s[i:])
			switch {
			case n == "":
				b.WriteString(`\{`)
				continue
			case strings.HasPrefix(n, "{,"):
				b.WriteString("{0" + n[1:])
			default:
				b.WriteString(n)
			}
			i += len(n) - 1
		case c == '(' && strings.HasPrefix(s[i:], "(?"): // which is no syntax there
			return "", usagef("-E: a ? follows nothing that could be repeated")
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

var repetition = pattern.Of(`^\{(?:[0-9]+(?:,[0-9]*)?|,[0-9]+)\}`)

// bracketEnd is the length of the bracket expression that s begins with, -1 if it
// has no end.
func bracketEnd(s string) int {
	i := 1
	if i < len(s) && s[i] == '^' {
		i++
	}
	if i < len(s) && s[i] == ']' {
		i++
	}
	for ; i < len(s); i++ {
		if s[i] == '[' && i+1 < len(s) && strings.IndexByte(":.=", s[i+1]) >= 0 {
			n := strings.Index(s[i+2:], s[i+1:i+2]+"]")
			if n < 0 {
				return -1
			}
			i += 2 + n + 1
			continue
		}
		if s[i] == ']' {
			return i + 1
		}
	}
	return -1
}

// matched prints a line, or with -o the parts of it that match.
func (g *grep) matched(n *vfs.Node, named bool, number int64, line []byte) error {
	if !g.only {
		return g.line(n, named, number, line)
	}
	if g.invert {
		return nil
	}
	if !g.word {
		for _, m := range g.text.FindAllSubmatchIndex(line, -1) {
			if m[2] == m[3] {
				continue
			}
			if err := g.line(n, named, number, line[m[2]:m[3]]); err != nil {
				return err
			}
		}
		return nil
	}
	for len(line) > 0 { // what is between two words belongs to both
		m := g.text.FindSubmatchIndex(line)
		if m == nil {
			return nil
		}
		if m[2] < m[3] {
			if err := g.line(n, named, number, line[m[2]:m[3]]); err != nil {
				return err
			}
		}
		line = line[max(m[3], 1):]
	}
	return nil
}
