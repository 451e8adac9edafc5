package pipeline

import (
	"context"
	"strings"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/inspect"
)

// Inspect tells which systems are on a disk.
type Inspect struct {
	// NoPackages leaves the package databases unread.
	NoPackages bool `json:"no_packages,omitempty"`
	// Required makes it a failure where no system is found.
	Required bool `json:"required,omitempty"`
	// Complete makes it a failure where a volume was not read.
	Complete bool `json:"complete,omitempty"`
}

// An InspectResult is what is on a disk.
type InspectResult struct {
	Systems  []*inspect.System `json:"systems"`
	Volumes  []*inspect.Volume `json:"volumes"`
	Complete bool              `json:"complete"` // every volume was read, or holds nothing to read
	Problems []string          `json:"problems"`
}

// Kind is the word for it.
func (*Inspect) Kind() string { return "inspect" }

// Output is the pattern of what it writes, "" for nothing.
func (*Inspect) Output() string { return "" }

// Check finds nothing: each value is good.
func (*Inspect) Check() []*Problem { return nil }

// Do inspects an image.
func (n *Inspect) Do(ctx context.Context, t *Task) (any, error) {
	g, err := t.guest(&inspect.Options{NoPackages: n.NoPackages})
	if err != nil {
		return nil, err
	}
	defer g.Close()
	rep, err := g.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	res := &InspectResult{Systems: rep.Systems, Volumes: rep.Volumes, Complete: rep.Complete(), Problems: []string{}}
	if res.Systems == nil {
		res.Systems = []*inspect.System{}
	}
	for _, img := range g.Images() {
		for _, err := range img.Problems() {
			res.Problems = append(res.Problems, t.o.text(err))
		}
	}
	for _, err := range rep.Problems() {
		res.Problems = append(res.Problems, t.o.text(err))
	}
	switch {
	case n.Required && len(rep.Systems) == 0:
		return res, found("there is no system")
	case n.Complete && !res.Complete:
		var names []string
		for _, v := range rep.Unread() {
			names = append(names, v.Name+" ("+v.Reason+")")
		}
		return res, found("not all was read: %s", strings.Join(names, ", "))
	}
	return res, nil
}

// guest opens the image of a task as a guest.
func (t *Task) guest(o *inspect.Options) (*guestkit.Guest, error) {
	f := t.Open(t.Image)
	return guestkit.Open(t.Image.Path, &guestkit.Options{Format: f, Inspect: o, Unlock: f.Unlock})
}
