package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newMan makes the command that "make install" runs: a page for each command,
// in the language of man(7).
func newMan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "man-pages DIR",
		Short:   "Write the manual pages",
		Hidden:  true,
		Example: "  guestkit man-pages /usr/share/man/man1",
		Args:    args(1, 1, "a folder"),
		RunE: func(cmd *cobra.Command, words []string) error {
			root := cmd.Root()
			if err := os.MkdirAll(words[0], 0o755); err != nil {
				return err
			}
			for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
				if c != root && !c.IsAvailableCommand() {
					continue
				}
				name := filepath.Join(words[0], pageName(c)+".1")
				if err := os.WriteFile(name, []byte(manPage(c)), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// pageName is the name of a command's page: "guestkit-convert".
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// roff makes a text plain for roff.
func roff(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r > 0x7E:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	lines := strings.Split(b.String(), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// manPage is the page of a command.
func manPage(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	root := cmd.Root() == cmd
	say(".\\\" Made by 'guestkit man-pages' of the command's help.\n.TH %s 1 \"\" \"guestkit\" \"guestkit\"\n", roff(strings.ToUpper(pageName(cmd))))
	say(".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", roff(pageName(cmd)), roff(strings.ToLower(cmd.Short[:1])+cmd.Short[1:]))
	if root {
		say(".B guestkit\n.I COMMAND\n[flags] \\&...\n")
	} else {
		say(".B %s\n%s\n", roff(cmd.CommandPath()), roff(strings.TrimSpace(strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath()))))
	}
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	say(".SH DESCRIPTION\n")
	for i, paragraph := range strings.Split(strings.TrimSpace(long), "\n\n") {
		if i > 0 {
			say(".PP\n")
		}
		say("%s\n", roff(paragraph))
	}
	if root {
		say(".SH COMMANDS\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				say(".TP\n.BR %s (1)\n%s\n", roff(pageName(c)), roff(c.Short))
			}
		}
	}
	manFlags(&b, "OPTIONS", cmd.LocalNonPersistentFlags())
	manFlags(&b, "OPTIONS OF EVERY COMMAND", cmd.Root().PersistentFlags())
	if cmd.Example != "" {
		say(".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	}
	say(".SH EXIT STATUS\n0 done, 1 failed, 2 usage, 3 nothing found, 4 incomplete (\\-\\-require\\-complete).\ncheck, compare, diff and grep have codes of their own, which their pages tell.\n")
	if root {
		return b.String()
	}
	say(".SH SEE ALSO\n.BR guestkit (1)\n")
	return b.String()
}

func manFlags(b *strings.Builder, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, help := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		switch {
		case f.NoOptDefVal != "" && value != "" && f.Value.Type() != "bool":
			name += "[=" + value + "]"
		case value != "":
			name += " " + value
		}
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" {
			help += " (default " + d + ")"
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(name), roff(help))
	})
}
