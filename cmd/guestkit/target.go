package main

import (
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/target"
)

// lookAt lists the rules of a platform that the image at path breaks.
func (s *source) lookAt(name, path string) ([]*target.Finding, error) {
	t, err := target.Named(name)
	if err != nil {
		return nil, err
	}
	f, err := s.bytes(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	facts, err := target.Look(s.a.ctx, f, s.format)
	if err != nil {
		return nil, pathError(path, err)
	}
	return t.Check(facts), nil
}

// checkTarget is check --target.
func (a *app) checkTarget(name, path string, src *source) error {
	if err := a.usable(path); err != nil {
		return &exitError{code: checkUnfinished, err: err}
	}
	broken, err := src.lookAt(name, path)
	if err != nil {
		if errors.Is(err, block.ErrOption) {
			return err
		}
		return &exitError{code: checkUnfinished, err: err}
	}
	switch {
	case a.json:
		doc := checkDoc{Schema: schema("check"), Path: shownImage(path), Corruptions: int64(len(broken)), Faults: []faultDoc{}}
		for _, f := range broken {
			doc.Faults = append(doc.Faults, faultDoc{Kind: "rule", Text: inFlags(f)})
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
			a.out.Printf("%s: it keeps every rule of %s\n", shownImage(path), name)
		}
	}
	if len(broken) > 0 {
		return exit(checkCorrupt)
	}
	return nil
}
