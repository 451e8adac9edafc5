package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/internal/pattern"
)

// A Report says all that a run did. It is the document that "guestkit run --json"
// prints, docs/pipeline.md describes it.
type Report struct {
	Schema  string        `json:"schema"`
	Plan    string        `json:"plan,omitempty"`
	Index   int           `json:"index"`
	Of      int           `json:"of"`
	DryRun  bool          `json:"dry_run,omitempty"`
	Started string        `json:"started"` // RFC 3339
	Elapsed float64       `json:"elapsed"` // seconds
	Done    int           `json:"done"`    // images
	Failed  int           `json:"failed"`
	Stopped int           `json:"stopped"`
	Images  []ImageReport `json:"images"`
}

// An ImageReport says what became of one image.
type ImageReport struct {
	Name   string        `json:"name"`
	Path   string        `json:"path"`
	Index  int           `json:"index"` // in the whole plan
	Status Status        `json:"status"`
	Stages []StageReport `json:"stages"`
}

// A StageReport says what became of a stage.
type StageReport struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"`
	Status  Status          `json:"status"`
	Resumed bool            `json:"resumed,omitempty"` // an earlier run did it
	Reason  string          `json:"reason,omitempty"`  // why it was not done
	Class   string          `json:"class,omitempty"`   // of the failure: corrupt, io …
	Tries   int             `json:"tries,omitempty"`
	Started string          `json:"started,omitempty"`
	Elapsed float64         `json:"elapsed,omitempty"` // seconds
	Input   string          `json:"input,omitempty"`   // what it worked on
	Output  string          `json:"output,omitempty"`
	Inputs  []Print         `json:"inputs,omitempty"`
	Outputs []Print         `json:"outputs,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`

	err error
}

// Err is why a stage failed, nil if it did not in this run.
func (s *StageReport) Err() error { return s.err }

const schema = "guestkit.run/v1"

// A row is a stage of an image in a table: the same columns in each.
type row struct {
	Plan         string  `json:"plan"`
	Image        string  `json:"image"`
	Path         string  `json:"path"`
	Stage        string  `json:"stage"`
	Kind         string  `json:"kind"`
	Status       Status  `json:"status"`
	Resumed      bool    `json:"resumed"`
	Reason       string  `json:"reason"`
	Class        string  `json:"class"`
	Tries        int     `json:"tries"`
	Started      *string `json:"started"`
	Elapsed      float64 `json:"elapsed"`
	Output       *string `json:"output"`
	OutputSize   *int64  `json:"output_size"`
	OutputDigest *string `json:"output_digest"`
	Result       *string `json:"result"` // JSON in a text
}

func (r *Report) rows() []row {
	var out []row
	for _, i := range r.Images {
		for _, s := range i.Stages {
			x := row{Plan: r.Plan, Image: i.Name, Path: i.Path, Stage: s.ID, Kind: s.Kind, Status: s.Status, Resumed: s.Resumed, Reason: s.Reason, Class: s.Class,
				Tries: s.Tries, Started: orNull(s.Started), Elapsed: s.Elapsed, Output: orNull(s.Output), Result: orNull(string(s.Result))}
			if len(s.Outputs) > 0 {
				size := int64(0)
				for _, o := range s.Outputs {
					size += o.Size
				}
				x.OutputSize = &size
				if len(s.Outputs) == 1 {
					x.OutputDigest = orNull(s.Outputs[0].Digest)
				}
			}
			out = append(out, x)
		}
	}
	return out
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// resultName is a file in the folder of results.
func resultName(kind string, o *Options, ending string) string {
	return fmt.Sprintf("%s-%d-of-%d.%s", kind, o.Index, max(o.Of, 1), ending)
}

var ourFiles = pattern.Of(`^(journal|report|stages)-[0-9]+-of-[0-9]+\.(jsonl|json)$`)

func ourFile(name string) bool { return ourFiles().MatchString(name) }

// keep writes the report and its rows to where the plan has them.
func (r *Report) keep(ctx context.Context, p *Plan, o *Options) error {
	if p.Results == "" && p.Publish == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var lines []byte
	for _, x := range r.rows() {
		line, err := json.Marshal(x)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
	}
	var errs []error
	for _, f := range []struct {
		name, mediaType string
		content         []byte
	}{{resultName("report", o, "json"), "application/json", append(b, '\n')}, {resultName("stages", o, "jsonl"), "application/jsonl", lines}} {
		if p.Results != "" {
			errs = append(errs, writeWhole(filepath.Join(p.local(p.Results), f.name), f.content))
		}
		if p.Publish != "" && ctx.Err() == nil { // a run that was stopped goes on, and puts it then
			if err := o.Put(ctx, strings.TrimSuffix(p.Publish, "/")+"/"+f.name, f.content, f.mediaType); err != nil {
				errs = append(errs, fmt.Errorf("the results are not published: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// writeWhole replaces a file by one that is whole.
func writeWhole(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".guestkit-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// classes are the classes of errors by the words of a report.
var classes = []struct {
	name string
	err  error
}{
	{"option", block.ErrOption}, {"corrupt", block.ErrCorrupt}, {"truncated", block.ErrTruncated}, {"unsupported", block.ErrUnsupported}, {"encrypted", block.ErrEncrypted},
	{"limit", block.ErrLimit}, {"refused", block.ErrRefused}, {"parent", block.ErrParent}, {"incomplete", block.ErrMissing}, {"loop", block.ErrLoop}, {"changed", block.ErrChanged},
	{"ambiguous", block.ErrAmbiguous}, {"format", block.ErrFormat}, {"space", convert.ErrSpace}, {"exists", os.ErrExist}, {"absent", os.ErrNotExist}, {"permission", os.ErrPermission},
	{"timeout", os.ErrDeadlineExceeded},
}

func classOf(err error) string {
	var f *finding
	if errors.As(err, &f) {
		return "finding"
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return "io"
}
