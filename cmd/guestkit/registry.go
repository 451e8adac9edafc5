package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/internal/regf"
	"github.com/guestkit/guestkit/internal/terminal"
)

// registry is one run of the command.
type registry struct {
	a         *app
	src       *source
	volume    string
	logs      []string
	recursive bool
	reg       bool // print a .reg file

	code   int // of the errors so far, which did not end it
	errs   problem.List
	budget int64 // of bytes that the hive can still hold
	held   int64 // bytes of the JSON document beside them
}

func newRegistry(a *app) *cobra.Command {
	r := &registry{a: a}
	cmd := &cobra.Command{
		Use:   "registry [flags] IMAGE [KEY [VALUE]]",
		Short: "Print keys and values of a Windows registry",
		Long: `Prints a key of the registry of the Windows in an image: its values and the names
of its subkeys, all below with -R, or the data of one VALUE ('' is the
default one). Without a KEY it lists the hives that there are.

KEY begins with HKLM\SOFTWARE, HKLM\SYSTEM, HKLM\SAM, HKLM\SECURITY or
HKU\USER, where USER is the name or the SID of one, or .DEFAULT; the long names
work too. HKLM\SYSTEM\CurrentControlSet is the set that Windows would boot.
Slashes part names if there is no backslash. Case does not matter.

IMAGE may also be a hive file, in which KEY counts from its root; its transaction
logs are given with --log. In a guest, logs are found beside the hives. A hive
whose last write was not finished is read as Windows would: with its logs applied,
in memory. Nothing is written.

--reg prints KEY and all below as regedit exports it, in UTF-16 but for a
terminal. Times and classes of keys are in JSON only.`,
		Example: `  guestkit registry disk.vhdx 'HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
  guestkit registry disk.vhdx HKLM/SYSTEM/CurrentControlSet/Services/Tcpip/Parameters Hostname
  guestkit registry --reg disk.vhdx 'HKU\Ada\Environment' > environment.reg
  guestkit registry --log SYSTEM.LOG1 --log SYSTEM.LOG2 SYSTEM 'Select'`,
	}
	r.src = a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := r.src.volumeFlag(cmd)
	cmd.Flags().BoolVarP(&r.recursive, "recursive", "R", false, "print the keys below as well")
	cmd.Flags().BoolVar(&r.reg, "reg", false, "print a file that regedit imports, with all below KEY")
	cmd.Flags().StringArrayVar(&r.logs, "log", nil, "a transaction log `FILE` of the hive file; repeatable")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		disks, args, err := r.src.one(args)
		switch {
		case err != nil:
			return err
		case len(args) > 2:
			return usagef("a KEY and a VALUE at most; got %d arguments", len(args))
		case r.reg && a.json:
			return usagef("--reg and --json exclude each other")
		case r.reg && len(args) == 0:
			return usagef("--reg needs a KEY")
		}
		r.volume = *volume
		if file := disks[0]; len(disks) == 1 && r.src.format == "" && isHive(file) {
			return r.file(file, args)
		}
		if len(r.logs) > 0 {
			return usagef("--log goes with a hive file; in a guest, logs are found beside the hives")
		}
		return r.guest(disks, args)
	}
	return cmd
}

// guest reads the registry of the Windows on some disks.
func (r *registry) guest(disks, args []string) error {
	var key keyPath
	if len(args) > 0 {
		var err error
		if key, err = parseKey(args[0]); err != nil {
			return err
		}
	}
	t, err := r.src.tree(disks, r.volume)
	if err != nil {
		return err
	}
	defer t.Close()
	g, err := findRegistry(t)
	if err != nil {
		return pathError(strings.Join(disks, " "), err)
	}
	if len(args) == 0 {
		return r.list(g)
	}
	m, err := g.mount(key)
	if err != nil {
		return err
	}
	m.tree = t
	err = r.show(m, args[1:])
	r.a.warn(t.Problems())
	return err
}

// show prints a key of a hive, or one value.
func (r *registry) show(m mounted, args []string) error {
	r.budget = m.size
	k, err := m.hive.Find(m.rest)
	if err != nil {
		return m.fail(err)
	}
	if len(args) > 0 {
		err = r.value(m, k, args[0])
	} else if r.reg {
		err = r.export(m, k)
	} else {
		err = r.keys(m, k)
	}
	if err != nil {
		return err
	}
	if !r.a.json {
		r.a.warn(m.problems())
	}
	r.a.noteTime()
	return exit(r.code)
}

// fail notes an error that does not end the command, says it, and returns it.
func (r *registry) fail(m mounted, err error) error {
	err = m.fail(err)
	r.errs.Add(err)
	r.code = r.a.sayError(err, r.code)
	return err
}

// read reads the data of a value, and counts it: keys share no values and values
// no data, so all of it is less than the hive; else a small hive could be made
// to print forever. That is an error which ends the command; a fault of the
// value is said.
func (r *registry) read(m mounted, v *regf.Value) (b []byte, fault, err error) {
	if b, err = v.Bytes(); err != nil {
		fault = r.fail(m, err)
	}
	if r.budget -= int64(len(b)) + 24; r.budget < 0 {
		return nil, nil, m.fail(block.Errorf("regf", "hive", -1, block.ErrCorrupt, "its values hold more data than the hive has; what follows is left out"))
	}
	return b, fault, nil
}

// walk calls visit for a key and, if all is set, for those below.
func (r *registry) walk(m mounted, k *regf.Key, all bool, visit func(*regf.Key) error) error {
	if err := r.a.ctx.Err(); err != nil {
		return err
	}
	if err := visit(k); err != nil {
		return err
	}
	if !all {
		return nil
	}
	for sub, err := range k.Subkeys() {
		if err != nil {
			r.fail(m, err)
			continue
		}
		if err := r.walk(m, sub, true, visit); err != nil {
			return err
		}
	}
	return nil
}

// value prints one value.
func (r *registry) value(m mounted, k *regf.Key, name string) error {
	v, err := k.Value(name)
	if err != nil && name == "@" && errors.Is(err, fs.ErrNotExist) {
		v, err = k.Value("")
	}
	if err != nil {
		return m.fail(err)
	}
	switch {
	case r.reg:
		w := r.regWriter()
		w.head()
		return errors.Join(r.regKey(m, w, k, []*regf.Value{v}), w.err)
	case r.a.json:
		d := newRegKeyDoc(m, k)
		value, err := r.valueDoc(m, v)
		if err != nil {
			return err
		}
		d.Values = append(d.Values, value)
		return r.document(m, []regKeyDoc{d})
	}
	b, err := v.Bytes()
	if err != nil {
		return m.fail(err)
	}
	for _, line := range decode(v.Type(), b).lines() {
		r.a.out.Printf("%s\n", line)
	}
	return r.a.out.Err()
}

// keys prints a key, or that and those below.
func (r *registry) keys(m mounted, k *regf.Key) error {
	if r.a.json {
		var docs []regKeyDoc
		err := r.walk(m, k, r.recursive, func(k *regf.Key) error {
			d, err := r.keyDoc(m, k)
			docs = append(docs, d)
			return err
		})
		if err != nil {
			return err
		}
		return r.document(m, docs)
	}
	first := true
	return r.walk(m, k, r.recursive, func(k *regf.Key) error {
		if !first {
			r.a.out.Printf("\n")
		}
		first = false
		return r.printKey(m, k)
	})
}

// rows is how many values of a key are lined up with each other: all, but in
// keys that no person reads.
const rows = 4096

func (r *registry) printKey(m mounted, k *regf.Key) error {
	out := r.a.out
	out.Printf("%s\n", terminal.Bold.In(m.path(k)))
	t := &terminal.Table{Indent: 4, Gap: 4}
	for v, err := range k.Values() {
		if err != nil {
			r.fail(m, err)
			continue
		}
		b, fault, err := r.read(m, v)
		if err != nil {
			out.Table(t)
			return err
		}
		if fault != nil {
			continue
		}
		name := any(v.Name())
		if v.Name() == "" {
			name = terminal.Dim.In("(Default)")
		}
		t.Row(name, v.Type(), decode(v.Type(), b).short())
		if t.Len() == rows {
			out.Table(t)
			t = &terminal.Table{Indent: 4, Gap: 4}
		}
	}
	out.Table(t)
	if r.recursive {
		return out.Err()
	}
	gap := true
	for sub, err := range k.Subkeys() {
		if err != nil {
			r.fail(m, err)
			continue
		}
		if gap {
			out.Printf("\n")
			gap = false
		}
		out.Printf("%s\n", terminal.Blue.In(m.path(sub)))
	}
	return out.Err()
}

// list prints which hives there are.
func (r *registry) list(g *guestRegistry) error {
	hives := g.hives(func(err error) { r.fail(mounted{}, err) })
	if r.a.json {
		return r.a.document(registryDoc{Schema: schema("registry"), Hives: notNil(hives), Keys: []regKeyDoc{}, Problems: texts(r.errs.All())})
	}
	t := &terminal.Table{}
	for _, h := range hives {
		t.Row(h.Name, h.File)
	}
	r.a.out.Table(t)
	if err := r.a.out.Err(); err != nil {
		return err
	}
	return exit(r.code)
}

// data is the data of a value in the form that its type asks for.
type data struct {
	text    *string
	strings []string
	number  *uint64
	bytes   []byte
	whole   bool // the form says all that the bytes do
	hex     int  // digits of the number
}

func (d data) lines() []string {
	switch {
	case d.text != nil:
		return []string{*d.text}
	case d.strings != nil:
		return d.strings
	case d.number != nil:
		return []string{fmt.Sprint(*d.number)}
	}
	return []string{hexBytes(d.bytes)}
}

// short is the data on one line, cut where it goes on for long.
func (d data) short() string {
	const most, mostBytes = 1000, 32
	s := ""
	switch {
	case d.text != nil:
		s = *d.text
	case d.strings != nil:
		s = strings.Join(d.strings, " | ")
	case d.number != nil:
		return fmt.Sprintf("0x%0*x (%d)", d.hex, *d.number, *d.number)
	case len(d.bytes) > mostBytes:
		return fmt.Sprintf("%s … (%d bytes)", hexBytes(d.bytes[:mostBytes]), len(d.bytes))
	default:
		return hexBytes(d.bytes)
	}
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%s … (%d characters)", string(r[:most]), len(r))
	}
	return s
}

func hexBytes(b []byte) string { return strings.TrimSpace(fmt.Sprintf("% x", b)) }

// notFound tells the errors for keys and values that are not there.
func notFound(err error) bool { return errors.Is(err, fs.ErrNotExist) }
