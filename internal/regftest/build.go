// Package regftest makes registry hives and their logs byte by byte, for tests
// of what reads them: as Windows writes them, or in forms that no tool makes
// any more.
package regftest

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// A Key is a key to be written. Its subkeys are sorted.
type Key struct {
	Name   string
	Class  string
	Time   time.Time // zero means that of the options
	Flags  uint16    // beside those that follow from the rest
	UTF16  bool      // write the name as UTF-16 though Latin-1 would do
	Values []Value
	Keys   []*Key
}

// A Value is a value to be written; Name is empty for the default one.
type Value struct {
	Name  string
	Type  uint32
	Data  []byte
	UTF16 bool // write the name as UTF-16 though Latin-1 would do
}

// SZ is a value of type REG_SZ.
func SZ(name, s string) Value { return Value{Name: name, Type: 1, Data: UTF16(s + "\x00")} }

// ExpandSZ is a value of type REG_EXPAND_SZ.
func ExpandSZ(name, s string) Value { return Value{Name: name, Type: 2, Data: UTF16(s + "\x00")} }

// Binary is a value of type REG_BINARY.
func Binary(name string, b []byte) Value { return Value{Name: name, Type: 3, Data: b} }

// DWORD is a value of type REG_DWORD.
func DWORD(name string, n uint32) Value {
	return Value{Name: name, Type: 4, Data: binary.LittleEndian.AppendUint32(nil, n)}
}

// MultiSZ is a value of type REG_MULTI_SZ.
func MultiSZ(name string, s ...string) Value {
	return Value{Name: name, Type: 7, Data: UTF16(strings.Join(append(s, ""), "\x00") + "\x00")}
}

// QWORD is a value of type REG_QWORD.
func QWORD(name string, n uint64) Value {
	return Value{Name: name, Type: 11, Data: binary.LittleEndian.AppendUint64(nil, n)}
}

// UTF16 is text in UTF-16, little-endian.
func UTF16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// Key returns the key at a path of names between backslashes below k. It makes
// what is missing.
func (k *Key) Key(path string) *Key {
	for name := range strings.SplitSeq(path, `\`) {
		i := slices.IndexFunc(k.Keys, func(sub *Key) bool { return strings.EqualFold(sub.Name, name) })
		if i < 0 {
			k.Keys = append(k.Keys, &Key{Name: name})
			i = len(k.Keys) - 1
		}
		k = k.Keys[i]
	}
	return k
}

// Set adds values to the key at a path below k, in place of those of the same
// name, and returns k.
func (k *Key) Set(path string, values ...Value) *Key {
	at := k
	if path != "" {
		at = k.Key(path)
	}
	for _, v := range values {
		i := slices.IndexFunc(at.Values, func(old Value) bool { return strings.EqualFold(old.Name, v.Name) })
		if i < 0 {
			at.Values = append(at.Values, v)
		} else {
			at.Values[i] = v
		}
	}
	return k
}

// Options says how a hive is written; nil is as Windows 10 does.
type Options struct {
	Minor    uint32    // of the version 1.x; 0 means 5
	Index    string    // "lh", "lf" or "li"; "" means what the version has
	LeafSize int       // subkeys in one list, more take an ri; 0 means 1012
	Unsorted bool      // lists in the order of Keys
	Sequence uint32    // both sequence numbers; 0 means 1
	Time     time.Time // of the hive and its keys; zero means 2024-05-06 07:08:09 UTC
	FileName string    // "" means one of Windows
}

const (
	baseSize = 4096
	nowhere  = 0xffffffff
	bigData  = 16344
)

// Build writes a hive with the given root key.
func Build(root *Key, opts *Options) []byte {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Minor == 0 {
		o.Minor = 5
	}
	if o.Index == "" {
		o.Index = "lh"
		if o.Minor < 5 {
			o.Index = "lf"
		}
	}
	if o.LeafSize == 0 {
		o.LeafSize = 1012
	}
	if o.Sequence == 0 {
		o.Sequence = 1
	}
	if o.Time.IsZero() {
		o.Time = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	}
	if o.FileName == "" {
		o.FileName = `emRoot\System32\Config\SOFTWARE`
	}
	w := &writer{o: o, security: nowhere}
	at := w.key(root, nowhere, true)
	w.closeBin()

	b := make([]byte, baseSize, baseSize+len(w.b))
	copy(b, "regf")
	put32(b[4:], o.Sequence)
	put32(b[8:], o.Sequence)
	put64(b[12:], filetime(o.Time))
	put32(b[20:], 1)
	put32(b[24:], o.Minor)
	put32(b[32:], 1)
	put32(b[36:], at)
	put32(b[40:], uint32(len(w.b)))
	put32(b[44:], 1)
	copy(b[48:48+62], UTF16(o.FileName))
	Seal(b)
	put64(w.b[20:], filetime(o.Time)) // of the first bin
	return append(b, w.b...)
}

// Seal computes the checksum of a hive or a log again.
func Seal(b []byte) {
	var x uint32
	for i := 0; i < 0x1fc; i += 4 {
		x ^= binary.LittleEndian.Uint32(b[i:])
	}
	switch x {
	case 0:
		x = 1
	case nowhere:
		x = nowhere - 1
	}
	put32(b[0x1fc:], x)
}

func put16(b []byte, v uint16) { binary.LittleEndian.PutUint16(b, v) }
func put32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
func put64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

func filetime(t time.Time) uint64 {
	return uint64(t.Unix()+11_644_473_600)*10_000_000 + uint64(t.Nanosecond()/100)
}

// upper folds a name as the registry does, for characters of one UTF-16 unit.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if u := unicode.ToUpper(r); u <= 0xffff && (u >= 0x80 || r < 0x80) {
			return u
		}
		return r
	}, s)
}

// writer places cells into hive bins.
type writer struct {
	o        Options
	b        []byte // all bins
	next     int    // where the next cell of the last bin goes
	security uint32 // the one security descriptor
}

// alloc places a cell with room for n bytes, and returns its offset and the
// bytes. These are valid until the next call.
func (w *writer) alloc(n int) (uint32, []byte) {
	n = (n + 4 + 7) &^ 7
	if w.next+n > len(w.b) {
		w.closeBin()
		size := (32 + n + 4095) &^ 4095
		at := len(w.b)
		w.b = append(w.b, make([]byte, size)...)
		copy(w.b[at:], "hbin")
		put32(w.b[at+4:], uint32(at))
		put32(w.b[at+8:], uint32(size))
		w.next = at + 32
	}
	at := w.next
	put32(w.b[at:], uint32(-n))
	w.next += n
	return uint32(at), w.b[at+4 : at+n]
}

// closeBin makes a free cell of what is left of the last bin.
func (w *writer) closeBin() {
	if w.next < len(w.b) {
		put32(w.b[w.next:], uint32(len(w.b)-w.next))
		w.next = len(w.b)
	}
}

func (w *writer) put(data []byte) uint32 {
	at, b := w.alloc(len(data))
	copy(b, data)
	return at
}

// encodeName returns the bytes of a name and whether they are Latin-1.
func encodeName(s string, wide bool) (b []byte, latin1 bool) {
	if wide || strings.ContainsFunc(s, func(r rune) bool { return r > 0xff }) {
		return UTF16(s), false
	}
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b, true
}

func (w *writer) key(k *Key, parent uint32, root bool) uint32 {
	name, latin1 := encodeName(k.Name, k.UTF16)
	flags := k.Flags
	if latin1 {
		flags |= 0x20
	}
	if root {
		flags |= 0x0c // the root of the hive, not to be deleted
	}
	t := k.Time
	if t.IsZero() {
		t = w.o.Time
	}
	at, b := w.alloc(76 + len(name))
	copy(b, "nk")
	put16(b[2:], flags)
	put64(b[4:], filetime(t))
	put32(b[16:], parent)
	put32(b[20:], uint32(len(k.Keys)))
	put32(b[28:], nowhere)
	put32(b[32:], nowhere)
	put32(b[36:], uint32(len(k.Values)))
	put32(b[40:], nowhere)
	put32(b[48:], nowhere)
	put16(b[72:], uint16(len(name)))
	put16(b[74:], uint16(2*len(utf16.Encode([]rune(k.Class)))))
	copy(b[76:], name)
	set := func(field int, v uint32) { put32(w.b[int(at)+4+field:], v) }

	set(44, w.sk())
	if k.Class != "" {
		set(48, w.put(UTF16(k.Class)))
	}
	var longest [4]int // subkey, class of one, value, data
	if len(k.Values) > 0 {
		var list []byte
		for _, v := range k.Values {
			list = binary.LittleEndian.AppendUint32(list, w.value(v))
			longest[2] = max(longest[2], len(UTF16(v.Name)))
			longest[3] = max(longest[3], len(v.Data))
		}
		set(40, w.put(list))
	}
	if len(k.Keys) > 0 {
		keys := slices.Clone(k.Keys)
		if !w.o.Unsorted {
			slices.SortFunc(keys, func(a, b *Key) int { return strings.Compare(upper(a.Name), upper(b.Name)) })
		}
		var offsets []uint32
		for _, sub := range keys {
			offsets = append(offsets, w.key(sub, at, false))
			longest[0] = max(longest[0], len(UTF16(sub.Name)))
			longest[1] = max(longest[1], len(UTF16(sub.Class)))
		}
		set(28, w.index(keys, offsets))
	}
	for i, n := range longest {
		set(52+4*i, uint32(n))
	}
	return at
}

// sk writes the security descriptor that all keys share: everybody may do
// everything.
func (w *writer) sk() uint32 {
	if w.security == nowhere {
		at, b := w.alloc(40)
		copy(b, "sk")
		put32(b[4:], at)
		put32(b[8:], at)
		put32(b[16:], 20)
		b[20] = 1             // revision
		put16(b[22:], 0x8000) // self-relative, and no list
		w.security = at
	}
	count := w.b[w.security+4+12:]
	put32(count, binary.LittleEndian.Uint32(count)+1)
	return w.security
}

// index writes the lists of the subkeys.
func (w *writer) index(keys []*Key, offsets []uint32) uint32 {
	var leaves []uint32
	for len(keys) > 0 {
		n := min(len(keys), w.o.LeafSize)
		b := append([]byte(w.o.Index), byte(n), byte(n>>8))
		for i, k := range keys[:n] {
			b = binary.LittleEndian.AppendUint32(b, offsets[i])
			switch w.o.Index {
			case "lf":
				b = append(b, hint(k.Name)...)
			case "lh":
				b = binary.LittleEndian.AppendUint32(b, hash(k.Name))
			}
		}
		leaves = append(leaves, w.put(b))
		keys, offsets = keys[n:], offsets[n:]
	}
	if len(leaves) == 1 {
		return leaves[0]
	}
	b := []byte{'r', 'i', byte(len(leaves)), byte(len(leaves) >> 8)}
	for _, at := range leaves {
		b = binary.LittleEndian.AppendUint32(b, at)
	}
	return w.put(b)
}

// hint is the first four characters of a name, or nothing if they are not
// Latin-1.
func hint(name string) []byte {
	out := make([]byte, 4)
	for i, r := range []rune(name) {
		if i == 4 {
			break
		}
		if r > 0xff {
			return make([]byte, 4)
		}
		out[i] = byte(r)
	}
	return out
}

func hash(name string) uint32 {
	var h uint32
	for _, u := range utf16.Encode([]rune(upper(name))) {
		h = 37*h + uint32(u)
	}
	return h
}

func (w *writer) value(v Value) uint32 {
	name, latin1 := encodeName(v.Name, v.UTF16)
	size, data := uint32(len(v.Data)), uint32(nowhere)
	switch {
	case size == 0:
		size, data = 1<<31, 0
	case size <= 4:
		data = binary.LittleEndian.Uint32(append(slices.Clone(v.Data), 0, 0, 0, 0))
		size |= 1 << 31
	case size > bigData && w.o.Minor > 3:
		data = w.parts(v.Data)
	default:
		data = w.put(v.Data)
	}
	at, b := w.alloc(20 + len(name))
	copy(b, "vk")
	put16(b[2:], uint16(len(name)))
	put32(b[4:], size)
	put32(b[8:], data)
	put32(b[12:], v.Type)
	if latin1 && len(name) > 0 {
		put16(b[16:], 1)
	}
	copy(b[20:], name)
	return at
}

// parts writes big data. Every part's cell has four bytes more than it needs,
// as Windows makes them.
func (w *writer) parts(data []byte) uint32 {
	var list []byte
	n := 0
	for part := range slices.Chunk(data, bigData) {
		at, b := w.alloc(len(part) + 4)
		copy(b, part)
		list = binary.LittleEndian.AppendUint32(list, at)
		n++
	}
	b := []byte{'d', 'b', byte(n), byte(n >> 8)}
	return w.put(binary.LittleEndian.AppendUint32(b, w.put(list)))
}
