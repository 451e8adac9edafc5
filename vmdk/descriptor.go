package vmdk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/charset"
)

const (
	format     = "vmdk"
	sectorSize = 512

	// MaxDescriptor is the largest descriptor in bytes.
	MaxDescriptor = 1<<20 - 1
	// MaxExtents is how many extents of a disk are read at most.
	MaxExtents = 4096
	// MaxSize is the largest disk in bytes. VMFS ends at 62 TiB.
	MaxSize = 64 << 40

	noParent = 0xffffffff // the parentCID of a disk without one
)

// A descriptor is the text that describes a disk.
type descriptor struct {
	createType string
	encoding   string // of the names, as declared
	cid        uint32
	parentCID  uint32
	parentHint string
	extents    []extentLine
	ddb        map[string]string // the disk database: adapter, geometry …
	odd        []string          // what is not used, in words
}

// An extentLine is one line of the extent description.
type extentLine struct {
	access string // RW, RDONLY, NOACCESS
	size   int64  // bytes
	kind   string
	file   string
	off    int64 // bytes into the file, for flat kinds
	line   int
}

// The kinds of extents. All others are refused.
const (
	kindFlat       = "FLAT"
	kindVMFS       = "VMFS"
	kindSparse     = "SPARSE"
	kindVMFSSparse = "VMFSSPARSE"
	kindSESparse   = "SESPARSE"
	kindZero       = "ZERO"
)

// createTypes lists the types that are read. Those with false need files or
// devices that only the host of the virtual machine has.
var createTypes = map[string]bool{
	"monolithicSparse": true, "monolithicFlat": true, "twoGbMaxExtentSparse": true, "twoGbMaxExtentFlat": true, "streamOptimized": true,
	"vmfs": true, "vmfsThin": true, "vmfsPreallocated": true, "vmfsEagerZeroedThick": true, "vmfsSparse": true, "seSparse": true,
	"custom": false, "fullDevice": false, "partitionedDevice": false, "vmfsRaw": false, "vmfsRawDeviceMap": false, "vmfsPassthroughRawDeviceMap": false,
}

// headerKeys are the other keys of the header, in lower case.
var headerKeys = map[string]bool{
	"version": true, "encoding": true, "isnativesnapshot": true, "changetrackpath": true, "digesttype": true, "digestfilename": true, "parentfilenamehint": true,
}

// IsDescriptor reports whether a file that begins with head is a descriptor. Its
// usual first line is a comment, which programs and people leave out or write in
// other ways; a key that only a descriptor has tells it too.
func IsDescriptor(head []byte) bool {
	text, ok := charset.Marked(head)
	if !ok {
		text = string(head)
	}
	first, known := true, false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			if strings.HasPrefix(strings.ToLower(strings.Join(strings.Fields(comment), "")), "diskdescriptorfile") {
				return true
			}
			continue
		}
		if line == "" {
			continue
		}
		key, _, ok := strings.Cut(line, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		known = known || ok && (key == "createtype" || key == "parentcid" || key == "cid")
		if known {
			return true
		}
		if first && !(ok && headerKeys[key]) {
			return false
		}
		first = false
	}
	return false
}

// isText reports whether head can be that of a text.
func isText(head []byte) bool {
	_, ok := charset.Marked(head)
	return ok || len(head) > 0 && !slices.ContainsFunc(head, func(c byte) bool { return c < ' ' && c != '\t' && c != '\r' && c != '\n' })
}

// parseDescriptor reads the text line by line. Lines that are neither empty, a
// comment, a key with a value nor an extent are passed over, as VMware does, and
// listed.
func parseDescriptor(b []byte) (*descriptor, error) {
	d := &descriptor{parentCID: noParent, ddb: map[string]string{}}
	text, ok := charset.Marked(b)
	if !ok {
		text = string(b)
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		text = text[:i] // padding
	}
	seen := map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fault := func(class error, detail string, args ...any) error {
			return block.Errorf(format, fmt.Sprintf("descriptor line %d", i+1), -1, class, detail, args...)
		}
		if isExtentLine(line) {
			if len(d.extents) == MaxExtents {
				return nil, fault(block.ErrLimit, "more than %d extents", MaxExtents)
			}
			e, err := parseExtentLine(line)
			if err != nil {
				return nil, fault(err, "%.80q", line)
			}
			e.line = i + 1
			d.extents = append(d.extents, e)
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), unquote(strings.TrimSpace(value))
		if !ok || key == "" || strings.ContainsAny(key, " \t\"") {
			if almostExtent(line) {
				return nil, fault(block.ErrCorrupt, "%.80q is no line of a descriptor", line)
			}
			if len(d.odd) < maxOdd {
				d.odd = append(d.odd, fmt.Sprintf("line %d, %.80q, is no line of a descriptor", i+1, line))
			}
			continue
		}
		low := strings.ToLower(key)
		if old, again := seen[low]; again && old != value && !strings.HasPrefix(low, "ddb.") {
			return nil, fault(block.ErrCorrupt, "a second %s", key)
		}
		seen[low] = value
		if err := d.set(key, value); err != nil {
			return nil, fault(err, "%.80q", line)
		}
	}
	if d.parentCID == 0 && d.parentHint == "" {
		d.parentCID = noParent // as some programs say it
	}
	d.decode(b)
	return d, d.validate()
}

// maxOdd is how many lines are told that mean nothing.
const maxOdd = 20

// decode turns names that are not UTF-8 into that, by the encoding that the
// descriptor declares. They stay as they are where it is not known.
func (d *descriptor) decode(b []byte) {
	names := []*string{&d.parentHint}
	for i := range d.extents {
		names = append(names, &d.extents[i].file)
	}
	for _, name := range names {
		if text, ok := charset.Text([]byte(*name), d.encoding); ok {
			*name = text
		}
	}
}

// set takes in one key of the header or the disk database.
func (d *descriptor) set(key, value string) error {
	var err error
	switch low := strings.ToLower(key); {
	case low == "cid":
		d.cid, err = parseCID(value)
	case low == "parentcid":
		d.parentCID, err = parseCID(value)
	case low == "createtype":
		d.createType = canonical(value)
	case low == "parentfilenamehint":
		d.parentHint = value
	case low == "encoding":
		d.encoding = value
	case strings.HasPrefix(low, "ddb."):
		d.ddb[key] = value
	case !headerKeys[low] && len(d.odd) < maxOdd:
		d.odd = append(d.odd, fmt.Sprintf("unknown key %.80q", key))
	}
	return err
}

// canonical is a createType as VMware spells it. Other programs write 2gb for
// twoGb, and mind no case.
func canonical(s string) string {
	if rest, ok := strings.CutPrefix(strings.ToLower(s), "2gb"); ok {
		s = "twoGb" + rest
	}
	for known := range createTypes {
		if strings.EqualFold(known, s) {
			return known
		}
	}
	return s
}

func (d *descriptor) validate() error {
	fault := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "descriptor", -1, class, detail, args...)
	}
	readable, known := createTypes[d.createType]
	switch {
	case d.createType == "":
		return fault(block.ErrCorrupt, "there is no createType")
	case !known:
		return fault(block.ErrUnsupported, "createType %.80q", d.createType)
	case !readable:
		return fault(block.ErrUnsupported, "createType %q lies on devices of its host", d.createType)
	case len(d.extents) == 0:
		return fault(block.ErrCorrupt, "there are no extents")
	}
	size := int64(0)
	for _, e := range d.extents {
		if size += e.size; size > MaxSize {
			return fault(block.ErrCorrupt, "the extents have more than %d bytes in all", int64(MaxSize))
		}
	}
	return nil
}

// isExtentLine reports whether a line begins with a kind of access.
func isExtentLine(line string) bool {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return false
	}
	access := strings.ToUpper(fields[0])
	return access == "RW" || access == "RDONLY" || access == "NOACCESS"
}

// almostExtent reports whether a line that means nothing could have been that of
// an extent, without which the disk is another one.
func almostExtent(line string) bool {
	return slices.ContainsFunc(strings.Fields(line), func(word string) bool {
		switch strings.ToUpper(word) {
		case kindFlat, kindVMFS, kindSparse, kindVMFSSparse, kindSESparse, kindZero, "VMFSRDM", "VMFSRAW", "RW", "RDONLY", "NOACCESS":
			return true
		}
		return strings.Contains(word, `"`)
	})
}

// parseExtentLine reads: access, size in sectors, kind and, but for ZERO, the
// quoted file name and the sector at which a flat extent begins in it. Behind
// these may be the identities of a partition and a device, which mean nothing for
// a file. The error is a class.
func parseExtentLine(line string) (e extentLine, err error) {
	head, rest, quoted := strings.Cut(line, `"`)
	fields := strings.Fields(head)
	if len(fields) < 3 {
		return e, block.ErrCorrupt
	}
	e.access, e.kind = strings.ToUpper(fields[0]), strings.ToUpper(fields[2])
	if e.size, err = parseSectors(fields[1]); err != nil {
		return e, err
	}
	switch e.kind {
	case kindZero:
		return e, nil
	case kindFlat, kindVMFS, kindSparse, kindVMFSSparse, kindSESparse:
	default:
		return e, fmt.Errorf("%w: extents of the kind %.40q", block.ErrUnsupported, e.kind)
	}
	name, rest, closed := strings.Cut(rest, `"`)
	if !quoted || !closed || len(fields) > 3 {
		return e, block.ErrCorrupt
	}
	e.file = name
	if after := strings.Fields(rest); len(after) > 0 && !strings.HasPrefix(after[0], `"`) {
		e.off, err = parseSectors(after[0])
	}
	if e.off != 0 && e.kind != kindFlat && e.kind != kindVMFS {
		return e, block.ErrCorrupt
	}
	return e, err
}

// parseSectors reads a count of sectors and returns bytes.
func parseSectors(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > MaxSize/sectorSize {
		return 0, fmt.Errorf("%w: %.40q sectors", block.ErrCorrupt, s)
	}
	return int64(n) * sectorSize, nil
}

func parseCID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: content ID", block.ErrCorrupt)
	}
	return uint32(n), nil
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// checkName refuses the name of an extent that is no bare file name. It is the
// rule for all names, whatever the caller's Opener would allow.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\:\x00") || strings.HasPrefix(name, "-") {
		return fmt.Errorf("%w: %.80q is no bare file name", block.ErrRefused, name)
	}
	return nil
}
