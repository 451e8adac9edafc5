package main

import (
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/target"
)

// plan makes out and the disk fit for the platform of --target.
func (a *app) plan(name string, out *convert.Output, src block.Device) (block.Device, error) {
	t, err := target.Named(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	asked := *out
	grown, err := t.Plan(out, src)
	if err != nil {
		return nil, err
	}
	for _, s := range [][2]string{{asked.VMDK.Subformat, out.VMDK.Subformat}, {asked.VHD.Subformat, out.VHD.Subformat}, {asked.VHDX.Subformat, out.VHDX.Subformat}} {
		if s[0] != "" && s[0] != s[1] {
			return nil, usagef("%s takes the subformat %s, not %s", t.Title, s[1], s[0])
		}
	}
	if n := grown.Size() - src.Size(); n > 0 && !a.quiet {
		a.err.Printf("guestkit: %s takes disks of other sizes: %s of zeros follow the disk, and behind a GPT its backup is no longer at the end\n", t.Title, terminal.Size(n))
	}
	return grown, nil
}

// lookAt lists the rules of a platform that the image at path breaks.
func (a *app) lookAt(name, path, stated string) ([]*target.Finding, error) {
	t, err := target.Named(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	f, err := format.OpenHostFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	facts, err := target.Look(a.ctx, f, stated)
	if err != nil {
		return nil, pathError(path, err)
	}
	return t.Check(facts), nil
}

// checkTarget is check --target.
func (a *app) checkTarget(name, path, stated string) error {
	broken, err := a.lookAt(name, path, stated)
	if err != nil {
		if e, ok := err.(*exitError); ok {
			return e
		}
		return &exitError{code: checkUnfinished, err: err}
	}
	switch {
	case a.json:
		doc := checkDoc{Schema: schema("check"), Path: path, Corruptions: int64(len(broken)), Faults: []faultDoc{}}
		for _, f := range broken {
			doc.Faults = append(doc.Faults, faultDoc{Kind: "rule", Text: f.Error()})
		}
		if err := a.document(doc); err != nil {
			return err
		}
	case !a.quiet:
		for _, f := range broken {
			a.out.Printf("%s %s: %s; %s\n    %s\n    %s convert --target %s %s\n", terminal.Red.In("broken:"), f.Rule.ID, f.Rule.Text, f.Detail,
				terminal.Dim.In(f.Rule.Source), terminal.Dim.In("to mend it:"), name, f.Rule.Fix)
		}
		if len(broken) == 0 {
			a.out.Printf("%s: it keeps every rule of %s\n", path, name)
		}
	}
	if len(broken) > 0 {
		return exit(checkCorrupt)
	}
	return nil
}
