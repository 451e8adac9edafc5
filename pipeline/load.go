package pipeline

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/guestkit/guestkit/internal/pattern"
)

const (
	// MaxPlan bounds the file of a plan, in bytes.
	MaxPlan = 8 << 20
	// maxNodes bounds its values, each counted as often as an alias repeats it.
	maxNodes = 100_000
	maxDepth = 32
)

// LoadFile reads a plan from a YAML (or JSON) file. Relative names in it are in
// the folder of that file.
func LoadFile(path string) (*Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := Load(f)
	if err != nil {
		return nil, err
	}
	if p.Folder, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return p, nil
}

// Load reads a plan. Unknown keys, keys that come twice and values of another kind
// are errors, and so is all that Plan.Check finds: a *PlanError says each with its
// line. Relative names are in the current folder.
func Load(r io.Reader) (*Plan, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxPlan+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxPlan {
		return nil, &PlanError{[]*Problem{problemf("", "the plan is larger than %d MiB", MaxPlan>>20)}}
	}
	root, err := parse(b)
	if err != nil {
		return nil, err
	}
	d := &decoder{at: map[string]position{}}
	p := &Plan{}
	d.mapping(root, "", planFields(p))
	p.at = d.at
	if len(d.bad) == 0 {
		d.bad = p.Check()
	}
	if err := p.wrong(d.bad); err != nil {
		return nil, err
	}
	return p, nil
}

var yamlLine = pattern.Of(`^yaml: line ([0-9]+): `)

// parse reads the one document of a file.
func parse(b []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(b)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, &PlanError{[]*Problem{problemf("", "the plan is empty")}}
	} else if err != nil {
		p := problemf("", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		if m := yamlLine().FindStringSubmatch(err.Error()); m != nil {
			p.Line, _ = strconv.Atoi(m[1])
			p.Column = 1
			p.Text = strings.TrimPrefix(err.Error(), m[0])
		}
		return nil, &PlanError{[]*Problem{p}}
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &PlanError{[]*Problem{problemf("", "the file holds more than one document")}}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, &PlanError{[]*Problem{problemf("", "the plan is empty")}}
	}
	return doc.Content[0], nil
}

// A decoder turns nodes into values and notes what is wrong, and where.
type decoder struct {
	at    map[string]position
	bad   []*Problem
	nodes int
	depth int
}

func (d *decoder) wrong(n *yaml.Node, where, text string, args ...any) {
	if len(d.bad) > maxProblems {
		return
	}
	p := problemf(where, text, args...)
	p.Line, p.Column = n.Line, n.Column
	d.bad = append(d.bad, p)
}

// enter counts a value, and follows an alias. False says that the value cannot be
// used, which has been noted.
func (d *decoder) enter(n *yaml.Node, where string) (*yaml.Node, bool) {
	line := n
	for range maxDepth {
		if n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	d.nodes++
	switch {
	case n.Kind == yaml.AliasNode:
		d.wrong(line, where, "the alias leads to no value")
		return nil, false
	case d.nodes > maxNodes:
		d.wrong(line, where, "the plan has more than %d values, with what its aliases repeat", maxNodes)
		return nil, false
	}
	if where != "" {
		d.at[where] = position{line.Line, line.Column}
	}
	return n, true
}

// words says what a node is.
func words(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool", "!!int", "!!float":
		return n.Value
	}
	return strconv.Quote(n.Value)
}

// mapping reads a mapping by its fields.
func (d *decoder) mapping(n *yaml.Node, where string, fields []field) {
	n, ok := d.enter(n, where)
	if !ok {
		return
	}
	if d.depth++; d.depth > maxDepth {
		d.wrong(n, where, "it lies too deep")
	}
	defer func() { d.depth-- }()
	if d.depth > maxDepth {
		return
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, where, "it is a mapping, not %s", words(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			d.wrong(key, where, "a key is a word")
			continue
		}
		if key.ShortTag() == "!!merge" {
			d.wrong(key, where, "keys are not merged (<<); write them out, or use an alias for the whole value")
			continue
		}
		if seen[key.Value] {
			d.wrong(key, where, "%q comes twice", key.Value)
			continue
		}
		seen[key.Value] = true
		f := fieldNamed(fields, key.Value)
		if f == nil {
			d.wrong(key, where, "there is no key %q; there are %s", key.Value, names(fields))
			continue
		}
		at := key.Value
		if where != "" {
			at = where + "." + key.Value
		}
		f.take(d, n.Content[i+1], at)
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			d.wrong(n, where, "it lacks %q", f.name)
		}
	}
}

func fieldNamed(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func names(fields []field) string {
	var out []string
	for _, f := range fields {
		out = append(out, f.name)
	}
	return strings.Join(out, ", ")
}

// list reads a list.
func (d *decoder) list(n *yaml.Node, where string, each func(n *yaml.Node, where string)) {
	n, ok := d.enter(n, where)
	if !ok {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, where, "it is a list, not %s", words(n))
		return
	}
	if d.depth++; d.depth > maxDepth {
		d.wrong(n, where, "it lies too deep")
	} else {
		for i, c := range n.Content {
			if d.nodes > maxNodes {
				break
			}
			each(c, where+"["+strconv.Itoa(i)+"]")
		}
	}
	d.depth--
}

// scalar reads a single value; null is none.
func (d *decoder) scalar(n *yaml.Node, where, want string) (text string, ok bool) {
	n, ok = d.enter(n, where)
	if !ok {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		d.wrong(n, where, "it is %s, not %s", want, words(n))
		return "", false
	}
	return n.Value, true
}
