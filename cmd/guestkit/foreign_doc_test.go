package main

import (
	"fmt"
	"strings"
)

// comingFrom is docs/coming-from.md.
func comingFrom() string {
	var b strings.Builder
	b.WriteString(`# Coming from qemu-img, guestfish and virt-*

What to type instead. The tables are made of those by which guestkit answers to a
word that it does not know (` + "`cmd/guestkit/foreign.go`" + `): type the verb, and it says
the same.

The commands that qemu-img has under the same name take its flags:
` + "`convert`, `create`, `info`, `check`, `compare`, `map`, `measure`, `resize`, `snapshot`, `bitmap`, `rebase`, `commit`, `amend`, `dd`" + `. ` + "`--output=json`" + `
prints qemu-img's JSON, ` + "`--json`" + ` guestkit's own ([json.md](json.md)).

## Line by line

| There | Here |
|---|---|
`)
	for _, l := range foreignLines() {
		ours := "`" + l.ours + "`"
		if l.ours == "" {
			ours = "—"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", l.theirs, ours)
	}
	for _, from := range []struct{ name, title string }{{"libguestfs", "Programs of libguestfs"}, {"qemu", "Programs of QEMU"}, {"qemu-img", "Verbs of qemu-img"}, {"guestfish", "Verbs of guestfish"}} {
		fmt.Fprintf(&b, "\n## %s\n\n| There | Here | |\n|---|---|---|\n", from.title)
		for _, f := range foreigns() {
			if f.from != from.name {
				continue
			}
			verbs := f.verbs
			if len(verbs) == 1 && verbs[0] == "*" {
				verbs = guestfishWrites
			}
			use := "—"
			if f.use != "" {
				use = "`" + f.use + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", "`"+strings.Join(verbs, "` `")+"`", use, f.note)
		}
	}
	return b.String()
}
