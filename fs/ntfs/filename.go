package ntfs

import "encoding/binary"

// Namespaces of a $FILE_NAME.
const (
	namespacePOSIX    = 0 // any case, any character
	namespaceWin32    = 1
	namespaceDOS      = 2 // the 8.3 name beside a Win32 name
	namespaceWin32DOS = 3 // one name that is both
)

// File attributes ($STANDARD_INFORMATION, $FILE_NAME).
const (
	AttrReadOnly     = 0x00000001
	AttrHidden       = 0x00000002
	AttrSystem       = 0x00000004
	AttrArchive      = 0x00000020
	AttrTemporary    = 0x00000100
	AttrSparse       = 0x00000200
	AttrReparsePoint = 0x00000400
	AttrCompressed   = 0x00000800
	AttrOffline      = 0x00001000
	AttrNotIndexed   = 0x00002000
	AttrEncrypted    = 0x00004000
	AttrRecallOnOpen = 0x00040000
	AttrRecallOnData = 0x00400000

	attrDirectory = 0x10000000 // in $FILE_NAME only
)

// fileName is the $FILE_NAME attribute, which is the key of directory entries
// as well. Its times and sizes may be stale and are not used.
type fileName struct {
	parent     ref    // 0x00
	attributes uint32 // 0x38
	length     uint8  // 0x40 UTF-16 units
	namespace  uint8  // 0x41
	name       []byte // 0x42 UTF-16LE
}

const fileNameSize = 0x42

// decode reads a key. It reports whether the name lies inside of b.
func (f *fileName) decode(b []byte) bool {
	if len(b) < fileNameSize {
		return false
	}
	f.parent = ref(binary.LittleEndian.Uint64(b))
	f.attributes = binary.LittleEndian.Uint32(b[0x38:])
	f.length = b[0x40]
	f.namespace = b[0x41]
	end := fileNameSize + 2*int(f.length)
	if f.length == 0 || end > len(b) {
		return false
	}
	f.name = b[fileNameSize:end:end]
	return true
}
