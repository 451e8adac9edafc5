package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// args checks the number of arguments; want says in words what they are.
func args(low, high int, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= low && (len(args) <= high || high < 0) {
			return nil
		}
		return usagef("%s takes %s, got %s", cmd.Name(), want, count(len(args)))
	}
}

// count says how many arguments there are.
func count(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// mostHelp is how wide help is at most.
const mostHelp = 98

// helpWidth is how wide help is on standard output.
func (a *app) helpWidth() int {
	if n := a.out.Width(); n >= 60 {
		return min(n, mostHelp)
	}
	return mostHelp
}

// help prints what there is to know of a command.
func help(cmd *cobra.Command, w io.Writer, width int) {
	say := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	say("%s\n\nUsage:\n", strings.TrimSpace(long))
	if cmd.HasAvailableSubCommands() {
		say("  %s COMMAND …\n", cmd.CommandPath())
	} else {
		say("  %s\n", cmd.UseLine())
	}
	if cmd.Example != "" {
		say("\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		say("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				say("  %-11s %s\n", c.Name(), c.Short)
			}
		}
	}
	flags := func(title string, set *pflag.FlagSet) {
		if set.HasAvailableFlags() {
			say("\n%s:\n%s", title, set.FlagUsagesWrapped(width))
		}
	}
	flags("Flags", cmd.LocalNonPersistentFlags())
	flags("Flags of every command", cmd.Root().PersistentFlags())
	if cmd.HasAvailableSubCommands() {
		say("\n'%s COMMAND --help' tells more of a command.\n", cmd.CommandPath())
	}
}
