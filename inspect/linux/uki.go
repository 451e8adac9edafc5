package linux

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
)

// Bounds of a unified kernel image.
const (
	maxSections   = 96
	maxSectionLen = 64 << 10
)

// typeTwo reads the entries of type 2: unified kernel images in EFI/Linux, programs of
// EFI that hold a kernel and what it is started with, a section each
// (UAPI Unified Kernel Image specification).
func (r *root) typeTwo(dirs []string) (out []blsEntry, why string) {
	for _, dir := range dirs {
		at := path.Join(dir, "EFI/Linux")
		if !r.IsDir(at) {
			continue
		}
		files, more := r.ListAll(at, guest.MaxEntries)
		if more {
			why = fmt.Sprintf("/%s has more than %d files", at, guest.MaxEntries)
		}
		for _, f := range files {
			name := path.Join(at, f.Name())
			if !strings.EqualFold(path.Ext(name), ".efi") || !r.IsFile(name) {
				continue
			}
			if len(out) == maxBootEntries || r.Ctx.Err() != nil {
				return out, tooManyEntries
			}
			s := r.peSections(name, ".osrel", ".cmdline", ".uname")
			if s == nil {
				continue
			}
			var e blsEntry
			e.ID, e.left = attempts(f.Name())
			e.ID, e.Path, e.Kernel = r.Fit(e.ID, "/"+name), guest.Shown(name), guest.Shown(name)
			v := map[string]string{}
			for _, a := range guest.Assignments([]byte(s[".osrel"])) {
				v[a.Name] = a.Value
			}
			// As bootspec_pick_name_version_sort_key of systemd chooses.
			e.Title = r.Fit(cmp.Or(v["PRETTY_NAME"], v["IMAGE_ID"], v["NAME"], v["ID"]), "/"+name)
			e.Version = r.Fit(cmp.Or(v["IMAGE_VERSION"], v["VERSION"], v["VERSION_ID"], v["BUILD_ID"]), "/"+name)
			e.sortKey = cmp.Or(v["IMAGE_ID"], v["ID"])
			e.Options = r.Fit(strings.Join(strings.Fields(s[".cmdline"]), " "), "/"+name)
			if uname := strings.TrimSpace(s[".uname"]); uname != "" {
				if k := r.kernel(r.Fit(uname, "/"+name), name); k != nil && k.Image == "" {
					k.Image = guest.Shown(name)
				}
			}
			out = append(out, e)
		}
	}
	return out, why
}

// peSections reads sections of a program of EFI by their names; nil if it is none, or
// has none of them.
func (r *root) peSections(name string, names ...string) map[string]string {
	head := r.Head(name, 8<<10)
	if len(head) < 0x40 || string(head[:2]) != "MZ" {
		return nil
	}
	at := int64(binary.LittleEndian.Uint32(head[0x3c:]))
	if at > int64(len(head))-24 || string(head[at:at+4]) != "PE\x00\x00" {
		return nil
	}
	sections := min(int(binary.LittleEndian.Uint16(head[at+6:])), maxSections)
	table := at + 24 + int64(binary.LittleEndian.Uint16(head[at+20:]))
	f, err := r.FS.Open(name)
	if err != nil {
		r.Fail(name, err)
		return nil
	}
	defer f.Close()
	file, ok := f.(io.ReaderAt)
	if !ok {
		return nil
	}
	var out map[string]string
	for i := range sections {
		p := table + int64(i)*40
		if p+40 > int64(len(head)) {
			break
		}
		s := head[p : p+40]
		title := strings.TrimRight(string(s[:8]), "\x00")
		for _, want := range names {
			if title != want || out[want] != "" {
				continue
			}
			size := min(binary.LittleEndian.Uint32(s[8:]), binary.LittleEndian.Uint32(s[16:])) // in memory, in the file
			b := make([]byte, min(size, maxSectionLen))
			n, err := file.ReadAt(b, int64(binary.LittleEndian.Uint32(s[20:])))
			if err != nil && err != io.EOF {
				r.Fail(name, err)
			}
			if out == nil {
				out = map[string]string{}
			}
			out[want] = strings.TrimRight(string(b[:n]), "\x00")
		}
	}
	return out
}
