// Package efivars reads the variables of UEFI firmware out of its flash memory, as
// EDK II keeps them: the file OVMF_VARS.fd of a virtual machine, and the .nvram of
// VirtualBox.
//
//	firmware volume header (UEFI PI Specification, volume 3, 3.2.1)
//	variable store header  (EDK II, MdeModulePkg/Include/Guid/VariableFormat.h)
//	variables, each a header, a name and data, at multiples of 4 bytes
//	fault tolerant write   (EDK II, MdeModulePkg/Include/Guid/SystemNvDataGuid.h)
//
// What is in memory only while a machine runs, such as the variable SecureBoot, is not
// in it, nor what firmware keeps in other ways (U-Boot's ubootefi.var, the JSON of
// QEMU's uefi-vars device).
package efivars

import (
	"encoding/binary"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/wide"
)

const (
	// HeaderSize is how much ReadHeader wants of a firmware volume.
	HeaderSize = 64
	// SignatureOff is where its signature lies.
	SignatureOff = 40

	maxStore     = 8 << 20 // EDK II has 256 KiB at most
	storeHeader  = 28
	oldHeader    = 32 // of a variable without authentication
	authHeader   = 60
	variableData = 0x55AA
	added        = 0x3F // bits of the state are cleared
	inTransition = 0x3E
)

var (
	variablesFV = guid.Must("fff12b8d-7696-4c8b-a985-2747075b4f50")
	programFVs  = [...]guid.GUID{
		guid.Must("8c8ce578-8a3d-4f1c-9935-896185c32dd3"), // FFS version 2
		guid.Must("5473c07a-3dcb-4dca-bd6f-1e9689e7349a"), // version 3
	}
	oldStore     = guid.Must("ddcf3616-3275-4164-98b6-fe85707ffe7d")
	authStore    = guid.Must("aaf32c78-947b-439a-a180-2e144ec37792")
	workingBlock = guid.Must("9e58292b-7c68-497d-a0ce-6500fd9f1b95")
	globalVendor = guid.Must("8be4df61-93ca-11d2-aa0d-00e098032b8c")
	securityDB   = guid.Must("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
	secureEnable = guid.Must("f0a30bc7-af08-4556-99c4-001009c93a44")
	typeX509     = guid.Must("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
)

// A Header is that of a firmware volume.
type Header struct {
	Length              int64 // of the volume
	HeaderLength        int   // what is in it begins there
	Variables, Programs bool  // what it holds
}

// ReadHeader reads the first HeaderSize bytes of a firmware volume.
func ReadHeader(b []byte) (*Header, error) {
	if len(b) < HeaderSize || string(b[SignatureOff:SignatureOff+4]) != "_FVH" {
		return nil, block.Errorf("efi", "firmware volume", 0, block.ErrFormat, "no header of a firmware volume")
	}
	h := &Header{Length: int64(binary.LittleEndian.Uint64(b[32:])), HeaderLength: int(binary.LittleEndian.Uint16(b[48:]))}
	if h.HeaderLength < HeaderSize || h.Length <= int64(h.HeaderLength) || h.HeaderLength%2 != 0 {
		return nil, block.Errorf("efi", "firmware volume", 32, block.ErrCorrupt, "%d bytes, of which the header has %d", h.Length, h.HeaderLength)
	}
	id := guid.GUID(b[16:32])
	h.Variables = id == variablesFV
	for _, p := range programFVs {
		h.Programs = h.Programs || id == p
	}
	return h, nil
}

// A Variable is one that is valid.
type Variable struct {
	Name   string
	Vendor guid.GUID
	Data   []byte
	Off    int64 // of its header, in the volume
}

// A Store is what a firmware volume of variables holds.
type Store struct {
	Variables []Variable // in the order in which they lie
	// Problems are what is odd, and keeps no variable from being read.
	Problems []error
}

// Read reads the variables of the firmware volume that begins r. The error is one of
// reading, or of a class of package block: a store that is damaged has no variables
// that could be trusted.
func Read(r block.Reader) (*Store, error) {
	head, err := block.ReadBytes(r, 0, HeaderSize, HeaderSize)
	if err != nil {
		return nil, block.Locate("efi", "firmware volume", 0, err)
	}
	h, err := ReadHeader(head)
	switch {
	case err != nil:
		return nil, err
	case !h.Variables:
		return nil, block.Errorf("efi", "firmware volume", 16, block.ErrFormat, "it holds no variables")
	case h.Length > r.Size():
		return nil, block.Errorf("efi", "firmware volume", 32, block.ErrTruncated, "%d bytes, of which %d are there", h.Length, r.Size())
	case h.Length > maxStore:
		return nil, block.Errorf("efi", "firmware volume", 32, block.ErrLimit, "%d bytes; more than %d are not read", h.Length, maxStore)
	}
	b, err := block.ReadBytes(r, 0, h.Length, maxStore)
	if err != nil {
		return nil, block.Locate("efi", "firmware volume", 0, err)
	}
	if sum16(b[:h.HeaderLength]) != 0 {
		return nil, block.Errorf("efi", "firmware volume", 50, block.ErrCorrupt, "the checksum of its header is wrong")
	}
	return readStore(b, h.HeaderLength)
}

func sum16(b []byte) (sum uint16) {
	for ; len(b) >= 2; b = b[2:] {
		sum += binary.LittleEndian.Uint16(b)
	}
	return sum
}

func readStore(b []byte, at int) (*Store, error) {
	const what = "variable store"
	if len(b)-at < storeHeader {
		return nil, block.Errorf("efi", what, int64(at), block.ErrTruncated, "no room for its header")
	}
	id, size := guid.GUID(b[at:at+16]), int64(binary.LittleEndian.Uint32(b[at+16:]))
	head := authHeader
	switch id {
	case authStore:
	case oldStore:
		head = oldHeader
	default:
		return nil, block.Errorf("efi", what, int64(at), block.ErrUnsupported, "a store of the kind %s", id)
	}
	if b[at+20] != 0x5A || b[at+21] != 0xFE {
		return nil, block.Errorf("efi", what, int64(at)+20, block.ErrCorrupt, "format %#x, state %#x: it is not formatted, or not healthy", b[at+20], b[at+21])
	}
	if size < storeHeader || size > int64(len(b)-at) {
		return nil, block.Errorf("efi", what, int64(at)+16, block.ErrCorrupt, "%d bytes of a volume that has %d for it", size, len(b)-at)
	}
	s := &Store{}
	if interrupted(b, at+int(size)) {
		s.Problems = append(s.Problems, block.Errorf("efi", "fault tolerant write", -1, block.ErrDirty, "a write was interrupted, which the firmware ends when it starts; variables may be stale"))
	}
	end := at + int(size)
	old := map[string]Variable{} // those that a newer one was to replace
	var order []string
	seen := map[string]bool{}
	for pos := at + storeHeader; end-pos >= head; {
		v := b[pos:end]
		if binary.LittleEndian.Uint16(v) != variableData {
			if v[0] != 0xFF || v[1] != 0xFF {
				s.Problems = append(s.Problems, block.Errorf("efi", "variable", int64(pos), block.ErrCorrupt, "no header of a variable; what follows is not read"))
			}
			break
		}
		nameLen, dataLen := binary.LittleEndian.Uint32(v[head-24:]), binary.LittleEndian.Uint32(v[head-20:])
		n := int64(head) + int64(nameLen) + int64(dataLen)
		if v[2]&0x80 != 0 { // its header was never finished
			break
		}
		if n > int64(len(v)) {
			s.Problems = append(s.Problems, block.Errorf("efi", "variable", int64(pos), block.ErrCorrupt, "a name of %d bytes and data of %d; what follows is not read", nameLen, dataLen))
			break
		}
		if state := v[2]; state == added || state == inTransition {
			x := Variable{Vendor: guid.GUID(v[head-16 : head]), Data: v[head+int(nameLen) : n], Off: int64(pos)}
			x.Name = wide.Terminated(v[head:head+int(nameLen)], binary.LittleEndian)
			key := string(x.Vendor[:]) + x.Name
			if state == added {
				if !seen[key] {
					seen[key] = true
					s.Variables = append(s.Variables, x)
				}
			} else if _, ok := old[key]; !ok {
				old[key] = x
				order = append(order, key)
			}
		}
		pos += int(n+3) &^ 3
	}
	for _, key := range order {
		if !seen[key] {
			s.Variables = append(s.Variables, old[key])
		}
	}
	return s, nil
}

// interrupted reports whether a write of blocks was begun, has its data in the spare
// blocks, and did not come to its end (EDK II, FaultTolerantWriteDxe). Bits of flags
// are cleared when they hold.
func interrupted(b []byte, from int) bool {
	const (
		blockHeader, writeHeader, record = 32, 40, 40
		allocated, complete              = 1, 4 // of a write
		spare, done                      = 2, 4 // of a record
	)
	for at := (from + 0xFFF) &^ 0xFFF; at+blockHeader <= len(b); at += 0x1000 {
		if guid.GUID(b[at:at+16]) != workingBlock {
			continue
		}
		end := min(len(b), at+0x1000)
		for pos := at + blockHeader; pos+writeHeader <= end && b[pos]&allocated == 0; {
			writes, private := binary.LittleEndian.Uint64(b[pos+24:]), binary.LittleEndian.Uint64(b[pos+32:])
			if writes > 64 || private > 0x1000 {
				return false
			}
			for i := range int(writes) {
				r := pos + writeHeader + i*(record+int(private))
				if r+record > end {
					return false
				}
				if b[pos]&complete != 0 && b[r]&spare == 0 && b[r]&done != 0 {
					return true
				}
			}
			pos += writeHeader + int(writes)*(record+int(private))
		}
		return false
	}
	return false
}

// get returns the data of a variable, nil if there is none.
func (s *Store) get(name string, vendor guid.GUID) *Variable {
	for i := range s.Variables {
		if v := &s.Variables[i]; v.Name == name && v.Vendor == vendor {
			return v
		}
	}
	return nil
}

// isText reports whether optional data is text: it may be any bytes, and those of a GUID
// are letters of some script.
func isText(s string) bool {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return s != ""
}

func errOption(v *Variable, format string, args ...any) error {
	return block.Errorf("efi", fmt.Sprintf("variable %q", v.Name), v.Off, block.ErrCorrupt, format, args...)
}
