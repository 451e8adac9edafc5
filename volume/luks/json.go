package luks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/guestkit/guestkit/block"
)

// maxObjects bounds the slots, tokens, segments and digests of each kind.
const maxObjects = 64

// A node is a JSON object. Its names are those of the specification in their
// exact case, for which encoding/json has no option, and all others are dropped
// as they are read.
//
// The first thing that is wrong is kept in err, so that a whole object can be
// read before one looks.
type node struct {
	path   string
	fields map[string]json.RawMessage
	err    *error
}

func newNode(path string, raw []byte, keep func(string) bool) (node, error) {
	n := node{path: path, fields: map[string]json.RawMessage{}, err: new(error)}
	d := json.NewDecoder(bytes.NewReader(raw))
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return n, fmt.Errorf("%w: %s is no object", block.ErrCorrupt, path)
	}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return n, fmt.Errorf("%w: %s is no object", block.ErrCorrupt, path)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return n, fmt.Errorf("%w: %s.%.40q: %v", block.ErrCorrupt, path, name, err)
		}
		if !keep(name) {
			continue
		}
		n.fields[name] = value
		if len(n.fields) > maxObjects {
			return n, fmt.Errorf("%w: %s has more than %d members", block.ErrLimit, path, maxObjects)
		}
	}
	if _, err := d.Token(); err != nil {
		return n, fmt.Errorf("%w: %s does not end", block.ErrCorrupt, path)
	}
	return n, nil
}

func named(names ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(names, s) }
}

func (n node) fail(name, format string, args ...any) {
	if *n.err == nil {
		*n.err = fmt.Errorf("%w: %s.%s: %s", block.ErrCorrupt, n.path, name, fmt.Sprintf(format, args...))
	}
}

func (n node) has(name string) bool { return n.fields[name] != nil }

// object returns a member that is an object, with those of its members that are
// named. One that is missing is empty, and has no error of its own.
func (n node) object(name string, names ...string) node {
	return n.objectOf(name, named(names...))
}

func (n node) objectOf(name string, keep func(string) bool) node {
	raw := n.fields[name]
	path := n.path + "." + name
	if raw == nil {
		n.fail(name, "it is missing")
		return node{path: path, err: n.err}
	}
	o, err := newNode(path, raw, keep)
	if err != nil && *n.err == nil {
		*n.err = err
	}
	o.err = n.err
	return o
}

// str returns a member that is a string.
func (n node) str(name string) string {
	var s string
	if raw := n.fields[name]; raw == nil || len(raw) > 4096 || json.Unmarshal(raw, &s) != nil || raw[0] != '"' {
		n.fail(name, "no string, or none of up to 4096 bytes")
	}
	return s
}

// number returns a member that is a whole number from 0 to max.
func (n node) number(name string, max int64) int64 {
	v, err := strconv.ParseInt(string(n.fields[name]), 10, 64)
	if err != nil || v < 0 || v > max {
		n.fail(name, "%.40q is no number up to %d", n.fields[name], max)
		return 0
	}
	return v
}

// offset returns a member that is a whole number in a string, as JSON of LUKS2
// has those that need 64 bits.
func (n node) offset(name string) int64 {
	s := n.str(name)
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || v > math.MaxInt64 {
		n.fail(name, "%.40q is no offset", s)
		return 0
	}
	return int64(v)
}

// bytes returns a member that is base64, of 1 to max bytes.
func (n node) bytes(name string, max int) []byte {
	b, err := base64.StdEncoding.DecodeString(n.str(name))
	if err != nil || len(b) == 0 || len(b) > max {
		n.fail(name, "not base64 of up to %d bytes", max)
	}
	return b
}

// strs returns a member that is an array of strings.
func (n node) strs(name string) []string {
	var s []string
	raw := n.fields[name]
	if raw == nil || len(raw) > 64<<10 || raw[0] != '[' || json.Unmarshal(raw, &s) != nil {
		n.fail(name, "no array of strings")
		return nil
	}
	if len(s) > maxObjects {
		n.fail(name, "more than %d strings", maxObjects)
		return nil
	}
	return s
}

// ids returns a member that is an array of the names of objects.
func (n node) ids(name string) []int {
	var ids []int
	for _, s := range n.strs(name) {
		id, err := objectID(s)
		if err != nil {
			n.fail(name, "%v", err)
			return nil
		}
		ids = append(ids, id)
	}
	return ids
}

var errID = errors.New("the name of an object is no number up to 999")

func objectID(s string) (int, error) {
	id, err := strconv.Atoi(s)
	if err != nil || id < 0 || id > 999 || strconv.Itoa(id) != s {
		return 0, errID
	}
	return id, nil
}

// A member is one of the numbered objects in an object.
type member struct {
	id  int
	raw []byte
}

// members returns the numbered objects of a member, by their numbers.
func (n node) members(name string) []member {
	o := n.objectOf(name, func(string) bool { return true })
	var out []member
	for s, raw := range o.fields {
		id, err := objectID(s)
		if err != nil {
			o.fail(fmt.Sprintf("%.40q", s), "%v", err)
			return nil
		}
		out = append(out, member{id, raw})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	return out
}
