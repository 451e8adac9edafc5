package vmdk

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
)

const (
	format     = "vmdk"
	sectorSize = 512

	// MaxDescriptor is the largest descriptor in bytes, and MaxExtents the
	// most extents that are read.
	MaxDescriptor = 1<<20 - 1
	MaxExtents    = 4096
	// MaxSize is the largest disk in bytes. VMFS ends at 62 TiB.
	MaxSize = 64 << 40

	noParent = 0xffffffff // the parentCID of a disk without one
)

// A descriptor is the text that describes a disk.
type descriptor struct {
	createType string
	cid        uint32
	parentCID  uint32
	parentHint string
	extents    []extentLine
	ddb        map[string]string // the disk database: adapter, geometry …
	odd        []string          // lines of unknown keys
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

// headerKeys are the keys of the header that are known and not used here.
var headerKeys = map[string]bool{
	"version": true, "encoding": true, "isNativeSnapshot": true, "changeTrackPath": true, "digestType": true, "digestFilename": true,
}

// isDescriptor reports whether the text begins as a descriptor does.
func isDescriptor(b []byte) bool {
	for _, line := range strings.SplitN(string(b[:min(len(b), 1024)]), "\n", 20) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		return strings.EqualFold(line, "# Disk DescriptorFile")
	}
	return false
}

// parseDescriptor reads the text line by line. A line that is neither empty, a
// comment, a key with a value nor an extent is an error.
func parseDescriptor(text []byte) (*descriptor, error) {
	d := &descriptor{parentCID: noParent, ddb: map[string]string{}}
	if i := strings.IndexByte(string(text), 0); i >= 0 {
		text = text[:i] // padding
	}
	seen := map[string]bool{}
	for i, line := range strings.Split(string(text), "\n") {
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
			return nil, fault(block.ErrCorrupt, "%.80q is no line of a descriptor", line)
		}
		if seen[key] && !strings.HasPrefix(key, "ddb.") {
			return nil, fault(block.ErrCorrupt, "a second %s", key)
		}
		seen[key] = true
		if err := d.set(key, value); err != nil {
			return nil, fault(err, "%.80q", line)
		}
	}
	return d, d.validate()
}

// set takes in one key of the header or the disk database.
func (d *descriptor) set(key, value string) error {
	var err error
	switch {
	case key == "CID":
		d.cid, err = parseCID(value)
	case key == "parentCID":
		d.parentCID, err = parseCID(value)
	case key == "createType":
		d.createType = value
	case key == "parentFileNameHint":
		d.parentHint = value
	case strings.HasPrefix(key, "ddb."):
		d.ddb[key] = value
	case !headerKeys[key]:
		d.odd = append(d.odd, key)
	}
	return err
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
	access, _, _ := strings.Cut(line, " ")
	return access == "RW" || access == "RDONLY" || access == "NOACCESS"
}

// parseExtentLine reads: access, size in sectors, kind and, but for ZERO, the
// quoted file name and the sector at which a flat extent begins in it. The
// error is a class.
func parseExtentLine(line string) (e extentLine, err error) {
	head, rest, quoted := strings.Cut(line, `"`)
	fields := strings.Fields(head)
	if len(fields) != 3 {
		return e, block.ErrCorrupt
	}
	e.access, e.kind = fields[0], fields[2]
	if e.size, err = parseSectors(fields[1]); err != nil {
		return e, err
	}
	switch e.kind {
	case kindZero:
		if quoted {
			return e, block.ErrCorrupt
		}
		return e, nil
	case kindFlat, kindVMFS, kindSparse, kindVMFSSparse, kindSESparse:
	default:
		return e, fmt.Errorf("%w: extents of the kind %.40q", block.ErrUnsupported, e.kind)
	}
	name, rest, closed := strings.Cut(rest, `"`)
	after := strings.Fields(rest)
	if !quoted || !closed || len(after) > 1 {
		return e, block.ErrCorrupt
	}
	e.file = name
	if len(after) == 1 {
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
