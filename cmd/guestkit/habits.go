package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/internal/pattern"
)

// A habit is a cluster of letters behind one dash that a command takes as the program
// of its name does, though a letter alone means something else here: -a DISK adds
// a disk, -f FORMAT states a format.
type habit struct {
	command string
	cluster func() *regexp.Regexp
	become  func(cluster string) []string
}

var habits = []habit{
	// Nothing is hidden here, so that the letter a can go.
	{"ls", pattern.Of(`^-[ltSrR1dhAFi]*a[ltSrR1dhAFi]*$`), func(s string) []string {
		return []string{strings.Replace(s, "a", "", 1)}
	}},
	{"du", pattern.Of(`^-[sbcxh]*a[sbcxh]*$`), func(s string) []string {
		return []string{strings.Replace(s, "a", "", 1), "--all"}
	}},
	// The archive is the word that follows: -cf FILE, -czf FILE.
	{"tar", pattern.Of(`^-?c[vpzJ]*f$`), func(s string) []string {
		var out []string
		for letter, flag := range map[string]string{"v": "--list", "z": "--compress=gz", "J": "--compress=xz"} {
			if strings.Contains(s, letter) {
				out = append(out, flag)
			}
		}
		return append(out, "--output")
	}},
}

// habitArgs puts what is meant in place of clusters that are habits.
func habitArgs(args []string) []string {
	at := slices.IndexFunc(args, func(arg string) bool {
		return slices.ContainsFunc(habits, func(h habit) bool { return h.command == arg })
	})
	if at < 0 || at > 3 {
		return args
	}
	out := slices.Clone(args[:at+1])
	rest := args[at+1:]
	for i, arg := range rest {
		if arg == "--" {
			return append(out, rest[i:]...)
		}
		j := slices.IndexFunc(habits, func(h habit) bool { return h.command == args[at] && h.cluster().MatchString(arg) })
		if j < 0 || len(arg) < 3 && arg[0] == '-' || arg[0] != '-' && i > 0 { // "tar cf FILE" has no dash
			out = append(out, arg)
			continue
		}
		out = append(out, habits[j].become(arg)...)
	}
	return out
}
