package evtx_test

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

var le = binary.LittleEndian

// A writer makes a chunk, token by token, as [MS-EVEN6] has them. What it makes is
// judged by libevtx in TestPeer.
type writer struct {
	b     []byte         // the chunk so far
	names map[string]int // where each name lies
	defs  map[string]int // where each template lies
	last  uint64
}

func newWriter(first uint64) *writer {
	return &writer{make([]byte, 512, 64<<10), map[string]int{}, map[string]int{}, first - 1}
}

func (w *writer) put(b ...byte) { w.b = append(w.b, b...) }
func (w *writer) u16(n int)     { w.b = le.AppendUint16(w.b, uint16(n)) }
func (w *writer) u32(n int)     { w.b = le.AppendUint32(w.b, uint32(n)) }
func (w *writer) u64(n uint64)  { w.b = le.AppendUint64(w.b, n) }

func (w *writer) chars(s string) {
	for _, c := range utf16.Encode([]rune(s)) {
		w.u16(int(c))
	}
}

// name refers to a name, and defines it where it is used first.
func (w *writer) name(s string) {
	at, ok := w.names[s]
	if ok {
		w.u32(at)
		return
	}
	at = len(w.b) + 4
	w.names[s] = at
	w.u32(at)
	w.u32(0)
	hash := uint32(0)
	for _, c := range utf16.Encode([]rune(s)) {
		hash = hash*65599 + uint32(c)
	}
	w.u16(int(hash & 0xffff))
	w.u16(len(utf16.Encode([]rune(s))))
	w.chars(s)
	w.u16(0)
}

// sized writes the size of what f writes before it.
func (w *writer) sized(f func()) {
	at := len(w.b)
	w.u32(0)
	f()
	le.PutUint32(w.b[at:], uint32(len(w.b)-at-4))
}

// An attr is an attribute with what writes its value.
type attr struct {
	name  string
	value func()
}

// element writes an element. dependent is false within values.
func (w *writer) element(dependent bool, name string, attrs []attr, content func()) {
	token := byte(0x01)
	if len(attrs) > 0 {
		token = 0x41
	}
	w.put(token)
	if dependent {
		w.u16(0xffff)
	}
	w.sized(func() {
		w.name(name)
		if len(attrs) > 0 {
			w.sized(func() {
				for i, a := range attrs {
					token := byte(0x46)
					if i == len(attrs)-1 {
						token = 0x06
					}
					w.put(token)
					w.name(a.name)
					a.value()
				}
			})
		}
		if content == nil {
			w.put(0x03)
			return
		}
		w.put(0x02)
		content()
		w.put(0x04)
	})
}

func (w *writer) text(s string) {
	w.put(0x05, 0x01)
	w.u16(len(utf16.Encode([]rune(s))))
	w.chars(s)
}

// sub writes a substitution: an optional one that leaves out what there is not.
func (w *writer) sub(id int, typ byte) {
	w.put(0x0e)
	w.u16(id)
	w.put(typ)
}

// A val is a value of a template instance.
type val struct {
	typ byte
	b   []byte
	xml func() // writes it in its place, since names are found by their offsets
}

func str(s string) val {
	w := &writer{}
	w.chars(s)
	return val{0x01, w.b, nil}
}

func num(typ byte, n uint64, size int) val {
	return val{typ, le.AppendUint64(nil, n)[:size], nil}
}

// template writes an instance of a template, which define writes where it is used
// first.
func (w *writer) template(id string, define func(), values ...val) {
	w.put(0x0c, 0x01)
	w.b = append(w.b, []byte(id + "    ")[:4]...)
	if at, ok := w.defs[id]; ok {
		w.u32(at)
	} else {
		at := len(w.b) + 4
		w.defs[id] = at
		w.u32(at)
		w.u32(0)
		w.b = append(w.b, []byte(id + "                ")[:16]...)
		w.sized(func() {
			w.put(0x0f, 1, 1, 0)
			define()
			w.put(0x00)
		})
	}
	w.u32(len(values))
	at := len(w.b)
	for _, v := range values {
		w.u16(0)
		w.put(v.typ, 0)
	}
	for i, v := range values {
		start := len(w.b)
		w.b = append(w.b, v.b...)
		if v.xml != nil {
			v.xml()
		}
		le.PutUint16(w.b[at+4*i:], uint16(len(w.b)-start))
	}
}

// record writes one, whose event f writes.
func (w *writer) record(written uint64, f func()) {
	at := len(w.b)
	w.last++
	w.put([]byte("**\x00\x00")...)
	w.u32(0)
	w.u64(w.last)
	w.u64(written)
	w.put(0x0f, 1, 1, 0)
	f()
	w.put(0x00)
	for (len(w.b)-at+4)%8 != 0 {
		w.put(0)
	}
	size := len(w.b) - at + 4
	w.u32(size)
	le.PutUint32(w.b[at+4:], uint32(size))
	le.PutUint32(w.b[0x2c:], uint32(at))
}

// chunk ends the chunk, whose first record has the number that newWriter was given.
func (w *writer) chunk(first uint64) []byte {
	b := make([]byte, 64<<10)
	copy(b, w.b)
	copy(b, "ElfChnk\x00")
	le.PutUint64(b[0x08:], first)
	le.PutUint64(b[0x10:], w.last)
	le.PutUint64(b[0x18:], first)
	le.PutUint64(b[0x20:], w.last)
	le.PutUint32(b[0x28:], 128)
	le.PutUint32(b[0x30:], uint32(len(w.b)))
	sealChunk(b)
	return b
}

// sealChunk makes the checksums of a chunk right.
func sealChunk(b []byte) {
	le.PutUint32(b[0x34:], crc32.ChecksumIEEE(b[512:min(max(512, le.Uint32(b[0x30:])), uint32(len(b)))]))
	le.PutUint32(b[0x7c:], crc32.Update(crc32.ChecksumIEEE(b[:0x78]), crc32.IEEETable, b[0x80:512]))
}

// file puts chunks together.
func file(next uint64, chunks ...[]byte) []byte {
	b := make([]byte, 4096)
	copy(b, "ElfFile\x00")
	le.PutUint64(b[0x10:], uint64(len(chunks)-1))
	le.PutUint64(b[0x18:], next)
	le.PutUint32(b[0x20:], 128)
	le.PutUint16(b[0x24:], 1)
	le.PutUint16(b[0x26:], 3)
	le.PutUint16(b[0x28:], 4096)
	le.PutUint16(b[0x2a:], uint16(len(chunks)))
	sealFile(b)
	for _, c := range chunks {
		b = append(b, c...)
	}
	return b
}

func sealFile(b []byte) { le.PutUint32(b[0x7c:], crc32.ChecksumIEEE(b[:0x78])) }

const ns = "http://schemas.microsoft.com/win/2004/08/events/event"

// event writes an event as Windows does: a template for the whole, whose last value
// is that of the data, which is a template as well.
func (w *writer) event(id, level int, data func()) {
	w.record(0x01d7_7f0f_8d1a_2b3c+w.last*10_000_000, func() {
		w.template("EVNT", func() {
			w.element(true, "Event", []attr{{"xmlns", func() { w.text(ns) }}}, func() {
				w.element(true, "System", nil, func() {
					w.element(true, "Provider", []attr{{"Name", func() { w.text("Test-Provider") }}, {"Guid", func() { w.sub(1, 0x0f) }}}, nil)
					w.element(true, "EventID", []attr{{"Qualifiers", func() { w.sub(2, 0x06) }}}, func() { w.sub(3, 0x06) })
					w.element(true, "Level", nil, func() { w.sub(0, 0x04) })
					w.element(true, "Keywords", nil, func() { w.sub(5, 0x15) })
					w.element(true, "TimeCreated", []attr{{"SystemTime", func() { w.sub(6, 0x11) }}}, nil)
					w.element(true, "EventRecordID", nil, func() { w.sub(7, 0x0a) })
					w.element(true, "Channel", nil, func() { w.text("Test") })
					w.element(true, "Computer", nil, func() { w.text("HOST <&> ü") })
					w.element(true, "Security", []attr{{"UserID", func() { w.sub(8, 0x13) }}}, nil)
				})
				w.sub(9, 0x21)
			})
		},
			num(0x04, uint64(level), 1), val{0x0f, []byte{0x25, 0x96, 0x84, 0x54, 0x78, 0x54, 0x94, 0x49, 0xa5, 0xba, 0x3e, 0x3b, 0x03, 0x28, 0xc3, 0x0d}, nil},
			val{}, num(0x06, uint64(id), 2), val{}, num(0x15, 0x8020000000000000, 8), num(0x11, 0x01d77f0f8d1a2b3c+w.last*10_000_000, 8), num(0x0a, w.last, 8),
			val{0x13, []byte{1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0}, nil}, val{0x21, nil, data})
	})
}

// eventData writes a template with the data of an event: a name for each value.
func (w *writer) eventData(id string, names []string, values ...val) {
	w.put(0x0f, 1, 1, 0)
	w.template(id, func() {
		w.element(true, "EventData", nil, func() {
			for i, name := range names {
				var attrs []attr
				if name != "" {
					attrs = []attr{{"Name", func() { w.text(name) }}}
				}
				w.element(true, "Data", attrs, func() { w.sub(i, values[i].typ) })
			}
		})
	}, values...)
	w.put(0x00)
}

// sample is a log of two chunks with values of all types.
func sample() []byte { return sampleOf(true) }

// sampleOf leaves out what libevtx 20181227 does not read: negative numbers, of
// which it takes the first bit for a sign alone, elements that are a value
// without a template, and arrays.
func sampleOf(all bool) []byte {
	sign := func(n uint64) uint64 {
		if all {
			return n
		}
		return 1
	}
	guid := val{0x0f, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, nil}
	w := newWriter(1)
	w.event(4624, 0, func() {
		w.eventData("LOGN", []string{"SubjectUserSid", "TargetUserName", "LogonType", "Address", "Elevated", "LogonGuid"},
			val{0x13, []byte{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0}, nil}, str("Ada <\"&'> Grüße"), num(0x08, 3, 4), num(0x14, 0xbeef, 4), num(0x0d, 1, 4), guid)
	})
	w.event(4624, 2, func() { // the same templates, found by their offsets
		w.eventData("LOGN", []string{"", "", "", "", "", ""}, val{}, str(""), num(0x08, 1<<31, 4), num(0x14, 0, 4), num(0x0d, 0, 4), val{})
	})
	w.event(1, 3, func() {
		w.eventData("NUMS", []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"},
			num(0x03, sign(0xff), 1), num(0x04, 0xff, 1), num(0x05, sign(0xfffe), 2), num(0x06, 0xfffe, 2), num(0x07, sign(0xfffffffd), 4), num(0x08, 0xfffffffd, 4),
			num(0x09, sign(1<<63), 8), num(0x0a, 1<<63, 8), val{0x0e, []byte{0xde, 0xad, 0, 1}, nil}, num(0x15, 1<<40, 8), num(0x11, 0x01d77f0f8d1a2b3c, 8), val{0x02, []byte("ascii"), nil})
	})
	first := w.chunk(1)
	w = newWriter(4)
	w.event(6009, 4, func() {
		w.eventData("PLAI", []string{"", "", ""}, str("10.00."), str(""), str("Multiprocessor Free"))
	})
	if !all {
		return file(5, first, w.chunk(4))
	}
	w.event(53, 4, func() {
		w.put(0x0f, 1, 1, 0)
		w.element(false, "UserData", nil, func() {
			w.element(false, "Wire", []attr{{"code", func() { w.text("x<y") }}}, func() {
				w.element(false, "Header", nil, func() { w.text("one") })
				w.element(false, "Header", nil, func() {
					w.put(0x45, 0x01)
					w.u16(1)
					w.chars("a")
					w.put(0x49)
					w.name("amp")
					w.text("b")
				})
				w.element(false, "Empty", nil, nil)
			})
		})
		w.put(0x00)
	})
	w.event(7, 5, func() {
		w.eventData("ARRY", []string{"list"}, val{0x81, append(append(str("one").b, 0, 0), append(str("two").b, 0, 0)...), nil})
	})
	return file(7, first, w.chunk(4))
}
