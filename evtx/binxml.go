package evtx

import (
	"encoding/binary"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/guestkit/guestkit/block"
)

// The tokens of binary XML. Most may have the flag tokenMore.
const (
	tokenEOF        = 0x00
	tokenOpen       = 0x01
	tokenCloseStart = 0x02
	tokenCloseEmpty = 0x03
	tokenEnd        = 0x04
	tokenValue      = 0x05
	tokenAttribute  = 0x06
	tokenCDATA      = 0x07
	tokenCharRef    = 0x08
	tokenEntityRef  = 0x09
	tokenPITarget   = 0x0a
	tokenPIData     = 0x0b
	tokenTemplate   = 0x0c
	tokenNormal     = 0x0d
	tokenOptional   = 0x0e
	tokenFragment   = 0x0f
	tokenMore       = 0x40
)

// What one event, and what the events of one chunk may cost. Templates that hold
// values that hold templates could make a page of any size.
const (
	MaxDepth    = 128 // of elements and templates in each other
	recordNodes = 1 << 16
	recordBytes = 4 << 20
	chunkNodes  = 1 << 19
	chunkBytes  = 32 << 20
)

// cost counts what was made.
type cost struct{ nodes, bytes int }

func (c *cost) add(d cost) { c.nodes += d.nodes; c.bytes += d.bytes }

func (c cost) minus(d cost) cost { return cost{c.nodes - d.nodes, c.bytes - d.bytes} }

// An Element is an element of XML.
type Element struct {
	Name       string
	Attributes []Attribute
	Content    []Node

	absent bool // all that it holds is an optional value that there is not
}

// An Attribute is an attribute of an element.
type Attribute struct {
	Name  string
	Value Value
}

// A Node is an element or a piece of text.
type Node struct {
	Element *Element // nil for text
	Value   Value
}

// parser reads binary XML of a chunk, from pos to end.
type parser struct {
	c        *chunk
	pos, end int
	spent    cost
}

// A slot is a value of a template instance.
type slot struct {
	typ      byte
	off, len int
}

func (p *parser) corrupt(detail string, args ...any) error {
	return block.Errorf(format, "binary XML", p.c.off+int64(p.pos), block.ErrCorrupt, detail, args...)
}

// count counts a node with some bytes of text.
func (p *parser) count(bytes int) error {
	p.spent.add(cost{1, bytes})
	if p.spent.nodes > recordNodes || p.spent.bytes > recordBytes || p.c.spent.nodes+p.spent.nodes > chunkNodes || p.c.spent.bytes+p.spent.bytes > chunkBytes {
		return block.Errorf(format, "binary XML", p.c.off+int64(p.pos), block.ErrLimit, "the event is too large")
	}
	return nil
}

// need checks that n bytes are left.
func (p *parser) need(n int) error {
	if n > p.end-p.pos {
		return p.corrupt("it ends too soon")
	}
	return nil
}

func (p *parser) u16() (int, error) {
	if err := p.need(2); err != nil {
		return 0, err
	}
	p.pos += 2
	return int(binary.LittleEndian.Uint16(p.c.b[p.pos-2:])), nil
}

func (p *parser) u32() (uint32, error) {
	if err := p.need(4); err != nil {
		return 0, err
	}
	p.pos += 4
	return binary.LittleEndian.Uint32(p.c.b[p.pos-4:]), nil
}

// token looks at the next token, without its flag; done is true at the end.
func (p *parser) token() (token byte, done bool) {
	if p.pos >= p.end {
		return tokenEOF, true
	}
	return p.c.b[p.pos] &^ tokenMore, false
}

// name reads a name, which lies elsewhere in the chunk, or here where it is used
// first.
func (p *parser) name() (string, error) {
	off, err := p.u32()
	if err != nil {
		return "", err
	}
	if off > uint32(len(p.c.b)) || len(p.c.b)-int(off) < 10 {
		return "", p.corrupt("a name lies at %#x, outside of the chunk", off)
	}
	b := p.c.b[off:]
	n := int(binary.LittleEndian.Uint16(b[6:]))
	if 8+2*n+2 > len(b) {
		return "", p.corrupt("a name has %d characters, more than there is room for", n)
	}
	if int(off) == p.pos {
		if err := p.need(8 + 2*n + 2); err != nil {
			return "", err
		}
		p.pos += 8 + 2*n + 2
	}
	if err := p.count(2 * n); err != nil {
		return "", err
	}
	name := utf16String(b[8 : 8+2*n])
	if !isName(name) {
		return "", p.corrupt("%q is no name", name)
	}
	return name, nil
}

// text reads a string with its length in characters before it.
func (p *parser) text() (string, error) {
	n, err := p.u16()
	if err == nil {
		err = p.need(2 * n)
	}
	if err == nil {
		err = p.count(2 * n)
	}
	if err != nil {
		return "", err
	}
	p.pos += 2 * n
	return utf16String(p.c.b[p.pos-2*n : p.pos]), nil
}

// fragment reads elements and template instances up to the end. values are those
// of the template that it is of; dependent says that its elements have the number
// of the value on which they depend.
func (p *parser) fragment(values []slot, dependent bool, depth int) ([]Node, error) {
	var out []Node
	if depth > MaxDepth {
		return nil, block.Errorf(format, "binary XML", p.c.off+int64(p.pos), block.ErrLimit, "elements lie more than %d deep", MaxDepth)
	}
	for {
		token, done := p.token()
		var nodes []Node
		var err error
		switch {
		case done || token == tokenEOF:
			return out, nil
		case token == tokenFragment:
			err = p.header()
		case token == tokenOpen:
			nodes, err = p.element(values, dependent, depth+1)
		case token == tokenTemplate:
			nodes, err = p.template(depth + 1)
		case token == tokenPITarget || token == tokenPIData:
			err = p.instruction()
		default:
			err = p.corrupt("token %#x is none that can stand there", token)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, nodes...)
	}
}

// template reads a template instance.
func (p *parser) template(depth int) ([]Node, error) {
	const head = 24 // next template, GUID, size
	if err := p.need(10); err != nil {
		return nil, err
	}
	p.pos += 6 // the token, a version, the start of the GUID
	def, err := p.u32()
	if err != nil {
		return nil, err
	}
	b := p.c.b
	if def > uint32(len(b)) || len(b)-int(def) < head {
		return nil, p.corrupt("a template lies at %#x, outside of the chunk", def)
	}
	at := int(def)
	size := binary.LittleEndian.Uint32(b[at+20:])
	if size > uint32(len(b)-at-head) {
		return nil, p.corrupt("a template of %d bytes reaches behind the end of the chunk", size)
	}
	if at == p.pos { // it is defined here
		if err := p.need(head + int(size)); err != nil {
			return nil, err
		}
		p.pos += head + int(size)
	}
	n, err := p.u32()
	if err != nil {
		return nil, err
	}
	if n > uint32(p.end-p.pos)/4 {
		return nil, p.corrupt("there are %d values, more than there is room for", n)
	}
	values := make([]slot, n)
	off := p.pos + 4*int(n)
	for i := range values {
		d := b[p.pos+4*i:]
		values[i] = slot{d[2], off, int(binary.LittleEndian.Uint16(d))}
		if off += values[i].len; off > p.end {
			return nil, p.corrupt("value %d reaches behind the end", i)
		}
	}
	p.pos = off
	if err := p.count(16 * int(n)); err != nil {
		return nil, err
	}
	q := parser{c: p.c, pos: at + head, end: at + head + int(size), spent: p.spent}
	nodes, err := q.fragment(values, true, depth+1)
	p.spent = q.spent
	return nodes, err
}

// element reads an element. It is several where its content is an array.
func (p *parser) element(values []slot, dependent bool, depth int) ([]Node, error) {
	if depth > MaxDepth {
		return nil, block.Errorf(format, "binary XML", p.c.off+int64(p.pos), block.ErrLimit, "elements lie more than %d deep", MaxDepth)
	}
	if err := p.need(7); err != nil {
		return nil, err
	}
	attributes := p.c.b[p.pos]&tokenMore != 0
	p.pos++
	if dependent {
		p.pos += 2
	}
	if _, err := p.u32(); err != nil { // the size of the element
		return nil, err
	}
	e := new(Element)
	before := p.spent
	var list cost // of the array that repeats it
	var err error
	if e.Name, err = p.name(); err != nil {
		return nil, err
	}
	if attributes {
		if _, err := p.u32(); err != nil { // the size of the list
			return nil, err
		}
		for {
			if token, done := p.token(); done || token != tokenAttribute {
				break
			}
			if err := p.attribute(e, values, depth); err != nil {
				return nil, err
			}
		}
	}
	token, done := p.token()
	if done {
		return nil, p.corrupt("the element %s ends too soon", e.Name)
	}
	p.pos++
	switch token {
	case tokenCloseEmpty:
		return []Node{{Element: e}}, nil
	case tokenCloseStart:
	default:
		return nil, p.corrupt("token %#x does not close the start of an element", token)
	}
	optional := false
	for {
		token, done := p.token()
		if done {
			return nil, p.corrupt("the element %s ends too soon", e.Name)
		}
		if token == tokenEnd {
			p.pos++
			e.absent = optional && len(e.Content) == 1 && e.Content[0].Element == nil && e.Content[0].Value.Type == typeNull
			return repeat(e, p, p.spent.minus(before).minus(list))
		}
		optional = token == tokenOptional
		at := p.spent
		nodes, err := p.content(values, dependent, depth)
		if err != nil {
			return nil, err
		}
		if list == (cost{}) && slices.ContainsFunc(nodes, isArray) {
			list = p.spent.minus(at)
		}
		e.Content = append(e.Content, nodes...)
	}
}

// attribute reads an attribute. One whose only value there is not is left out.
func (p *parser) attribute(e *Element, values []slot, depth int) error {
	p.pos++
	name, err := p.name()
	if err != nil {
		return err
	}
	var text []Value
	for {
		token, done := p.token()
		if done || !slices.Contains([]byte{tokenValue, tokenCDATA, tokenCharRef, tokenEntityRef, tokenNormal, tokenOptional}, token) {
			break
		}
		nodes, err := p.content(values, true, depth)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Element != nil {
				return p.corrupt("the attribute %s holds an element", name)
			}
			text = append(text, n.Value)
		}
	}
	if v := join(text); v.Type != typeNull {
		e.Attributes = append(e.Attributes, Attribute{name, v})
	}
	return nil
}

// content reads one piece of what an element or an attribute holds.
func (p *parser) content(values []slot, dependent bool, depth int) ([]Node, error) {
	text := func(s string, err error) ([]Node, error) {
		return []Node{{Value: Value{Type: typeString, Text: s}}}, err
	}
	token, _ := p.token()
	switch token {
	case tokenOpen:
		return p.element(values, dependent, depth+1)
	case tokenTemplate:
		return p.template(depth + 1)
	case tokenValue:
		if err := p.need(2); err != nil {
			return nil, err
		}
		if typ := p.c.b[p.pos+1]; typ != typeString {
			return nil, p.corrupt("a text of type %#x", typ)
		}
		p.pos += 2
		return text(p.text())
	case tokenCDATA:
		p.pos++
		return text(p.text())
	case tokenCharRef:
		p.pos++
		n, err := p.u16()
		if err == nil {
			err = p.count(1)
		}
		return text(string(rune(n)), err)
	case tokenEntityRef:
		p.pos++
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		s, ok := entities[name]
		if !ok {
			return nil, p.corrupt("there is no entity %q", name)
		}
		return text(s, nil)
	case tokenPITarget, tokenPIData:
		return nil, p.instruction()
	case tokenNormal, tokenOptional:
		p.pos++
		id, err := p.u16()
		if err == nil {
			err = p.need(1)
		}
		if err != nil {
			return nil, err
		}
		p.pos++
		if id >= len(values) {
			return nil, p.corrupt("there is no value %d", id)
		}
		return p.value(values[id], depth)
	case tokenFragment:
		return nil, p.header()
	}
	return nil, p.corrupt("token %#x is none that can stand there", token)
}

// header passes over the header of a fragment.
func (p *parser) header() error {
	if err := p.need(4); err != nil {
		return err
	}
	p.pos += 4
	return p.count(0)
}

// instruction passes over a processing instruction.
func (p *parser) instruction() error {
	target := p.c.b[p.pos]&^tokenMore == tokenPITarget
	p.pos++
	var err error
	if target {
		_, err = p.name()
	} else {
		_, err = p.text()
	}
	return err
}

// entities are those that XML has.
var entities = map[string]string{"lt": "<", "gt": ">", "amp": "&", "quot": `"`, "apos": "'"}

func isArray(n Node) bool { return n.Value.Items != nil }

// repeat makes as many elements of one as the array in it has items. Each of them
// costs what it holds beside that: arrays in each other could make a page of any
// size.
func repeat(e *Element, p *parser, each cost) ([]Node, error) {
	k := slices.IndexFunc(e.Content, isArray)
	if k < 0 {
		return []Node{{Element: e}}, nil
	}
	items := e.Content[k].Value.Items
	if len(items) == 0 {
		e.Content = slices.Delete(e.Content, k, k+1)
		return []Node{{Element: e}}, nil
	}
	var out []Node
	for _, v := range items {
		p.spent.add(each)
		if err := p.count(16 * (len(e.Content) + len(e.Attributes))); err != nil {
			return nil, err
		}
		one := *e
		one.Content = slices.Clone(e.Content)
		one.Content[k] = Node{Value: v}
		out = append(out, Node{Element: &one})
	}
	return out, nil
}

// isName reports whether s is a name of XML: letters, digits, and some signs, of
// which not all begin one. What is none would be markup where it is printed.
func isName(s string) bool {
	for i, c := range s {
		switch {
		case c == utf8.RuneError:
			return false
		case c == '_', c == ':', unicode.IsLetter(c):
		case i > 0 && (c == '-' || c == '.' || c == '\u00b7' || unicode.In(c, unicode.N, unicode.M)):
		default:
			return false
		}
	}
	return s != ""
}

// utf16String makes a string of UTF-16, up to the first NUL.
func utf16String(b []byte) string {
	u := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		c := binary.LittleEndian.Uint16(b)
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

// String is the text of an element and of those in it.
func (e *Element) String() string { return string(AppendXML(nil, e)) }
