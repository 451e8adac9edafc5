// Package sbom writes what an inspection found of installed software as a software
// bill of materials: CycloneDX 1.6 or SPDX 2.3, both as JSON.
//
// The same report makes the same bytes. IDs follow from what a package is, so that two
// documents of a guest can be compared; nothing in them tells of the host.
package sbom

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// Options says what a document tells of itself. Nil is a document without a tool
// and a time.
type Options struct {
	Name    string    // of what is described: the name of the image
	Tool    string    // the program that writes it, "guestkit" if empty
	Version string    // of the program
	Created time.Time // SPDX must have one: the zero time is 1970-01-01
}

// An item is a package of a system, as both forms have it.
type item struct {
	ref    string // stable, unique in the document
	purl   string
	format string
	inspect.Package
}

// A component is a system with what is installed.
type component struct {
	ref   string
	sys   *inspect.System
	items []item
	// state is whether items are all there are.
	state inspect.PackageStatus
}

// components lists the systems of a report that are installed, and their packages.
func components(rep *inspect.Report) []component {
	var out []component
	refs := map[string]int{}
	unique := func(ref string) string {
		refs[ref]++
		if n := refs[ref]; n > 1 {
			return fmt.Sprintf("%s#%d", ref, n)
		}
		return ref
	}
	for _, s := range rep.Systems {
		if s.Kind == inspect.KindInstaller {
			continue
		}
		c := component{ref: unique("os:" + s.Volume + rootOf(s)), sys: s, state: s.Packages.Status}
		for _, list := range append([]inspect.Packages{s.Packages}, s.OtherPackages...) {
			if list.Status == inspect.PackagesPartial || list.Status == inspect.PackagesNotRead {
				c.state = inspect.PackagesPartial
			}
			format := list.Format
			if format == "" {
				format = known(s.PackageFormat)
			}
			for _, p := range list.Items {
				it := item{purl: p.PURL, format: format, Package: p}
				if it.purl == "" {
					it.purl = s.GenericPURL(format, p)
				}
				it.Name, it.Version = text(p.Name), known(p.Version)
				// A purl without a namespace says nothing of the system.
				it.ref = unique(s.Volume + rootOf(s) + ":" + it.purl)
				c.items = append(c.items, it)
			}
		}
		out = append(out, c)
	}
	return out
}

func rootOf(s *inspect.System) string {
	if s.Root == "/" || s.Root == "" {
		return ""
	}
	return s.Root
}

func known(s string) string {
	if s == inspect.Unknown {
		return ""
	}
	return s
}

func text(s string) string {
	if s == "" {
		return inspect.Unknown
	}
	return s
}

// systemName is what a system is called: the ID of its distribution, else its type.
func systemName(s *inspect.System) string {
	if n := known(s.Distro); n != "" {
		return n
	}
	return text(string(s.Type))
}

// systemVersion is the version that vulnerability databases go by.
func systemVersion(s *inspect.System) string {
	if v := known(s.VersionID); v != "" {
		return v
	}
	return known(s.Version)
}

// uuid is one that follows from the content (RFC 9562, version 8).
func uuid(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	x := hex.EncodeToString(b)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// identity is what a document is known by: all that it lists.
func identity(o *Options, cs []component) string {
	parts := []string{o.Name}
	for _, c := range cs {
		parts = append(parts, c.ref, systemName(c.sys), systemVersion(c.sys), string(c.state))
		for _, it := range c.items {
			parts = append(parts, it.ref)
		}
	}
	return uuid(parts...)
}

func (o *Options) withDefaults() *Options {
	out := Options{Tool: "guestkit"}
	if o != nil {
		out = *o
	}
	if out.Tool == "" {
		out.Tool = "guestkit"
	}
	out.Name = text(out.Name)
	return &out
}

// write writes a document so that no terminal obeys it.
func write(w io.Writer, doc any) error {
	enc := json.NewEncoder(terminal.JSONWriter{Writer: w})
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// oneLine is text in one line, as names of organisations are.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
