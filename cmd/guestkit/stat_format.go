package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A statFormat is a format of stat -c: text, and directives as those of printf.
type statFormat struct {
	parts []statPart
	names map[string]map[uint32]string // of users and groups, by the file that has them
}

// A statPart is text, or a directive.
type statPart struct {
	text             string
	letter           string // "a", or "Hr" and "Lr"; "" of text
	flags            string
	width, precision int // -1 if there is none
}

// statForm makes the format of the flags, nil if none is given.
func statForm(hasText bool, text string, hasEscapes bool, escapes string) (*statFormat, error) {
	switch {
	case hasText && hasEscapes:
		return nil, usagef("-c and --printf exclude each other")
	case hasText:
		text += "\n"
	case hasEscapes:
		text = unescaped(escapes)
	default:
		return nil, nil
	}
	f := &statFormat{names: map[string]map[uint32]string{}}
	for len(text) > 0 {
		before, rest, ok := strings.Cut(text, "%")
		if before != "" {
			f.parts = append(f.parts, statPart{text: before})
		}
		if !ok {
			break
		}
		p := statPart{width: -1, precision: -1}
		n := len(rest) - len(strings.TrimLeft(rest, "'-+ #0I"))
		p.flags, rest = rest[:n], rest[n:]
		p.width, rest = number(rest)
		if after, ok := strings.CutPrefix(rest, "."); ok {
			if p.precision, rest = number(after); p.precision < 0 {
				p.precision = -2 // none, which of a time is all digits
			}
		}
		if len(rest) > 1 && (rest[0] == 'H' || rest[0] == 'L') && (rest[1] == 'd' || rest[1] == 'r') {
			p.letter, rest = rest[:2], rest[2:]
		} else if rest != "" {
			p.letter, rest = rest[:1], rest[1:]
		}
		if p.width > maxPad || p.precision > maxPad {
			return nil, usagef("-c: a width of more than %d", maxPad)
		}
		switch {
		case p.letter == "%" && n == 0 && p.width < 0 && p.precision == -1:
			p = statPart{text: "%"}
		case p.letter == "" || p.letter == "%" || p.letter == "\n":
			return nil, usagef("-c: a %% stands before no letter; %%%% is one")
		case refusedStat[p.letter] != "":
			return nil, usagef("-c: %%%s: %s", p.letter, refusedStat[p.letter])
		case !strings.Contains(" a A b B C f F g G h i n N r R s t T u U w W x X y Y z Z Hr Lr ", " "+p.letter+" "):
			return nil, usagef("-c: %%%s is not known; there are %%a %%A %%b %%B %%C %%f %%F %%g %%G %%h %%i %%n %%N %%r %%R %%s %%t %%T %%u %%U %%w %%x %%y %%z, and %%W %%X %%Y %%Z", p.letter)
		}
		f.parts = append(f.parts, p)
		text = rest
	}
	return f, nil
}

// maxPad bounds a width.
const maxPad = 1000

// refusedStat are directives of stat that have no answer in an image.
var refusedStat = map[string]string{
	"d": "an image has no number of the device that it lies on", "D": "an image has no number of the device that it lies on",
	"Hd": "an image has no number of the device that it lies on", "Ld": "an image has no number of the device that it lies on",
	"m": "nothing is mounted; 'guestkit volumes' says where volumes belong",
	"o": "what size is best for I/O is said by a kernel",
}

// number is the decimal number that s begins with, -1 if there is none.
func number(s string) (int, string) {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if n == 0 {
		return -1, s
	}
	v, err := strconv.Atoi(s[:n])
	if err != nil {
		v = maxPad + 1
	}
	return v, s[n:]
}

// unescaped resolves the escapes of printf.
func unescaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if j := strings.IndexByte(`abefnrtv"\`, s[i]); j >= 0 {
			b.WriteByte("\a\b\x1b\f\n\r\t\v\"\\"[j])
			continue
		}
		base, from, most := 8, i, 3
		if s[i] == 'x' {
			base, from, most = 16, i+1, 2
		}
		to := from
		for to < len(s) && to-from < most && strings.IndexByte("0123456789abcdefABCDEF"[:base+base/16*6], s[to]) >= 0 {
			to++
		}
		if to == from {
			b.WriteString(s[i-1 : i+1])
			continue
		}
		v, _ := strconv.ParseUint(s[from:to], base, 32)
		b.WriteByte(byte(v))
		i = to - 1
	}
	return b.String()
}

// print prints what is asked for of a file.
func (f *statFormat) print(a *app, t *guestTree, n *vfs.Node) error {
	texts := make([]string, len(f.parts)) // nothing is printed if one fails
	for i, p := range f.parts {
		if p.letter == "" {
			continue
		}
		var b strings.Builder
		if err := f.directive(&b, t, n, p); err != nil {
			return err
		}
		texts[i] = b.String()
	}
	for i, p := range f.parts {
		if p.letter == "" { // the user's own, in which nothing is escaped
			a.out.Printf(strings.ReplaceAll(p.text, "%", "%%"))
		} else {
			a.out.Printf("%s", texts[i])
		}
	}
	return a.out.Err()
}

func (f *statFormat) directive(b *strings.Builder, t *guestTree, n *vfs.Node, p statPart) error {
	st := n.Stat()
	name := "/" + n.RawPath()
	uint := func(v uint64) { b.WriteString(p.number("d", v)) }
	switch p.letter {
	case "a":
		b.WriteString(p.number("o", uint64(vfs.ModeToUnix(st.Mode)&0o7777)))
	case "A":
		p.string(b, modeString(st.Mode))
	case "b":
		allocated := st.Allocated
		if allocated < 0 {
			allocated = st.Size
		}
		uint(uint64((allocated + 511) / 512))
	case "B":
		uint(512)
	case "C":
		xs, err := n.Xattrs()
		if err != nil {
			return err
		}
		label := "?"
		for _, x := range xs {
			if x.Name == "security.selinux" {
				label = strings.TrimRight(string(x.Value), "\x00")
			}
		}
		p.string(b, label)
	case "f":
		b.WriteString(p.number("x", uint64(vfs.ModeToUnix(st.Mode))))
	case "F":
		p.string(b, statType(st))
	case "g":
		uint(uint64(st.GID))
	case "G":
		return f.owner(b, p, t, "etc/group", st.GID)
	case "h":
		uint(st.Nlink)
	case "i":
		uint(st.Ino)
	case "n":
		p.string(b, name)
	case "N":
		text := shellQuote(name)
		if st.Mode&fs.ModeSymlink != 0 {
			target, err := n.ReadLink()
			if err != nil {
				return err
			}
			text += " -> " + shellQuote(target)
		}
		p.string(b, text)
	case "r", "R":
		verb := "d"
		if p.letter == "R" {
			verb = "x"
		}
		b.WriteString(p.number(verb, makedev(st)))
	case "Hr":
		uint(uint64(st.Major))
	case "Lr":
		uint(uint64(st.Minor))
	case "t":
		b.WriteString(p.number("x", uint64(st.Major)))
	case "T":
		b.WriteString(p.number("x", uint64(st.Minor)))
	case "s":
		uint(uint64(st.Size))
	case "u":
		uint(uint64(st.UID))
	case "U":
		return f.owner(b, p, t, "etc/passwd", st.UID)
	case "w", "W":
		p.time(b, st.Btime)
	case "x", "X":
		p.time(b, st.Atime)
	case "y", "Y":
		p.time(b, st.Mtime)
	case "z", "Z":
		p.time(b, st.Ctime)
	}
	return nil
}

// makedev is the number of a device as glibc makes it.
func makedev(st *vfs.Stat) uint64 {
	if st.Mode&fs.ModeDevice == 0 {
		return 0
	}
	major, minor := uint64(st.Major), uint64(st.Minor)
	return minor&0xff | major&0xfff<<8 | minor&^0xff<<12 | major&^0xfff<<32
}

// statType is the type of a file in the words of stat.
func statType(st *vfs.Stat) string {
	switch typeLetter(st.Mode) {
	case "c":
		return "character special file"
	case "b":
		return "block special file"
	case "f":
		if st.Size == 0 {
			return "regular empty file"
		}
	}
	return typeName(st.Mode)
}

// maxOwners bounds the file of the users or groups of a guest.
const maxOwners = 64 << 20

// owner writes the name of a user or group as the guest has it, "UNKNOWN" if it has none.
func (f *statFormat) owner(b *strings.Builder, p statPart, t *guestTree, file string, id uint32) error {
	names, ok := f.names[file]
	if !ok {
		names = map[uint32]string{}
		text, err := readGuestFile(t, file, maxOwners)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return guestError(file, err)
		}
		for line := range bytes.Lines(text) {
			fields := bytes.SplitN(line, []byte(":"), 4) // what follows may be thousands of members
			if len(fields) < 3 {
				continue
			}
			n, err := strconv.ParseUint(string(bytes.TrimSpace(fields[2])), 10, 32)
			if err == nil && names[uint32(n)] == "" {
				names[uint32(n)] = string(fields[0])
			}
		}
		f.names[file] = names
	}
	p.string(b, cmp.Or(names[id], "UNKNOWN"))
	return nil
}

// number is printf of a number.
func (p *statPart) number(verb string, v uint64) string {
	form := "%" + strings.Map(func(r rune) rune {
		if r == '-' || r == '#' || r == '0' && p.precision == -1 {
			return r
		}
		return -1 // of no meaning for what has no sign
	}, p.flags)
	if p.width >= 0 {
		form += strconv.Itoa(p.width)
	}
	if p.precision >= 0 {
		form += "." + strconv.Itoa(p.precision)
	}
	if v == 0 {
		form = strings.ReplaceAll(form, "#", "")
	}
	return fmt.Sprintf(form+verb, v)
}

// string is printf of a text.
func (p *statPart) string(b *strings.Builder, s string) {
	switch {
	case p.precision == -2:
		s = ""
	case p.precision >= 0:
		s = s[:min(len(s), p.precision)]
	}
	pad := strings.Repeat(" ", max(p.width-len(s), 0))
	if strings.Contains(p.flags, "-") {
		b.WriteString(s + pad)
	} else {
		b.WriteString(pad + s)
	}
}

// time writes a time: for people in small letters, else the seconds since 1970, with
// as many digits of a fraction as the precision asks for.
func (p *statPart) time(b *strings.Builder, t time.Time) {
	if letter := p.letter[0]; letter >= 'a' {
		text := t.UTC().Format("2006-01-02 15:04:05.000000000 +0000")
		if t.IsZero() {
			text = "-"
		}
		p.string(b, text)
		return
	}
	text := "0"
	if !t.IsZero() {
		text = strconv.FormatInt(t.Unix(), 10)
	}
	digits := p.precision
	if digits == -2 {
		digits = 9
	}
	if digits > 0 {
		nano := 0
		if !t.IsZero() {
			nano = t.Nanosecond()
		}
		fraction := fmt.Sprintf("%09d", nano)
		text += "." + (fraction + strings.Repeat("0", max(digits-9, 0)))[:digits]
	}
	if n := p.width - len(text); n > 0 && strings.Contains(p.flags, "0") && !strings.Contains(p.flags, "-") {
		text = strings.Repeat("0", n) + text
	}
	whole := statPart{flags: p.flags, width: p.width, precision: -1}
	whole.string(b, text)
}

// shellQuote quotes a name as stat does: for a shell, always.
func shellQuote(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		plain = plain && s[i] >= ' ' && s[i] != 0x7f
	}
	plain = plain && strings.ToValidUTF8(s, "") == s
	if plain && strings.Contains(s, "'") && !strings.ContainsAny(s, "\"$`\\!") {
		return `"` + s + `"`
	}
	var b strings.Builder
	b.WriteByte('\'')
	for i := 0; i < len(s); {
		n := 0
		for i+n < len(s) && (s[i+n] < ' ' || s[i+n] == 0x7f) {
			n++
		}
		switch {
		case n > 0:
			b.WriteString(`'$'`)
			for _, c := range []byte(s[i : i+n]) {
				if j := strings.IndexByte("\a\b\f\n\r\t\v", c); j >= 0 {
					b.WriteString(`\` + `abfnrtv`[j:j+1])
				} else {
					fmt.Fprintf(&b, `\%03o`, c)
				}
			}
			b.WriteString(`''`)
			i += n
		case s[i] == '\'':
			b.WriteString(`'\''`)
			i++
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	b.WriteByte('\'')
	return strings.TrimSuffix(b.String(), "''")
}
