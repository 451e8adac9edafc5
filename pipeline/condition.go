package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/format"
)

// holds says why the condition of stage i does not hold for an image, "" if it
// does.
func (c *course) holds(ctx context.Context, i int, image Image) (string, error) {
	x := c.p.Stages[i].If
	if x == nil {
		return "", nil
	}
	if len(x.Names) > 0 && !slices.ContainsFunc(x.Names, func(p string) bool { ok, _ := path.Match(p, c.job.Name); return ok }) {
		return "no pattern fits its name", nil
	}
	for id, list := range x.Status {
		at := c.p.stage(id)
		if st := c.done[at].Status; st != Planned && !slices.Contains(list, st) {
			return fmt.Sprintf("%s is %s", id, st), nil
		}
	}
	if why := c.lacksSystem(i, x.Systems); why != "" {
		return why, nil
	}
	if len(x.Formats) == 0 && len(x.NotFormats) == 0 && x.MinSize == 0 && x.MaxSize == 0 {
		return "", nil
	}
	if image.Path != c.job.Path && c.o.DryRun {
		return "", nil // it is not there yet
	}
	o := c.o.open(ctx)
	o.Format, o.Disk = image.Format, image.Disk
	info, _, err := format.DescribeFile(image.Path, o)
	switch {
	case err != nil:
		return "", err
	case len(x.Formats) > 0 && !slices.Contains(x.Formats, info.Format):
		return "its format is " + info.Format, nil
	case slices.Contains(x.NotFormats, info.Format):
		return "its format is " + info.Format, nil
	case info.VirtualSize < x.MinSize, x.MaxSize > 0 && info.VirtualSize > x.MaxSize:
		return fmt.Sprintf("its disk has %d bytes", info.VirtualSize), nil
	}
	return "", nil
}

// lacksSystem says that no stage found a system of those types, "" if one did.
func (c *course) lacksSystem(i int, types []string) string {
	if len(types) == 0 {
		return ""
	}
	known := false
	for _, at := range c.p.inspectors(i) {
		if c.task[at] == nil {
			continue
		}
		known = true
		for _, s := range c.task[at].Systems {
			if slices.Contains(types, string(s.Type)) {
				return ""
			}
		}
	}
	if !known && c.o.DryRun {
		return ""
	}
	return "no such system is on it: " + strings.Join(types, ", ")
}

func textSum(b []byte) string {
	x := sha256.Sum256(b)
	return hex.EncodeToString(x[:])
}
