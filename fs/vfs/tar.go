package vfs

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/tarhead"
)

// TarOptions says what Tar writes. Nil, and the zero value, mean everything.
type TarOptions struct {
	// Exclude leaves out a file, and what is below it, by its path from where
	// the archive begins: "etc/passwd".
	Exclude func(below string, n *Node) bool
	// OneFilesystem leaves out what is below a mount.
	OneFilesystem bool
	// NoXattrs leaves extended attributes and ACLs out.
	NoXattrs bool
	// OnError is told of what could not be read, and the archive goes on without
	// it. Without OnError the first error ends the archive.
	OnError func(path string, err error)
	// Count counts along, if it is not nil.
	Count *TarCount
}

// TarCount counts what an archive holds.
type TarCount struct {
	Files, Dirs, Links, HardLinks, Special int64
	Bytes                                  int64 // of content, holes left out
	Sockets                                int64 // left out: an archive has no place for them
	Failed                                 int64
}

// Tar writes a file, or what is in a directory, as an archive in the format pax
// of POSIX.1-2001: names as the guest's bytes, owners by number, times to the
// nanosecond, extended attributes as SCHILY.xattr and ACLs as SCHILY.acl, hard
// links, device nodes, and files with holes as GNU tar's sparse format 1.0. The
// names begin with "./", as those of "tar -C DIR ." do. The same tree gives the
// same bytes.
//
// A file that cannot be read to its end after its header was written is an error
// that ends the archive; a smaller one, which is read before, is left out.
func Tar(ctx context.Context, w io.Writer, start *Node, o *TarOptions) error {
	t := &tarWriter{ctx: ctx, w: w, tw: tar.NewWriter(w), first: map[FileID]string{}, buf: make([]byte, copyPiece)}
	if o != nil {
		t.o = *o
	}
	if t.count = t.o.Count; t.count == nil {
		t.count = new(TarCount)
	}
	err := Walk(ctx, start, &WalkOptions{OneFilesystem: t.o.OneFilesystem}, func(n *Node, err error) error {
		if err == nil {
			below := n.Below()
			if t.o.Exclude != nil && n.depth > 0 && t.o.Exclude(below, n) {
				return fs.SkipDir
			}
			err = t.add(n, below)
		}
		if t.ended != nil {
			return t.ended
		}
		if err == nil {
			return nil
		}
		t.count.Failed++
		if t.o.OnError == nil {
			return err
		}
		t.o.OnError(n.Path(), err)
		return nil
	})
	if err != nil {
		return err
	}
	return t.tw.Close()
}

type tarWriter struct {
	ctx   context.Context
	w     io.Writer
	tw    *tar.Writer
	o     TarOptions
	count *TarCount
	first map[FileID]string
	buf   []byte
	ended error // why nothing more can be written
}

// end notes an error after which the archive cannot go on.
func (t *tarWriter) end(err error) error {
	if err != nil && t.ended == nil {
		t.ended = err
	}
	return err
}

// add writes one file.
func (t *tarWriter) add(n *Node, below string) error {
	st := n.Stat()
	h := &tar.Header{Format: tar.FormatPAX, Name: "./" + below, Mode: int64(ModeToUnix(st.Mode) & 0o7777), Uid: int(st.UID), Gid: int(st.GID), ModTime: st.Mtime}
	if st.Mtime.IsZero() {
		h.ModTime = time.Unix(0, 0)
	}
	if n.depth == 0 && !st.Mode.IsDir() {
		h.Name = path.Base("/" + n.name)
	}
	if !t.o.NoXattrs {
		xs, err := n.Xattrs()
		if err != nil {
			return err
		}
		h.PAXRecords = xattrRecords(xs)
	}
	switch {
	case st.Mode.IsDir():
		h.Typeflag = tar.TypeDir
		if below != "" {
			h.Name += "/"
		}
		t.count.Dirs++
	case st.Mode&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		var err error
		if h.Linkname, err = n.ReadLink(); err != nil {
			return err
		}
		t.count.Links++
	case st.Mode&fs.ModeSocket != 0:
		t.count.Sockets++
		return nil
	case st.Mode&fs.ModeNamedPipe != 0:
		h.Typeflag = tar.TypeFifo
		t.count.Special++
	case st.Mode&fs.ModeDevice != 0:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, int64(st.Major), int64(st.Minor)
		if st.Mode&fs.ModeCharDevice != 0 {
			h.Typeflag = tar.TypeChar
		}
		t.count.Special++
	case st.Mode.IsRegular():
		return t.regular(n, h)
	default:
		return n.fail("archive", errors.ErrUnsupported)
	}
	return t.end(t.tw.WriteHeader(h))
}

// regular writes a regular file, or the link to one of its other names.
func (t *tarWriter) regular(n *Node, h *tar.Header) error {
	id, linked := n.hardLinked()
	if linked {
		if first, ok := t.first[id]; ok {
			h.Typeflag, h.Linkname, h.PAXRecords = tar.TypeLink, first, nil
			t.count.HardLinks++
			return t.end(t.tw.WriteHeader(h))
		}
	}
	f, err := n.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, f.Size()
	runs, err := dataRuns(f)
	if err != nil {
		return err
	}
	// What is small is read before its header says that it is there.
	var small []byte
	if h.Size <= int64(len(t.buf)) {
		small = t.buf[:h.Size]
		if err := block.ReadFull(f, small, 0); err != nil {
			return f.fail("read", err)
		}
	}
	var data int64
	for _, r := range runs {
		data += r.n
	}
	sparse := h.Size-data >= 4096 // less is not worth a map
	switch {
	case sparse:
		if err := t.sparseHeader(h, runs, data); err != nil {
			return t.end(err)
		}
	default:
		runs = []dataRun{{0, h.Size}}
		if err := t.tw.WriteHeader(h); err != nil {
			return t.end(err)
		}
	}
	var out io.Writer = t.tw
	if sparse {
		out = t.w
	}
	for _, r := range runs {
		if err := t.copyRun(out, f, r, small); err != nil {
			return t.end(err)
		}
	}
	if sparse {
		if _, err := t.w.Write(make([]byte, tarhead.Padded(data)-data)); err != nil {
			return t.end(err)
		}
	}
	if linked {
		t.first[id] = h.Name
	}
	t.count.Files++
	return nil
}

// copyRun writes a run of a file, from what was read of it if that is all.
func (t *tarWriter) copyRun(w io.Writer, f *File, r dataRun, small []byte) error {
	if small != nil {
		t.count.Bytes += r.n
		_, err := w.Write(small[r.off : r.off+r.n])
		return err
	}
	for done := int64(0); done < r.n; {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		b := t.buf[:min(int64(len(t.buf)), r.n-done)]
		if err := block.ReadFull(f, b, r.off+done); err != nil {
			return f.fail("read", err)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		done += int64(len(b))
		t.count.Bytes += int64(len(b))
	}
	return nil
}

// A dataRun is a stretch of a file that is no hole.
type dataRun struct{ off, n int64 }

// maxRuns bounds the map of a sparse file.
const maxRuns = 1 << 20

// dataRuns lists the data of a file; more than maxRuns are taken together.
func dataRuns(f *File) ([]dataRun, error) {
	var runs []dataRun
	for e, err := range block.Extents(f, 0, f.Size()) {
		if err != nil {
			return nil, f.fail("read", err)
		}
		last := len(runs) - 1
		switch {
		case e.Zero:
		case last >= 0 && (runs[last].off+runs[last].n == e.Off || last >= maxRuns):
			runs[last].n = e.Off + e.Len - runs[last].off
		default:
			runs = append(runs, dataRun{e.Off, e.Len})
		}
	}
	return runs, nil
}

// sparseHeader writes the headers and the map of a sparse file in GNU's format
// 1.0: the size and name are pax records, the map is decimal lines in front of the
// data.
func (t *tarWriter) sparseHeader(h *tar.Header, runs []dataRun, data int64) error {
	if err := t.tw.Flush(); err != nil {
		return err
	}
	if n := len(runs); n == 0 || runs[n-1].off+runs[n-1].n < h.Size {
		runs = append(runs, dataRun{h.Size, 0}) // says where a hole at the end ends
	}
	var list strings.Builder
	fmt.Fprintf(&list, "%d\n", len(runs))
	for _, r := range runs {
		fmt.Fprintf(&list, "%d\n%d\n", r.off, r.n)
	}
	stored := tarhead.Padded(int64(list.Len())) + data
	records := map[string]string{
		"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
		"GNU.sparse.name": h.Name, "GNU.sparse.realsize": strconv.FormatInt(h.Size, 10),
		"mtime": tarTime(h.ModTime),
	}
	if stored >= 1<<33 {
		records["size"] = strconv.FormatInt(stored, 10)
	}
	if h.Uid > 0o7777777 {
		records["uid"] = strconv.Itoa(h.Uid)
	}
	if h.Gid > 0o7777777 {
		records["gid"] = strconv.Itoa(h.Gid)
	}
	for k, v := range h.PAXRecords {
		records[k] = v
	}
	return tarhead.WritePAX(t.w, tarhead.Header{Mode: h.Mode, UID: h.Uid, GID: h.Gid, Size: stored, Time: h.ModTime}, records, list.String())
}

// tarTime is a time as pax records have it: seconds, with a fraction if there is one.
func tarTime(t time.Time) string {
	sec, ns := t.Unix(), t.Nanosecond()
	sign := ""
	if sec < 0 && ns > 0 {
		sign, sec, ns = "-", -(sec + 1), 1e9-ns
	}
	if ns == 0 {
		return strconv.FormatInt(sec, 10)
	}
	return strings.TrimRight(fmt.Sprintf("%s%d.%09d", sign, sec, ns), "0")
}

// xattrRecords are the pax records of extended attributes, as star, GNU tar and
// bsdtar write them.
func xattrRecords(xs []Xattr) map[string]string {
	if len(xs) == 0 {
		return nil
	}
	records := map[string]string{}
	for _, x := range xs {
		switch x.Name {
		case "system.posix_acl_access":
			if text, ok := aclText(x.Value); ok {
				records["SCHILY.acl.access"] = text
				continue
			}
		case "system.posix_acl_default":
			if text, ok := aclText(x.Value); ok {
				records["SCHILY.acl.default"] = text
				continue
			}
		}
		if strings.ContainsAny(x.Name, "=\x00") {
			continue // no record can name it
		}
		records["SCHILY.xattr."+x.Name] = string(x.Value)
	}
	return records
}

// aclText writes an ACL, in the form of Linux's attributes (struct
// posix_acl_xattr_header, version 2), as text.
func aclText(b []byte) (string, bool) {
	le := binary.LittleEndian
	if len(b) < 4 || le.Uint32(b) != 2 || (len(b)-4)%8 != 0 {
		return "", false
	}
	var entries []string
	for b = b[4:]; len(b) > 0; b = b[8:] {
		tag, perm, id := le.Uint16(b), le.Uint16(b[2:]), le.Uint32(b[4:])
		who, ok := map[uint16]string{0x01: "user::", 0x02: fmt.Sprintf("user:%d:", id), 0x04: "group::", 0x08: fmt.Sprintf("group:%d:", id), 0x10: "mask::", 0x20: "other::"}[tag]
		if !ok || perm > 7 {
			return "", false
		}
		rwx := []byte("rwx")
		for i := range rwx {
			if perm&(4>>i) == 0 {
				rwx[i] = '-'
			}
		}
		entries = append(entries, who+string(rwx))
	}
	return strings.Join(entries, ","), true
}
