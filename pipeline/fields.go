package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/bytesize"
	"github.com/guestkit/guestkit/retry"
	"github.com/guestkit/guestkit/target"
)

// A field is a key of a mapping: how it is read, and what the schema says of it.
type field struct {
	name, help string
	required   bool
	take       func(d *decoder, n *yaml.Node, where string)
	schema     object
}

// An object is a part of a JSON Schema.
type object = map[string]any

func text(name, help string, p *string, values ...string) field {
	s := object{"type": "string"}
	if len(values) > 0 {
		s["enum"] = values
	}
	return field{name: name, help: help, schema: s, take: func(d *decoder, n *yaml.Node, where string) {
		v, ok := d.scalar(n, where, "a text")
		if ok && len(values) > 0 && !slices.Contains(values, v) {
			d.wrong(n, where, "it is one of %s, not %q", strings.Join(values, ", "), v)
			return
		}
		*p = v
	}}
}

// open leaves the values out of the schema: there are more in each version.
func open(f field) field {
	f.schema = object{"type": "string"}
	return f
}

// openList does so for a list.
func openList(f field) field {
	f.schema = object{"type": "array", "items": object{"type": "string"}}
	return f
}

func required(f field) field { f.required = true; return f }

func flag(name, help string, p *bool) field {
	return field{name: name, help: help, schema: object{"type": "boolean"}, take: func(d *decoder, n *yaml.Node, where string) {
		v, ok := d.scalar(n, where, "true or false")
		if !ok {
			return
		}
		switch v {
		case "true":
			*p = true
		case "false":
			*p = false
		default:
			d.wrong(n, where, "it is true or false, not %q", v)
		}
	}}
}

func number(name, help string, low, high int, p *int) field {
	return field{name: name, help: help, schema: object{"type": "integer", "minimum": low, "maximum": high}, take: func(d *decoder, n *yaml.Node, where string) {
		v, ok := d.scalar(n, where, "a number")
		if !ok {
			return
		}
		x, err := strconv.Atoi(v)
		if err != nil || x < low || x > high {
			d.wrong(n, where, "it is a number from %d to %d, not %q", low, high, v)
			return
		}
		*p = x
	}}
}

// sizePattern is what bytesize takes.
const sizePattern = `^[0-9]+(\.[0-9]+)?([KMGTPEkmgtpe]?[Ii]?[Bb]?)$`

func size(name, help string, p *int64) field {
	s := object{"oneOf": []any{object{"type": "integer", "minimum": 0}, object{"type": "string", "pattern": sizePattern}}}
	return field{name: name, help: help, schema: s, take: func(d *decoder, n *yaml.Node, where string) {
		v, ok := d.scalar(n, where, "a size")
		if !ok {
			return
		}
		x, err := bytesize.Parse(v)
		if err != nil {
			d.wrong(n, where, "%q is %v", v, err)
			return
		}
		*p = x
	}}
}

// durationPattern is what time.ParseDuration takes, without a sign.
const durationPattern = `^([0-9]+(\.[0-9]*)?(ns|us|ms|s|m|h))+$`

func duration(name, help string, p *time.Duration) field {
	return field{name: name, help: help, schema: object{"type": "string", "pattern": durationPattern}, take: func(d *decoder, n *yaml.Node, where string) {
		v, ok := d.scalar(n, where, "a time")
		if !ok {
			return
		}
		x, err := time.ParseDuration(v)
		if err != nil || x <= 0 || x > 1<<53 {
			d.wrong(n, where, "%q is no time; write 90s, 5m or 2h", v)
			return
		}
		*p = x
	}}
}

func texts(name, help string, p *[]string, values ...string) field {
	items := object{"type": "string"}
	if len(values) > 0 {
		items["enum"] = values
	}
	return field{name: name, help: help, schema: object{"type": "array", "items": items}, take: func(d *decoder, n *yaml.Node, where string) {
		out := []string{}
		d.list(n, where, func(n *yaml.Node, where string) {
			s, ok := d.scalar(n, where, "a text")
			if ok && len(values) > 0 && !slices.Contains(values, s) {
				d.wrong(n, where, "it is one of %s, not %q", strings.Join(values, ", "), s)
			}
			out = append(out, s)
		})
		*p = out
	}}
}

func mapped(name, help string, fields func() []field) field {
	return field{name: name, help: help, schema: shape(fields()), take: func(d *decoder, n *yaml.Node, where string) { d.mapping(n, where, fields()) }}
}

// free is a mapping with keys of the user's.
func free(name, help string, value object, take func(d *decoder, key string, n *yaml.Node, where string)) field {
	return field{name: name, help: help, schema: object{"type": "object", "additionalProperties": value}, take: func(d *decoder, n *yaml.Node, where string) {
		n, ok := d.enter(n, where)
		if !ok {
			return
		}
		if n.Kind != yaml.MappingNode {
			d.wrong(n, where, "it is a mapping, not %s", words(n))
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || seen[key.Value] {
				d.wrong(key, where, "a key is a word, and comes once")
				continue
			}
			seen[key.Value] = true
			take(d, key.Value, n.Content[i+1], where+"."+key.Value)
		}
	}}
}

// shape is the schema of a mapping.
func shape(fields []field) object {
	properties, need := object{}, []string{}
	for _, f := range fields {
		s := object{}
		for k, v := range f.schema {
			s[k] = v
		}
		s["description"] = f.help
		properties[f.name] = s
		if f.required {
			need = append(need, f.name)
		}
	}
	out := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(need) > 0 {
		out["required"] = need
	}
	return out
}

func planFields(p *Plan) []field {
	return []field{
		text("$schema", "The schema of this file, for editors.", new(string)),
		text("name", "What the plan is called in reports.", &p.Name),
		text("results", "A folder for the journal, by which a run goes on that was killed, the report and its rows.", &p.Results),
		text("publish", "An address, as s3://bucket/out, to which the report and its rows are put as well when the run ends.", &p.Publish),
		number("parallel", "How many images are worked on at once.", 1, maxParallel, &p.Parallel),
		required(field{name: "images", help: "The images: paths and addresses.", schema: object{"type": "array", "minItems": 1,
			"items": object{"oneOf": []any{object{"type": "string"}, shape(imageFields(&Image{}))}}}, take: func(d *decoder, n *yaml.Node, where string) {
			d.list(n, where, func(n *yaml.Node, where string) {
				var i Image
				if real, ok := d.enter(n, where); ok && real.Kind == yaml.ScalarNode {
					i.Path, _ = d.scalar(n, where, "a path, or a mapping with one")
				} else if ok {
					d.mapping(n, where, imageFields(&i))
				}
				p.Images = append(p.Images, i)
			})
		}}),
		required(field{name: "stages", help: "What is done to each image, in order.", schema: object{"type": "array", "minItems": 1, "items": stageSchema()}, take: func(d *decoder, n *yaml.Node, where string) {
			d.list(n, where, func(n *yaml.Node, where string) {
				var s Stage
				d.mapping(n, where, stageFields(&s))
				p.Stages = append(p.Stages, s)
			})
		}}),
	}
}

func imageFields(i *Image) []field {
	return []field{
		text("path", "A file, a block device, or an address.", &i.Path),
		text("glob", "A pattern for files, in place of a path.", &i.Glob),
		text("name", "What the image is called, and {name} stands for; otherwise its file without the ending.", &i.Name),
		open(text("format", "The format; it is not probed then.", &i.Format, knownFormats()...)),
		text("disk", "The disk of a package (OVA, OVF): its id, file or number.", &i.Disk),
	}
}

func knownFormats() []string {
	var out []string
	for _, f := range format.Names() {
		out = append(out, f)
		for _, wrapper := range []string{"gz", "xz", "zst", "bz2"} {
			if format.KnownWrapped(f + "." + wrapper) {
				out = append(out, f+"."+wrapper)
			}
		}
	}
	return out
}

// kinds are the works of a plan that is read.
func kinds() []struct {
	name string
	new  func() (Work, []field)
	help string
} {
	return []struct {
		name string
		new  func() (Work, []field)
		help string
	}{
		{"check", func() (Work, []field) {
			c := &Check{}
			return c, []field{
				flag("leaks", "Clusters that nothing uses are a failure too.", &c.Leaks),
				flag("untrusted", "Vet an image that a stranger has sent.", &c.Untrusted),
			}
		}, "Follow the references in the metadata of the image."},
		{"convert", func() (Work, []field) {
			c := &Convert{}
			return c, []field{
				required(text("to", "The output; {name}, {index} and {file} stand for what the image is called, its place and its file.", &c.To)),
				open(text("format", "The format of the output, where its name does not tell.", &c.Format, convert.Formats()...)),
				free("options", "Options of the format, as convert -o takes them.", object{"type": []string{"string", "number", "boolean"}}, func(d *decoder, key string, n *yaml.Node, where string) {
					v, ok := d.scalar(n, where, "a value")
					if ok {
						if c.Options == nil {
							c.Options = map[string]string{}
						}
						c.Options[key] = v
					}
				}),
				text("compress", "Compress the output; auto takes what is usual.", &c.Compress, "auto", "zlib", "zstd"),
				open(text("target", "A platform, for which the output is laid out.", &c.Target, target.Names()...)),
				text("snapshot", "Copy an internal snapshot, by its id or name.", &c.Snapshot),
				flag("replace", "Replace a file that exists.", &c.Replace),
				size("max_virtual_size", "Refuse larger disks.", &c.MaxVirtualSize),
			}
		}, "Copy the disk into a new image."},
		{"verify", func() (Work, []field) {
			v := &Verify{}
			return v, []field{flag("strict", "Another size of the disk is a failure too.", &v.Strict)}
		}, "Compare what a stage wrote (image) with its source."},
		{"inspect", func() (Work, []field) {
			i := &Inspect{}
			return i, []field{
				flag("no_packages", "Leave the package databases unread.", &i.NoPackages),
				flag("required", "It is a failure where no system is found.", &i.Required),
				flag("complete", "It is a failure where a volume is not read.", &i.Complete),
			}
		}, "Tell which systems are on the disk."},
		{"sbom", func() (Work, []field) {
			s := &SBOM{}
			return s, []field{
				required(text("to", "The document. See convert.", &s.To)),
				text("format", "Its format, otherwise cyclonedx.", &s.Format, sbomFormats...),
				flag("replace", "Replace a file that exists.", &s.Replace),
			}
		}, "Write the installed software as a software bill of materials."},
		{"copy", func() (Work, []field) {
			c := &Copy{}
			return c, []field{
				required(text("to", "The copy: a file, or with paths a folder, which is made. See convert.", &c.To)),
				texts("paths", "Files and directories of the guest; without them the image is copied as it is.", &c.Paths),
				text("volume", "The volume that the paths are on; otherwise those of the only system.", &c.Volume),
				size("max_bytes", "Fail past this many bytes of content.", &c.MaxBytes),
				size("max_files", "Fail past this many files.", &c.MaxFiles),
				flag("replace", "Replace a file that exists.", &c.Replace),
			}
		}, "Copy the image as it is, or files out of the guest."},
	}
}

// stageFields are the keys of a stage: one for each kind of work, and how.
func stageFields(s *Stage) []field {
	var out []field
	var first string
	for _, k := range kinds() {
		w, fields := k.new()
		out = append(out, field{name: k.name, help: k.help, schema: nullable(shape(fields)), take: func(d *decoder, n *yaml.Node, where string) {
			if first != "" {
				d.wrong(n, where, "a stage does one thing, and this one does %s already", first)
				return
			}
			first = k.name
			s.Work = w
			d.mapping(n, where, fields)
		}})
	}
	return append(out,
		text("id", "What other stages call it; otherwise its kind.", &s.ID),
		text("image", "The stage whose output this one works on, in place of the image itself.", &s.Image),
		texts("needs", "The stages that must have been done before; otherwise the one above.", &s.Needs),
		mapped("if", "When there is something to do: where all of this holds.", func() []field {
			if s.If == nil {
				s.If = &Condition{}
			}
			return conditionFields(s.If)
		}),
		field{name: "retry", help: "How often it is tried, or how, after failures that may pass.", schema: object{"oneOf": []any{object{"type": "integer", "minimum": 1, "maximum": maxAttempts}, shape(retryFields(&retry.Policy{}))}},
			take: func(d *decoder, n *yaml.Node, where string) {
				s.Retry = &retry.Policy{}
				if real, ok := d.enter(n, where); ok && real.Kind == yaml.ScalarNode {
					number("", "", 1, maxAttempts, &s.Retry.Attempts).take(d, n, where)
				} else if ok {
					d.mapping(n, where, retryFields(s.Retry))
				}
			}},
		duration("timeout", "How long each try may take, like 90s or 2h.", &s.Timeout),
		flag("may_fail", "The image goes on, and is called done, though this stage failed.", &s.MayFail),
	)
}

func nullable(s object) object {
	s["type"] = []string{"object", "null"}
	return s
}

// stageSchema says besides that a stage does one thing.
func stageSchema() object {
	s := shape(stageFields(&Stage{}))
	var one []any
	for _, k := range kinds() {
		one = append(one, object{"required": []string{k.name}})
	}
	s["oneOf"] = one
	return s
}

func retryFields(p *retry.Policy) []field {
	return []field{
		number("attempts", "How often it is tried at most.", 1, maxAttempts, &p.Attempts),
		duration("first", "The longest pause after the first failure; each further one may be twice as long.", &p.First),
		duration("longest", "The longest pause.", &p.Longest),
		duration("total", "How long all tries and pauses may take together.", &p.Total),
	}
}

func conditionFields(c *Condition) []field {
	systems := []string{string(inspect.TypeLinux), string(inspect.TypeWindows), string(inspect.TypeFreeBSD), string(inspect.TypeNetBSD), string(inspect.TypeOpenBSD), string(inspect.TypeDOS),
		string(inspect.TypeDragonFly), string(inspect.TypeIllumos), string(inspect.TypeHurd), string(inspect.TypeMinix), string(inspect.TypeHaiku), string(inspect.TypeMacOS), string(inspect.TypeESXi), string(inspect.TypeUnknown)}
	return []field{
		openList(texts("format", "The image is of one of these formats.", &c.Formats, format.Names()...)),
		openList(texts("not_format", "It is of none of these formats.", &c.NotFormats, format.Names()...)),
		size("min_size", "Its disk has at least this size.", &c.MinSize),
		size("max_size", "Its disk has at most this size.", &c.MaxSize),
		texts("name", "A pattern fits what it is called.", &c.Names),
		free("status", "Stages, and how each may have ended; such a one may have failed.", object{"type": "array", "items": object{"type": "string", "enum": ends}}, func(d *decoder, key string, n *yaml.Node, where string) {
			var list []string
			texts("", "", &list, ends...).take(d, n, where)
			if c.Status == nil {
				c.Status = map[string][]Status{}
			}
			c.Status[key] = []Status{}
			for _, s := range list {
				c.Status[key] = append(c.Status[key], Status(s))
			}
		}),
		openList(texts("system", "A stage before it found a system of one of these types.", &c.Systems, systems...)),
	}
}

// Schema is the JSON Schema (2020-12) of a plan, for editors and other programs.
// What it cannot say, circles for one, Load checks besides.
func Schema() map[string]any {
	s := shape(planFields(&Plan{}))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "A plan of guestkit run"
	s["description"] = fmt.Sprintf("What is done to which disk images; see docs/pipeline.md. A plan has at most %d MiB.", MaxPlan>>20)
	return s
}
