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
	b.WriteString(`
## Programs of coreutils

The last lines are habits: ` + "`ls`, `du`, `grep`, `cat`, `stat`, `find`, `tar`" + ` take the flags that
people type, and the image comes before the paths. What is different:

- ` + "`-a DISK`" + ` and ` + "`-f FORMAT`" + ` are the image's, so that ` + "`-a`" + ` means all only behind the dash of other
  letters (` + "`ls -la`, `du -ah`" + `), as ` + "`-f`" + ` means the archive in ` + "`tar -cf`" + `. No name is hidden.
- ` + "`grep`" + ` has expressions of RE2; ` + "`-E`" + ` takes those of ` + "`grep -E`" + `, without references to groups (` + "`\\1`" + `),
  equivalence classes and collating elements, which are refused.
- ` + "`stat -c`" + ` refuses what an image has no answer to (` + "`%d`, `%m`, `%o`" + `); owners are named as the guest
  names them. ` + "`stat --format`" + ` states the format of the image.
- ` + "`grep -v`" + ` inverts; ` + "`-v`" + ` is ` + "`--verbose`" + ` in all other commands. Control characters in names
  are escaped.
`)
	for _, from := range []struct{ name, title string }{{"libguestfs", "Programs of libguestfs"}, {"qemu", "Programs of QEMU"}, {"qemu-img", "Verbs of qemu-img"}, {"qemu-img flag", "Flags of qemu-img"}, {"qemu-img name", "Names of images that qemu-img takes"}, {"guestfish", "Verbs of guestfish"}} {
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
