package efivars

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/wide"
)

// maxOptions bounds the boot options that are listed, and maxNames the certificates
// that are named.
const (
	maxOptions = 512
	maxNames   = 16
)

// An Option is a variable Boot#### (UEFI Specification, 3.1.3).
type Option struct {
	Number uint16
	Title  string
	// Partition is the identifier of the one that File lies on, as its GPT has it; of
	// MBR, the signature of the disk and the number: "1234abcd-01". Empty where the
	// firmware finds the disk by itself.
	Partition string
	File      string // as the firmware has it: `\EFI\debian\shimx64.efi`
	Arguments string // what the program is given, where that is text of ASCII
	Active    bool   // the firmware tries it
	App       bool   // it is chosen by a key only, such as a setup
	Off       int64  // of the variable
}

// Name is that of its variable.
func (o *Option) Name() string { return fmt.Sprintf("Boot%04X", o.Number) }

// Order returns the options in the order in which the firmware tries them, BootNext
// first, and whether that is one. Options that BootOrder does not name follow with
// Active unset: nothing starts them.
func (s *Store) Order() (list []Option, next bool) {
	byNumber := map[uint16]Option{}
	var numbers []uint16
	for i := range s.Variables {
		v := &s.Variables[i]
		n, ok := optionNumber(v)
		if !ok {
			continue
		}
		if len(numbers) == maxOptions {
			s.Problems = append(s.Problems, block.Errorf("efi", fmt.Sprintf("variable %q", v.Name), v.Off, block.ErrLimit, "more than %d boot options; this and what follows is not listed", maxOptions))
			break
		}
		o, err := readOption(v)
		if err != nil {
			s.Problems = append(s.Problems, err)
			continue
		}
		o.Number = n
		byNumber[n] = o
		numbers = append(numbers, n)
	}
	taken := map[uint16]bool{}
	take := func(n uint16) bool {
		o, ok := byNumber[n]
		if ok && !taken[n] {
			taken[n] = true
			list = append(list, o)
		}
		return ok
	}
	if v := s.get("BootNext", globalVendor); v != nil && len(v.Data) == 2 {
		next = take(binary.LittleEndian.Uint16(v.Data))
		if next { // which the firmware takes though it is not active
			list[0].Active, list[0].App = true, false
		}
	}
	if v := s.get("BootOrder", globalVendor); v != nil {
		for b := v.Data; len(b) >= 2; b = b[2:] {
			take(binary.LittleEndian.Uint16(b))
		}
	}
	for _, n := range numbers {
		o := byNumber[n]
		o.Active = false
		byNumber[n] = o
		take(n)
	}
	return list, next
}

func optionNumber(v *Variable) (uint16, bool) {
	digits, ok := strings.CutPrefix(v.Name, "Boot")
	if !ok || v.Vendor != globalVendor || len(digits) != 4 {
		return 0, false
	}
	n := uint16(0)
	for _, c := range []byte(digits) {
		i := strings.IndexByte("0123456789ABCDEF", c)
		if i < 0 {
			return 0, false
		}
		n = n<<4 | uint16(i)
	}
	return n, true
}

// readOption reads an EFI_LOAD_OPTION.
func readOption(v *Variable) (o Option, err error) {
	const active, category, app = 1, 0x1F00, 0x100
	b := v.Data
	if len(b) < 8 {
		return o, errOption(v, "%d bytes", len(b))
	}
	attributes, pathLen := binary.LittleEndian.Uint32(b), int(binary.LittleEndian.Uint16(b[4:]))
	o.Active, o.App, o.Off = attributes&active != 0, attributes&category == app, v.Off
	text := b[6:]
	o.Title = wide.Terminated(text, binary.LittleEndian)
	n := 0
	for n+2 <= len(text) && (text[n] != 0 || text[n+1] != 0) {
		n += 2
	}
	n += 2
	if n > len(text) || pathLen > len(text)-n {
		return o, errOption(v, "a title of %d bytes and a path of %d do not fit", n, pathLen)
	}
	if err := o.readPath(v, text[n:n+pathLen]); err != nil {
		return o, err
	}
	if args := text[n+pathLen:]; len(args) >= 2 && len(args)%2 == 0 {
		if t := wide.Terminated(args, binary.LittleEndian); isText(t) {
			o.Arguments = t
		}
	}
	return o, nil
}

// readPath reads the first of the device paths (UEFI Specification, 10).
func (o *Option) readPath(v *Variable, b []byte) error {
	for len(b) >= 4 {
		n := int(binary.LittleEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return errOption(v, "a node of %d bytes in its device path", n)
		}
		data := b[4:n]
		switch {
		case b[0] == 0x7F: // the end
			return nil
		case b[0] == 4 && b[1] == 1 && len(data) >= 38: // the hard drive media device path
			switch data[37] {
			case 1:
				o.Partition = fmt.Sprintf("%08x-%02x", binary.LittleEndian.Uint32(data[20:]), binary.LittleEndian.Uint32(data))
			case 2:
				o.Partition = guid.GUID(data[20:36]).String()
			}
		case b[0] == 4 && b[1] == 4: // file paths are joined
			if o.File != "" && !strings.HasSuffix(o.File, `\`) {
				o.File += `\`
			}
			o.File += wide.Terminated(data, binary.LittleEndian)
		}
		b = b[n:]
	}
	return nil
}

// SecureBoot says whether programs must be signed when the machine starts: "enabled",
// "disabled", or "setup mode" where no key of the platform is enrolled, which allows all.
func (s *Store) SecureBoot() string {
	if v := s.get("PK", globalVendor); v == nil || len(v.Data) == 0 {
		return "setup mode"
	}
	if v := s.get("SecureBootEnable", secureEnable); v != nil && len(v.Data) == 1 && v.Data[0] == 0 {
		return "disabled"
	}
	return "enabled" // the firmware's default where a key is enrolled
}

// Keys is a variable with signatures (UEFI Specification, 32.4.1).
type Keys struct {
	Name         string
	Certificates int
	Others       int      // hashes for the most part
	Subjects     []string // the common names of certificates, the first of them
}

// Enrolled lists PK, KEK, db and dbx, as far as they are there.
func (s *Store) Enrolled() []Keys {
	var out []Keys
	for _, name := range [...]string{"PK", "KEK", "db", "dbx"} {
		vendor := globalVendor
		if strings.HasPrefix(name, "db") {
			vendor = securityDB
		}
		if v := s.get(name, vendor); v != nil {
			out = append(out, s.readKeys(v))
		}
	}
	return out
}

func (s *Store) readKeys(v *Variable) Keys {
	const head = 28
	k := Keys{Name: v.Name}
	b := v.Data
	for len(b) >= head {
		size, skip, each := binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint32(b[20:]), binary.LittleEndian.Uint32(b[24:])
		if size < head || int64(size) > int64(len(b)) || each < 16 || int64(skip) > int64(size)-head {
			break
		}
		list := b[head+skip : size]
		for ; len(list) >= int(each); list = list[each:] {
			if guid.GUID(b[:16]) != typeX509 {
				k.Others++
				continue
			}
			k.Certificates++
			if name := commonName(list[16:each]); name != "" && len(k.Subjects) < maxNames {
				k.Subjects = append(k.Subjects, name)
			}
		}
		b = b[size:]
	}
	if len(b) > 0 {
		s.Problems = append(s.Problems, errOption(v, "a list of signatures does not hold; what follows is not counted"))
	}
	return k
}

// commonName is that of the subject of a certificate, "" if it has none or is no
// certificate (RFC 5280, 4.1). Package crypto/x509 needs net, which the library does not.
func commonName(der []byte) string {
	var c struct {
		TBS struct {
			Version   int `asn1:"optional,explicit,default:0,tag:0"`
			Serial    asn1.RawValue
			Algorithm asn1.RawValue
			Issuer    asn1.RawValue
			Validity  asn1.RawValue
			Subject   pkix.RDNSequence
		}
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return ""
	}
	var n pkix.Name
	n.FillFromRDNSequence(&c.TBS.Subject)
	return n.CommonName
}
