package evtx

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendXML appends an element as XML, without spaces that it has not. Elements
// whose only value there is not are left out, as the format demands.
func AppendXML(b []byte, e *Element) []byte {
	b = append(append(b, '<'), e.Name...)
	for _, a := range e.Attributes {
		b = append(append(append(b, ' '), a.Name...), '=', '"')
		b = append(escapeXML(b, a.Value.Text), '"')
	}
	if text, _ := e.text(); text.Text == "" && !slices.ContainsFunc(e.Content, func(n Node) bool { return n.Element != nil }) {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	for _, n := range e.Content {
		if n.Element != nil && !n.Element.absent {
			b = AppendXML(b, n.Element)
		} else if n.Element == nil {
			b = escapeXML(b, n.Value.Text)
		}
	}
	return append(append(append(b, "</"...), e.Name...), '>')
}

// escapeXML appends text. Characters that XML cannot have become U+FFFD.
func escapeXML(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xfffe, r == 0xffff:
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// AppendJSON appends an element as a member of an object, {"Event":{…}}, with the
// shape that evtx_dump gives it: attributes in "#attributes", text beside them in
// "#text", an element without either as null, a second element of a name with _1
// behind it, and Data with a Name as a member of that name.
func AppendJSON(b []byte, e *Element) []byte {
	b = append(b, '{')
	b = appendKey(b, e.Name)
	return append(appendElement(b, e), '}')
}

func appendKey(b []byte, name string) []byte { return append(appendString(b, name), ':') }

func appendString(b []byte, s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string always can be
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

func appendValue(b []byte, v Value) []byte {
	if v.number() {
		return append(b, v.Text...)
	}
	return appendString(b, v.Text)
}

// appendElement appends what an element holds.
func appendElement(b []byte, e *Element) []byte {
	text, any := e.text()
	var elements []*Element
	for _, n := range e.Content {
		if n.Element != nil {
			elements = append(elements, n.Element)
		}
	}
	switch {
	case len(elements) == 0 && len(e.Attributes) == 0 && !any:
		return append(b, "null"...)
	case len(elements) == 0 && len(e.Attributes) == 0:
		return appendValue(b, text)
	}
	b = append(b, '{')
	first := true
	key := func(name string) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendKey(b, name)
	}
	if len(e.Attributes) > 0 {
		key("#attributes")
		b = append(b, '{')
		for i, a := range e.Attributes {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(appendKey(b, a.Name), a.Value)
		}
		b = append(b, '}')
	}
	if any && (len(elements) == 0 || strings.TrimSpace(text.Text) != "") {
		key("#text")
		b = appendValue(b, text)
	}
	used := map[string]int{}
	data := unnamed(elements)
	listed := false
	for _, x := range elements {
		name := x.Name
		switch {
		case name == "Data" && x.attribute("Name") != "":
			name = x.attribute("Name")
			x = &Element{Name: name, Content: x.Content}
			if text, any := x.text(); !any && text.Text == "" && !slices.ContainsFunc(x.Content, func(n Node) bool { return n.Element != nil }) {
				x.Content = []Node{{Value: Value{Type: typeString}}}
			}
		case name == "Data" && len(x.Attributes) == 0 && data != nil:
			if listed {
				continue
			}
			listed = true
			key(unused(name, used))
			b = appendData(b, data)
			continue
		}
		key(unused(name, used))
		b = appendElement(b, x)
	}
	return append(b, '}')
}

// unused is the key for an element: its name, with a number behind it where it was
// used before.
func unused(name string, used map[string]int) string {
	n := used[name]
	used[name]++
	if n == 0 {
		return name
	}
	for {
		out := name + "_" + strconv.Itoa(n)
		if used[out] == 0 {
			used[out]++
			return out
		}
		n++
	}
}

// unnamed are the Data elements without a name, nil if they hold other elements.
func unnamed(elements []*Element) []Value {
	var out []Value
	for _, x := range elements {
		if x.Name != "Data" || len(x.Attributes) > 0 {
			continue
		}
		for _, n := range x.Content {
			if n.Element != nil {
				return nil
			}
		}
		v, _ := x.text()
		out = append(out, v)
	}
	return out
}

func appendData(b []byte, data []Value) []byte {
	b = append(b, `{"#text":`...)
	if len(data) == 1 {
		return append(appendValue(b, data[0]), '}')
	}
	b = append(b, '[')
	for i, v := range data {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, v)
	}
	return append(b, ']', '}')
}

// text is the text in an element itself; any reports whether there is some.
func (e *Element) text() (v Value, any bool) {
	var vs []Value
	for _, n := range e.Content {
		if n.Element == nil {
			vs = append(vs, n.Value)
		}
	}
	v = join(vs)
	return v, v.Type != typeNull
}

// attribute is the text of an attribute, "" if there is none.
func (e *Element) attribute(name string) string {
	for _, a := range e.Attributes {
		if a.Name == name {
			return a.Value.Text
		}
	}
	return ""
}

// Find returns the first element at a path of names below this one, nil if there is
// none.
func (e *Element) Find(path ...string) *Element {
	for _, name := range path {
		var next *Element
		for _, n := range e.Content {
			if n.Element != nil && n.Element.Name == name {
				next = n.Element
				break
			}
		}
		if next == nil {
			return nil
		}
		e = next
	}
	return e
}

// Text returns the text at a path of names below this element, or that of an
// attribute there, whose name begins with "@". It is "" if there is none.
func (e *Element) Text(path ...string) string {
	if n := len(path); n > 0 && strings.HasPrefix(path[n-1], "@") {
		if e = e.Find(path[:n-1]...); e == nil {
			return ""
		}
		return e.attribute(path[n-1][1:])
	}
	if e = e.Find(path...); e == nil {
		return ""
	}
	v, _ := e.text()
	return v.Text
}
