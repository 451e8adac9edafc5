package xfs

import "encoding/binary"

// aclNames gives the names under which the kernel shows the attributes that
// hold access control lists.
var aclNames = map[string]string{
	"SGI_ACL_FILE":    "system.posix_acl_access",
	"SGI_ACL_DEFAULT": "system.posix_acl_default",
}

const (
	aclEntrySize   = 12 // on disk: tag 4, id 4, permissions 2, padding 2
	aclXattrEntry  = 8  // as the kernel shows it: tag 2, permissions 2, id 4
	aclXattrHeader = 4
	aclVersion     = 2 // of what the kernel shows

	aclUser  = 0x02 // tags whose id counts
	aclGroup = 0x08
)

// decodeACL turns a list on disk, big-endian, into the form of
// system.posix_acl_access, little-endian.
func decodeACL(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, textError("too short for a list")
	}
	count := int64(binary.BigEndian.Uint32(b))
	if count > int64(len(b)-4)/aclEntrySize {
		return nil, textError("more entries than fit")
	}
	out := make([]byte, aclXattrHeader, aclXattrHeader+count*aclXattrEntry)
	binary.LittleEndian.PutUint32(out, aclVersion)
	for i := range int(count) {
		e := b[4+i*aclEntrySize:]
		tag, id := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:])
		if tag != aclUser && tag != aclGroup {
			id = 1<<32 - 1
		}
		out = binary.LittleEndian.AppendUint16(out, uint16(tag))
		out = binary.LittleEndian.AppendUint16(out, binary.BigEndian.Uint16(e[8:]))
		out = binary.LittleEndian.AppendUint32(out, id)
	}
	return out, nil
}
