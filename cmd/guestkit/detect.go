package main

import (
	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
)

type detectDoc struct {
	Schema  string      `json:"schema"`
	Path    string      `json:"path"`
	Format  string      `json:"format"`
	Reasons []reasonDoc `json:"reasons"`
}

type reasonDoc struct {
	Offset int64  `json:"offset"`
	Text   string `json:"text"`
}

func newDetect(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "detect [flags] IMAGE…",
		Short: "Tell the format of an image file in a word",
		Long: `Tells the format of an image file in a word, by its content and never by its
name; bytes that nothing claims are raw. Several formats at once are an error.

'info' describes the file further.`,
		Example: `  guestkit detect disk.img
  guestkit detect --json disk.img       why`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		guests, err := src.each(args)
		if err != nil {
			return err
		}
		for _, disks := range guests {
			if len(disks) > 1 {
				guests = nil
				for _, path := range disks {
					guests = append(guests, []string{path})
				}
			}
		}
		return a.forEach(guests, false, func(disks []string) error {
			return a.detect(disks[0], src, len(guests) > 1)
		})
	}
	return cmd
}

func (a *app) detect(path string, src *source, named bool) error {
	if err := a.usable(path); err != nil {
		return err
	}
	f, err := format.PathSource(path, src.options())
	if err != nil {
		return err
	}
	defer f.Close()
	a.note("opened %s", shownImage(path))
	found := format.Detection{Format: src.format, Reasons: []format.Reason{{Text: "stated by -f"}}}
	if src.format == "" {
		if found, err = format.Probe(f); err != nil {
			return pathError(path, err)
		}
	}
	switch {
	case a.json:
		d := detectDoc{schema("detect"), shownImage(path), found.Format, []reasonDoc{}}
		for _, r := range found.Reasons {
			d.Reasons = append(d.Reasons, reasonDoc{r.Off, r.Text})
		}
		return a.document(d)
	case a.quiet:
		return nil
	case named:
		a.out.Printf("%s: %s\n", shownImage(path), terminal.Bold.In(found.Format))
	default:
		a.out.Printf("%s\n", found.Format)
	}
	for _, r := range found.Reasons {
		a.note("%s: %s at offset %#x", shownImage(path), r.Text, r.Off)
	}
	return nil
}
