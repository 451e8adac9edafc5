package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/registry"
)

// registryRun is one run of the command.
type registryRun struct {
	a         *app
	src       *source
	volume    string
	logs      []string
	recursive bool
	reg       bool // print a .reg file

	code int // of the errors so far, which did not end it
	errs problem.List
	held int64 // bytes of the JSON document beside the data
}

func newRegistry(a *app) *cobra.Command {
	r := &registryRun{a: a}
	cmd := &cobra.Command{
		Use:   "registry [flags] IMAGE [KEY [VALUE]]",
		Short: "Print keys and values of a Windows registry",
		Long: `Prints a key of the registry of the Windows in an image: its values and the names
of its subkeys, all below with -R, or the data of one VALUE ('' is the
default one). Without a KEY it lists the hives that there are.

KEY begins with HKLM\SOFTWARE, HKLM\SYSTEM, HKLM\SAM, HKLM\SECURITY or
HKU\USER, where USER is the name or the SID of one, or .DEFAULT; the long names
work too. HKLM\SYSTEM\CurrentControlSet is the set that started last (Select\Current).
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
func (r *registryRun) guest(disks, args []string) error {
	var key registry.Path
	if len(args) > 0 {
		var err error
		if key, err = registry.ParsePath(args[0]); err != nil {
			return registryError(err)
		}
	}
	t, err := r.src.tree(disks, r.volume)
	if err != nil {
		return err
	}
	defer t.Close()
	o := &registry.MachineOptions{Hive: hiveOptions}
	if t.system != nil {
		o.Path = t.system.Path
		o.Root = strings.Trim(t.system.SystemRoot, "/")
	}
	machine, err := registry.OpenMachine(t, o)
	if err != nil {
		return pathError(strings.Join(disks, " "), registryError(err))
	}
	if len(args) == 0 {
		return r.list(machine)
	}
	mount, err := machine.Find(key)
	if err != nil {
		return registryError(err)
	}
	defer mount.Close()
	err = r.show(mounted{Mount: mount, file: shownPath(mount.File), tree: t}, args[1:])
	r.a.warn(t.Problems())
	return err
}

// show prints a key of a hive, or one value.
func (r *registryRun) show(m mounted, args []string) error {
	m.walk = m.Walk()
	k, err := m.Hive.Find(m.Rest)
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
func (r *registryRun) fail(m mounted, err error) error {
	err = m.fail(err)
	r.errs.Add(err)
	r.code = r.a.sayError(err, r.code)
	return err
}

// read reads the data of a value. A fault of the value is said; the other error
// ends the command.
func (r *registryRun) read(m mounted, v *registry.Value) (b []byte, fault, err error) {
	b, fault, err = m.walk.Bytes(v)
	if fault != nil {
		fault = r.fail(m, fault)
	}
	return b, fault, m.fail(err)
}

// each calls visit for a key and, if all is set, for those below.
func (r *registryRun) each(m mounted, k *registry.Key, all bool, visit func(*registry.Key) error) error {
	if !all {
		return visit(k)
	}
	return m.walk.Keys(r.a.ctx, k, visit, func(err error) { r.fail(m, err) })
}

// value prints one value.
func (r *registryRun) value(m mounted, k *registry.Key, name string) error {
	v, err := k.Value(name)
	if err != nil && name == "@" && errors.Is(err, fs.ErrNotExist) {
		v, err = k.Value("")
	}
	if err != nil {
		return m.fail(err)
	}
	switch {
	case r.reg:
		return r.regFile(m).Key(m.Path(k), k, []*registry.Value{v}, func(err error) { r.fail(m, err) })
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
	for _, line := range dataLines(registry.Decode(v.Type(), b)) {
		r.a.out.Printf("%s\n", line)
	}
	return r.a.out.Err()
}

// keys prints a key, or that and those below.
func (r *registryRun) keys(m mounted, k *registry.Key) error {
	if r.a.json {
		var docs []regKeyDoc
		err := r.each(m, k, r.recursive, func(k *registry.Key) error {
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
	return r.each(m, k, r.recursive, func(k *registry.Key) error {
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

func (r *registryRun) printKey(m mounted, k *registry.Key) error {
	out := r.a.out
	out.Printf("%s\n", terminal.Bold.In(m.Path(k)))
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
		t.Row(name, v.Type(), shortData(registry.Decode(v.Type(), b)))
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
		out.Printf("%s\n", terminal.Blue.In(m.Path(sub)))
	}
	return out.Err()
}

// list prints which hives there are.
func (r *registryRun) list(machine *registry.Machine) error {
	files, err := machine.Hives()
	if err != nil {
		r.fail(mounted{}, registryError(err))
	}
	var hives []hiveDoc
	for _, h := range files {
		hives = append(hives, hiveDoc{h.Name, shownPath(h.File)})
	}
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

// export writes a key and all below as a .reg file.
func (r *registryRun) export(m mounted, k *registry.Key) error {
	w := r.regFile(m)
	fail := func(err error) { r.fail(m, err) }
	return r.each(m, k, true, func(k *registry.Key) error {
		var values []*registry.Value
		for v, err := range k.Values() {
			if err != nil {
				fail(err)
				continue
			}
			values = append(values, v)
		}
		return m.fail(w.Key(m.Path(k), k, values, fail))
	})
}

// regFile begins a .reg file: as regedit wants to have it, or escaped to a
// terminal.
func (r *registryRun) regFile(m mounted) *registry.RegWriter {
	line := registry.RegLines(outputWriter{r.a.raw})
	if r.a.outTerminal {
		line = func(s string) error {
			r.a.out.Printf("%s\n", s)
			return r.a.out.Err()
		}
	}
	return registry.NewRegWriter(m.walk, line)
}

// An outputWriter tells failures to write from faults of what is read.
type outputWriter struct{ w io.Writer }

func (w outputWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		err = &outputError{err}
	}
	return n, err
}

func dataLines(d registry.Data) []string {
	switch {
	case d.Text != nil:
		return []string{*d.Text}
	case d.Strings != nil:
		return d.Strings
	case d.Number != nil:
		return []string{fmt.Sprint(*d.Number)}
	}
	return []string{hexBytes(d.Bytes)}
}

// shortData is the data on one line, cut where it goes on for long.
func shortData(d registry.Data) string {
	const most, mostBytes = 1000, 32
	s := ""
	switch {
	case d.Text != nil:
		s = *d.Text
	case d.Strings != nil:
		s = strings.Join(d.Strings, " | ")
	case d.Number != nil:
		return fmt.Sprintf("0x%0*x (%d)", 2*len(d.Bytes), *d.Number, *d.Number)
	case len(d.Bytes) > mostBytes:
		return fmt.Sprintf("%s … (%d bytes)", hexBytes(d.Bytes[:mostBytes]), len(d.Bytes))
	default:
		return hexBytes(d.Bytes)
	}
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%s … (%d characters)", string(r[:most]), len(r))
	}
	return s
}

func hexBytes(b []byte) string { return strings.TrimSpace(fmt.Sprintf("% x", b)) }

// notFound tells the errors for keys and values that are not there.
func notFound(err error) bool { return errors.Is(err, fs.ErrNotExist) }
