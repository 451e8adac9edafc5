package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/pattern"
	"github.com/guestkit/guestkit/internal/terminal"
)

// YAML writes what v is in JSON as a YAML document, its fields in the same order.
// Characters that a terminal would obey are escaped.
func YAML(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	n, err := node(d, 0)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString("---\n")
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	_, err = w.Write(escapeYAML(out.Bytes()))
	return err
}

// maxDepth bounds how deep a document is.
const maxDepth = 100

// old is text that is more than that to readers of YAML 1.1, of which there are
// many: to them no is false, and the version 1:30 is the number 90.
var old = pattern.Of(`^(?:(?i:y|n|yes|no|on|off)|=|<<|[-+]?\.?[0-9][-+0-9_.:eETtZz \t]*)$`)

// node reads a value of JSON.
func node(d *json.Decoder, depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, block.Errorf("", "YAML", -1, block.ErrLimit, "a document of more than %d levels", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.MappingNode}
		if t == '[' {
			n.Kind = yaml.SequenceNode
		}
		for d.More() {
			c, err := node(d, depth+1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle // "[]"
		}
		_, err := d.Token()
		return n, err
	case string:
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: t}
		if terminal.Controls(t) || old().MatchString(t) {
			n.Style = yaml.DoubleQuotedStyle // where characters can be escaped
		}
		return n, nil
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(t.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(t)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
}

// escapeYAML escapes what the encoder takes to be printable and a terminal obeys. It
// stands in double quotes only.
func escapeYAML(b []byte) []byte {
	var out []byte
	for _, r := range string(b) {
		if s := string(r); r >= 0x7F && terminal.Controls(s) {
			out = fmt.Appendf(out, `\U%08X`, r)
		} else {
			out = append(out, s...)
		}
	}
	return out
}
