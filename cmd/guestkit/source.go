package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/stdin"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/remote"
	"github.com/guestkit/guestkit/volume/luks"
)

// one takes the disks of one guest from the arguments, and returns the rest of
// these.
func (s *source) one(args []string) (disks, rest []string, err error) {
	switch {
	case s.image != "":
		disks = []string{s.image}
	case len(s.disks) > 0 && len(args) > 0 && !onHost(args[0]): // "-a DISK PATH", as virt-ls takes it
	case len(args) > 0:
		disks, args = args[:1:1], args[1:]
	case len(s.disks) == 0:
		return nil, nil, usagef("no image is given")
	}
	disks = append(disks, s.disks...)
	for i, path := range disks {
		if disks[i], err = s.a.stdin(path); err != nil {
			return nil, nil, err
		}
	}
	return disks, args, s.check()
}

// onHost reports whether there is a file of that name on the host that can be a
// disk: "-a DISK /etc/hostname" means that of the guest, whether the host has one
// or not.
func onHost(name string) bool {
	fi, err := os.Stat(name)
	switch {
	case err != nil:
		_, err := os.Lstat(name)
		return err == nil || name == "-" || format.IsAddress(name)
	case fi.IsDir():
		return false
	case !fi.Mode().IsRegular() || !filepath.IsAbs(name):
		return true
	}
	f, err := os.Open(name)
	if err != nil {
		return true // opening it says why
	}
	defer f.Close()
	found, err := format.Probe(io.NewSectionReader(f, 0, fi.Size()))
	switch {
	case err != nil && fi.Size() > 0:
		return true // several formats claim it
	case found.Format == "raw" && len(found.Reasons) == 0:
		return fi.Size() >= 64<<10 && fi.Size()%512 == 0
	}
	return found.Format != "elf" && found.Format != "pe" && found.Format != "pdf" && fi.Size() > 0
}

// each takes several guests from the arguments: every one is an image of its
// own, but where -a adds disks there is one guest.
func (s *source) each(args []string) ([][]string, error) {
	if s.image != "" || len(args) <= 1 {
		disks, rest, err := s.one(args)
		if err == nil && len(rest) > 0 && s.image == "" {
			err = usagef("%s is not a disk image", rest[0])
		} else if err == nil && len(rest) > 0 {
			err = usagef("both --image and %q name an image", rest[0])
		}
		return [][]string{disks}, err
	}
	if len(s.disks) > 0 {
		return nil, usagef("-a adds disks to one guest, and %d images are given", len(args))
	}
	var out [][]string
	for _, path := range args {
		path, err := s.a.stdin(path)
		if err != nil {
			return nil, err
		}
		out = append(out, []string{path})
	}
	return out, s.check()
}

// stdin is the name of an image: of "-" that of standard input, which must be a
// file, since an image is read at any offset. convert takes a pipe too.
func (a *app) stdin(path string) (string, error) {
	if path != "-" {
		return path, nil
	}
	if name := stdin.Name(a.in); name != "" {
		return name, nil
	}
	return "", usagef("standard input is not a file (as with <disk.qcow2) and can be read once only; save it first, or use 'guestkit convert -'")
}

// check refuses a format that there is not, and reads the keys.
func (s *source) check() error {
	if _, ok := vhdSizes[s.vhdSize]; !ok {
		return usagef("--vhd-size is current or geometry, not %q", s.vhdSize)
	}
	for _, name := range append([]string{s.format, s.diskFormat, s.backingFormat}, s.formats...) {
		if err := knownFormat(name); err != nil {
			return err
		}
	}
	return s.readKeys()
}

// knownFormat is an error if there is no format of that name, but an empty one.
func knownFormat(name string) error {
	if name == "" || format.KnownWrapped(name) {
		return nil
	}
	return usagef("unknown format %q (supported: %s)", name, strings.Join(format.Names(), ", "))
}

// options are the rules by which images are opened: a file that one names is
// opened if it lies in the image's own folder or in one that was allowed.
func (s *source) options() *format.Options {
	backing := s.backingFormat
	if s.backing != nil && *s.backing != "" {
		backing = ""
	}
	return &format.Options{Format: s.format, FollowOwnDir: true, AllowDirs: s.allow, Disk: s.disk, Snapshot: s.snapshot, DiskFormat: s.diskFormat, BackingFormat: backing, VHDSize: vhdSizes[s.vhdSize],
		Remote: s.openAddress, Unlock: s.unlock, KeyCost: luks.Limits(s.keys.cost), Qcow2: qcow2.Limits{KeyWork: s.keys.cost.Work}, Unwrap: true, Wrapped: format.WrappedLimits{Size: int64(s.max), Ratio: int64(s.ratio)}}
}

// stored are the rules for an image that is looked at as a file.
func (s *source) stored() *format.Options { return s.storedAs(s.format) }

// bytes opens the file of an image, here or at an address.
func (s *source) bytes(path string) (format.Source, error) {
	return format.PathSource(path, s.stored())
}

func (s *source) storedAs(name string) *format.Options {
	return &format.Options{Format: name, FollowOwnDir: true, AllowDirs: s.allow, Remote: s.openAddress, VHDSize: vhdSizes[s.vhdSize]}
}

// open opens the disks of one guest, to be inspected as o says.
func (s *source) open(disks []string, o *inspect.Options) (*guestkit.Guest, error) {
	for _, path := range disks {
		if err := s.a.usable(path); err != nil {
			return nil, err
		}
	}
	all := s.options()
	single := append(make([]*format.Options, max(0, len(disks)-len(s.disks))), s.added.options(all)...)
	g, err := guestkit.OpenDisks(disks, &guestkit.Options{Format: all, Disks: single, Inspect: s.devices.inspectOptions(s.keys.volumeOptions(o)), Unlock: s.unlock})
	if err != nil {
		return nil, err
	}
	s.a.own(g)
	var infos []*format.Info
	for _, img := range g.Images() {
		info := img.Info()
		infos = append(infos, info)
		if err := fits(shownName(info), img.Size(), s.options()); err != nil {
			g.Close()
			s.a.disown(g)
			return nil, err
		}
		s.a.note("opened %s: %s, %s", shownName(info), info.Format, terminal.Size(info.VirtualSize))
		s.a.noteFiles(info)
	}
	if err := s.chosen(infos...); err != nil {
		g.Close()
		s.a.disown(g)
		return nil, err
	}
	return g, nil
}

// chosen refuses --disk where none of the images is one of a package.
func (s *source) chosen(infos ...*format.Info) error {
	for _, i := range infos {
		if s.disk == "" || i.Disk != "" {
			return nil
		}
	}
	return usagef("--disk names a disk of an OVA or OVF, and the image is neither")
}

// fits refuses a disk that is larger than the user wants.
func fits(path string, size int64, o *format.Options) error {
	if most := o.Wrapped.Size; most > 0 && size > most {
		return fmt.Errorf("%s: %w: its disk has %d bytes and --max-virtual-size is %d", path, block.ErrLimit, size, most)
	}
	return nil
}

// plainFile says plainly what a user often gets wrong.
func plainFile(path string) error {
	if path == "-" {
		return usagef("standard input is not taken here; name the file")
	}
	if format.IsAddress(path) {
		return usagef("%s is an address, and a file of this machine is needed here", shownImage(path))
	}
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = fmt.Errorf("%s: %w", path, pe.Err)
		}
		if f := foreignName(path); f != nil {
			err = fmt.Errorf("%w; %s", err, f.answer())
		}
		return err
	case fi.IsDir():
		return fmt.Errorf("%s: is a directory, not a disk image", path)
	case !fi.Mode().IsRegular() && (fi.Mode()&os.ModeDevice == 0 || fi.Mode()&os.ModeCharDevice != 0):
		return fmt.Errorf("%s: is neither a file nor a block device", path)
	}
	return nil
}

// usable refuses what is no image file, and tells of one that another program
// has open for writing. Every command asks it of every image.
func (a *app) usable(path string) error {
	if format.IsAddress(path) {
		return nil // the request says what is wrong
	}
	if err := plainFile(path); err != nil {
		return err
	}
	a.warnInUse(path)
	return nil
}

// warnInUse tells of a file that another program has open for writing.
func (a *app) warnInUse(path string) {
	f, err := os.Open(path)
	if err != nil {
		return // the format's own opening tells
	}
	defer f.Close()
	if convert.InUse(f) {
		a.warn([]error{pathError(path, errors.New("a running QEMU has it open for writing; what is read may be inconsistent"))})
	}
}

// note says something with --verbose.
func (a *app) note(format string, args ...any) {
	if a.verbose {
		a.err.Printf(format+"\n", args...)
	}
}

// warn says what is odd and did not stop the command.
func (a *app) warn(errs []error) {
	if a.quiet {
		return
	}
	for _, err := range errs {
		a.err.Printf("%s %s\n", terminal.Yellow.In("guestkit: warning:"), err)
	}
}

// noteVolumes tells with --verbose what became of each volume.
func (a *app) noteVolumes(rep *inspect.Report) {
	for _, v := range rep.Volumes {
		switch {
		case v.Status == inspect.StatusRead:
			a.note("volume %s: read, %s of %s", v.Name, v.Content, terminal.Size(v.Size))
		default:
			a.note("volume %s: skipped, %s", v.Name, because(string(v.Status), v.Reason))
		}
	}
}

// incomplete is the error for volumes that were not read, where all were
// required; nil if nothing is missing.
func incomplete(rep *inspect.Report, required bool) error {
	why := unread(rep)
	if !required || why == "" {
		return nil
	}
	return &exitError{code: exitIncomplete, err: fmt.Errorf("not complete: %s", why)}
}

// unread says which volumes were not read and why, "" if all were.
func unread(rep *inspect.Report) string {
	const most = 5
	volumes := rep.Unread()
	var what []string
	for _, v := range volumes[:min(most, len(volumes))] {
		what = append(what, fmt.Sprintf("%s is %s", v.Name, because(string(v.Status), v.Reason)))
	}
	if more := len(volumes) - most; more > 0 {
		what = append(what, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(what, "; ")
}

// damage returns what is wrong with the first volume that is damaged, nil if
// none is.
func damage(rep *inspect.Report) error {
	for _, v := range rep.Volumes {
		if v.Status == inspect.StatusDamaged {
			_, err := v.FS()
			return err
		}
	}
	return nil
}

func because(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// problems gathers what is odd about the images and the report.
func problems(g *guestkit.Guest, rep *inspect.Report) []error {
	var out []error
	for _, img := range g.Images() {
		for _, err := range img.Problems() {
			out = append(out, fmt.Errorf("%s: %w", shownName(img.Info()), err))
		}
	}
	if rep != nil {
		out = append(out, rep.Problems()...)
	}
	return out
}

// forEach runs a command for each of several guests, with a blank line between
// what is printed for them if there is to be a gap. An error of one is said
// and does not keep the others from their turn; the worst code wins.
func (a *app) forEach(guests [][]string, gap bool, run func(disks []string) error) error {
	if len(guests) == 1 {
		return run(guests[0])
	}
	code := exitDone
	for i, disks := range guests {
		if i > 0 && gap && !a.json && !a.quiet {
			a.out.Printf("\n")
		}
		if err := run(disks); brokenPipe(err) || a.ctx.Err() != nil {
			return err
		} else if err != nil {
			code = a.sayError(err, code)
		}
	}
	return exit(code)
}

// sayError says an error that does not end the command, and returns the code
// to end with in place of the one so far: 1 says the most, that something
// could not be read.
func (a *app) sayError(err error, code int) int {
	a.finish() // so that it stands where it belongs
	c := a.report(err, "")
	if code == exitDone || c == exitFailed {
		return c
	}
	return code
}

// pathError says which file an error is about.
func pathError(path string, err error) error {
	if err == nil {
		return nil
	}
	if pe, ok := err.(*fs.PathError); ok && pe.Path == path { // which says it already
		err = pe.Err
	}
	if path = shownImage(path); strings.HasPrefix(err.Error(), path+": ") {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// shownImage is a name of an image as it is printed: an address has no password and no
// query there, which may be a signature.
func shownImage(name string) string {
	if format.IsAddress(name) {
		return remote.Shown(name)
	}
	return name
}

// noteTime says with --verbose how long it took.
func (a *app) noteTime() { a.note("took %s", time.Since(a.start).Round(time.Millisecond)) }
