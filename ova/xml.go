package ova

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/charset"
	"github.com/guestkit/guestkit/internal/pattern"
)

// A node is an element of the descriptor. Namespaces tell versions of OVF
// apart, not elements, and are left out of the names.
type node struct {
	name     string
	space    string
	attrs    []xml.Attr
	children []*node
	text     string
	parts    []byte // of the text, while the element is open
}

// declared finds an encoding other than UTF-8 in the declaration of a document.
var declared = pattern.Of(`^\s*<\?xml[^>]*encoding=["'](?i:[^uU"'][^"']*|us-ascii)["']`)

// parseXML reads a document into a tree. There are no entities but XML's own
// five, no document type, and bounds of depth and number.
func parseXML(text []byte) (*node, error) {
	if s, ok := charset.Marked(text); ok {
		text = []byte(s)
	}
	utf := utf8.Valid(text)
	if !utf && declared().Find(text[:min(len(text), 200)]) == nil { // UTF-8, if it were
		text = []byte(charset.Latin(text))
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(name string, r io.Reader) (io.Reader, error) {
		if utf { // as many are that declare something else
			return r, nil
		}
		b, err := io.ReadAll(r) // all of the text is in memory already
		if err != nil {
			return nil, err
		}
		s, ok := charset.Text(b, name)
		if !ok {
			return nil, fmt.Errorf("the encoding %.40q is not known, and the text is not UTF-8", name)
		}
		return strings.NewReader(s), nil
	}
	var open []*node
	var root *node
	count := 0
	for {
		tok, err := d.Token()
		if err == io.EOF && root != nil && len(open) == 0 {
			return root, nil
		}
		fault := func(class error, detail string, args ...any) error {
			return block.Errorf(format, "descriptor", d.InputOffset(), class, detail, args...)
		}
		if err != nil {
			return nil, fault(block.ErrCorrupt, "%v", err)
		}
		switch tok := tok.(type) {
		case xml.Directive:
			return nil, fault(block.ErrUnsupported, "a document type (%.40q)", string(tok))
		case xml.StartElement:
			count += 1 + len(tok.Attr)
			switch {
			case count > maxNodes:
				return nil, fault(block.ErrLimit, "more than %d elements and attributes", maxNodes)
			case len(open) >= maxDepth:
				return nil, fault(block.ErrLimit, "elements more than %d deep", maxDepth)
			case len(open) == 0 && root != nil:
				return nil, fault(block.ErrCorrupt, "a second root element %.40q", tok.Name.Local)
			}
			n := &node{name: tok.Name.Local, space: tok.Name.Space, attrs: tok.Attr}
			if len(open) == 0 {
				root = n
			} else {
				parent := open[len(open)-1]
				parent.children = append(parent.children, n)
			}
			open = append(open, n)
		case xml.EndElement:
			n := open[len(open)-1] // the decoder matches them
			n.text, n.parts = string(bytes.TrimSpace(n.parts)), nil
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				n := open[len(open)-1]
				n.parts = append(n.parts, tok...)
			}
		}
	}
}

// attr returns an attribute by its local name, "" if there is none.
func (n *node) attr(name string) string {
	for _, a := range n.attrs {
		if a.Name.Local == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// child returns the first child of that name, nil if there is none.
func (n *node) child(name string) *node {
	if n != nil {
		for _, c := range n.children {
			if c.name == name {
				return c
			}
		}
	}
	return nil
}

// all returns the children of that name.
func (n *node) all(name string) []*node {
	var out []*node
	if n != nil {
		for _, c := range n.children {
			if c.name == name {
				out = append(out, c)
			}
		}
	}
	return out
}

// textOf returns the text of the first child of that name.
func (n *node) textOf(name string) string {
	if c := n.child(name); c != nil {
		return c.text
	}
	return ""
}

// quote makes a short literal of a string that may be hostile.
func quote(s string) string { return fmt.Sprintf("%.80q", s) }
