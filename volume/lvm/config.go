package lvm

import (
	"strconv"

	"github.com/guestkit/guestkit/block"
)

// Limits of a text.
const (
	maxDepth = 64
	maxNodes = 1 << 20
)

// A section is a block of the text: keys with values, and sections.
type section struct {
	name     string
	sections []*section // in the order of the text
	byName   map[string]*section
	values   map[string]value
}

func newSection(name string) *section {
	return &section{name: name, byName: map[string]*section{}, values: map[string]value{}}
}

// A value is a string, a number, or a list of them.
type value struct {
	str    string
	num    int64
	isNum  bool
	list   []value
	isList bool
}

// child returns a section of that name, nil if there is none.
func (s *section) child(name string) *section { return s.byName[name] }

// parser reads the text without recursion.
type parser struct {
	b     []byte
	pos   int
	nodes int
}

func (p *parser) fault(class error, detail string, args ...any) error {
	return block.Errorf(format, "metadata text", int64(p.pos), class, detail, args...)
}

// space skips blanks and comments.
func (p *parser) space() {
	for p.pos < len(p.b) {
		switch c := p.b[p.pos]; {
		case c == '#':
			for p.pos < len(p.b) && p.b[p.pos] != '\n' {
				p.pos++
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0:
			p.pos++
		default:
			return
		}
	}
}

// parseText reads a whole text into a section without a name.
func parseText(b []byte) (*section, error) {
	p := &parser{b: b}
	root := newSection("")
	stack := []*section{root}
	for {
		p.space()
		top := stack[len(stack)-1]
		if p.pos == len(p.b) {
			if len(stack) > 1 {
				return nil, p.fault(block.ErrCorrupt, "the section %.40q does not end", top.name)
			}
			return root, nil
		}
		if p.b[p.pos] == '}' {
			if len(stack) == 1 {
				return nil, p.fault(block.ErrCorrupt, "a section ends that did not begin")
			}
			p.pos++
			stack = stack[:len(stack)-1]
			continue
		}
		name := p.word()
		if name == "" {
			return nil, p.fault(block.ErrCorrupt, "no name where one must be")
		}
		if p.nodes++; p.nodes > maxNodes {
			return nil, p.fault(block.ErrLimit, "more than %d keys", maxNodes)
		}
		p.space()
		switch {
		case p.pos < len(p.b) && p.b[p.pos] == '{':
			p.pos++
			if len(stack) > maxDepth {
				return nil, p.fault(block.ErrLimit, "sections more than %d deep", maxDepth)
			}
			s := newSection(name)
			if top.byName[name] != nil {
				return nil, p.fault(block.ErrCorrupt, "a second section %.40q", name)
			}
			top.byName[name] = s
			top.sections = append(top.sections, s)
			stack = append(stack, s)
		case p.pos < len(p.b) && p.b[p.pos] == '=':
			p.pos++
			v, err := p.value()
			if err != nil {
				return nil, err
			}
			top.values[name] = v
		default:
			return nil, p.fault(block.ErrCorrupt, "neither a value nor a section follows %.40q", name)
		}
	}
}

// word reads a name or a number.
func (p *parser) word() string {
	start := p.pos
	for p.pos < len(p.b) {
		c := p.b[p.pos]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == '+' || c == '/' {
			p.pos++
			continue
		}
		break
	}
	return string(p.b[start:p.pos])
}

// value reads a value or a list of them; lists do not nest.
func (p *parser) value() (value, error) {
	p.space()
	if p.pos == len(p.b) || p.b[p.pos] != '[' {
		return p.scalar()
	}
	p.pos++
	v := value{isList: true}
	for {
		p.space()
		if p.pos < len(p.b) && p.b[p.pos] == ']' {
			p.pos++
			return v, nil
		}
		x, err := p.scalar()
		if err != nil {
			return v, err
		}
		if p.nodes++; p.nodes > maxNodes {
			return v, p.fault(block.ErrLimit, "more than %d values", maxNodes)
		}
		v.list = append(v.list, x)
		p.space()
		if p.pos < len(p.b) && p.b[p.pos] == ',' {
			p.pos++
		}
	}
}

func (p *parser) scalar() (value, error) {
	if p.pos < len(p.b) && p.b[p.pos] == '"' {
		return p.quoted()
	}
	w := p.word()
	n, err := strconv.ParseInt(w, 10, 64)
	if err != nil {
		if _, err := strconv.ParseFloat(w, 64); err == nil && w != "" {
			return value{str: w}, nil
		}
		return value{}, p.fault(block.ErrCorrupt, "%.40q is no value", w)
	}
	return value{num: n, isNum: true}, nil
}

// quoted reads a string, in which a backslash stands before a quote or itself.
func (p *parser) quoted() (value, error) {
	var out []byte
	for p.pos++; p.pos < len(p.b); p.pos++ {
		switch c := p.b[p.pos]; {
		case c == '"':
			p.pos++
			return value{str: string(out)}, nil
		case c == '\\' && p.pos+1 < len(p.b):
			p.pos++
			out = append(out, p.b[p.pos])
		default:
			out = append(out, c)
		}
	}
	return value{}, p.fault(block.ErrCorrupt, "a string does not end")
}
