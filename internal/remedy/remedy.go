// Package remedy says the options that errors of the library name in the words of who
// reads them. An error names an option as Go has it, such as Options.AllowDirs; a user of
// the command line knows it as --allow-dir.
package remedy

import (
	"slices"
	"strings"
)

// Words are what options are called: by their names in Go, "Options.AllowDirs". One that
// is called "" is not to be had: what says that it would help is left out.
type Words map[string]string

// In puts the words in the place of the options in a text, which is made of clauses that
// semicolons part. A name counts where it stands by itself: not within a path or a
// longer name.
func (w Words) In(text string) string {
	if !w.named(text) {
		return text
	}
	clauses := strings.Split(text, "; ")
	out := clauses[:0]
	for _, c := range clauses {
		if c, ok := w.clause(c); ok {
			out = append(out, c)
		}
	}
	return strings.Join(out, "; ")
}

func (w Words) named(text string) bool {
	for name := range w {
		if strings.Contains(text, name) {
			return true
		}
	}
	return false
}

// clause is In for a clause; false leaves it out.
func (w Words) clause(c string) (string, bool) {
	for _, name := range w.names() {
		for at := 0; ; {
			i := strings.Index(c[at:], name)
			if i < 0 {
				break
			}
			i += at
			end := i + len(name)
			if i > 0 && !strings.ContainsRune(" (", rune(c[i-1])) || end < len(c) && !strings.ContainsRune(" ,):", rune(c[end])) {
				at = end
				continue
			}
			if w[name] == "" {
				return "", false
			}
			c = c[:i] + w[name] + c[end:]
			at = i + len(w[name])
		}
	}
	return c, true
}

// names are those of the options, in a fixed order.
func (w Words) names() []string {
	var out []string
	for name := range w {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
