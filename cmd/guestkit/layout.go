package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/internal/terminal"
)

// layout is what image a command writes: the flags that create, convert and
// measure share.
type layout struct {
	format   string   // -O, or -f of create
	options  []string // -o key=value,…
	compress string   // -c: "", or zlib or zstd with a level behind a comma
}

// flags gives a command the flags of what it writes; short is the letter of
// the format.
func (l *layout) flags(cmd *cobra.Command, name, short string) {
	f := cmd.Flags()
	f.StringVarP(&l.format, name, short, "", "write this `FORMAT`: "+strings.Join(convert.Formats(), ", "))
	f.StringArrayVarP(&l.options, "options", "o", nil, "options of the format, `KEY=VALUE,…`; -o help lists them")
	cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(convert.Formats(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("options", l.complete)
}

// compressFlag gives a command the flag -c.
func (l *layout) compressFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&l.compress, "compress", "c", "", "compress the output; choose with -c=zlib or -c=zstd, with a level as in -c=zstd,9 (`TYPE`)")
	cmd.Flags().Lookup("compress").NoOptDefVal = "auto"
}

// complete completes the options of the format, behind those that are there.
func (l *layout) complete(_ *cobra.Command, args []string, partial string) ([]string, cobra.ShellCompDirective) {
	format := l.format
	if format == "" && len(args) > 0 {
		format = convert.FormatOf(args[len(args)-1])
	}
	before := partial[:strings.LastIndex(partial, ",")+1]
	var out []string
	for _, f := range formatsOr(format) {
		for _, o := range convert.FormatOptions(f) {
			for _, v := range o.Values {
				out = append(out, before+o.Name+"="+v)
			}
			if o.Values == nil {
				out = append(out, before+o.Name+"=\t"+o.Help)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// formatsOr is the format of that name, or all.
func formatsOr(name string) []string {
	if name = convert.FormatNamed(name); name != "" {
		return []string{name}
	}
	return convert.Formats()
}

// wantsHelp reports whether -o asks what it takes: "-o help" or "-o ?".
func (l *layout) wantsHelp() bool {
	for _, list := range l.options {
		for _, kv := range splitOptions(list) {
			if kv == "help" || kv == "?" {
				return true
			}
		}
	}
	return false
}

// help lists the options of the format: of the one that is stated, or that the
// name of the output stands for, or of all.
func (l *layout) help(a *app, path string) error {
	format := l.format
	if format != "" && convert.FormatNamed(format) == "" {
		return usagef("cannot write format %q (supported: %s)", format, strings.Join(convert.Formats(), ", "))
	}
	if format == "" {
		format = convert.FormatOf(path)
	}
	for i, name := range formatsOr(format) {
		if i > 0 {
			a.out.Printf("\n")
		}
		options := convert.FormatOptions(name)
		if len(options) == 0 {
			a.out.Printf("%s has no options.\n", name)
			continue
		}
		a.out.Printf("Options of %s:\n", name)
		for _, o := range options {
			a.out.Printf("  %s\n      %s\n", terminal.Bold.In(o.Name+"="+optionValues(o)), optionHelp(o))
		}
	}
	return nil
}

// optionValues says what may stand behind an option's =.
func optionValues(o convert.Option) string {
	if len(o.Values) > 0 {
		return strings.Join(o.Values, "|")
	}
	return string(o.Kind)
}

// optionHelp is the help of an option with its default.
func optionHelp(o convert.Option) string {
	if o.Default == "" {
		return o.Help
	}
	return fmt.Sprintf("%s (default %s)", o.Help, o.Default)
}

// apply takes the flags over into what is written.
func (l *layout) apply(out *convert.Output) error {
	for _, list := range l.options {
		for _, kv := range splitOptions(list) {
			k, v, found := strings.Cut(kv, "=")
			if k == "size" || kv == "" {
				continue
			}
			if !found {
				v = "on"
			}
			if err := out.Set(k, v); err != nil {
				return err
			}
		}
	}
	if l.compress == "" {
		return nil
	}
	typ, level, _ := strings.Cut(l.compress, ",")
	if typ == "auto" {
		typ = ""
	}
	return out.SetCompression(typ, level)
}

// output makes what is written to path of the flags.
func (l *layout) output(path string) (*convert.Output, error) {
	out := &convert.Output{Path: path, Format: convert.FormatNamed(l.format)}
	switch {
	case l.format == "":
		if out.Format = convert.FormatOf(path); out.Format == "" {
			return nil, usagef("the name %q tells no format; state one with -O", shownImage(path))
		}
	case out.Format == "":
		return nil, usagef("cannot write format %q (supported: %s)", l.format, strings.Join(convert.Formats(), ", "))
	}
	return out, l.apply(out)
}

// splitOptions splits at commas; two of them stand for one in a value.
func splitOptions(s string) []string {
	parts := strings.Split(strings.ReplaceAll(s, ",,", "\x00"), ",")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "\x00", ",")
	}
	return parts
}

// size is what -o size=… says.
func (l *layout) size() string {
	for _, list := range l.options {
		for _, kv := range splitOptions(list) {
			if v, ok := strings.CutPrefix(kv, "size="); ok {
				return v
			}
		}
	}
	return ""
}
