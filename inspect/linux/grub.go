package linux

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// Bounds of what a script of GRUB does.
const (
	maxGrubSteps     = 1 << 16  // commands run
	maxGrubWork      = 32 << 20 // bytes of words made, and what else costs as much
	maxGrubFiles     = 8        // sourced
	maxGrubText      = 16 << 10
	maxGrubWords     = 1024 // of a command
	maxGrubLoop      = 64
	maxGrubMenus     = 8 // submenus in each other
	maxGrubVariables = 4096
	grubLook         = 8 << 10 // what looking for a file costs
)

// A grub runs the configuration of GRUB 2 as far as it says what can be started:
// variables, conditions, functions, further files, the environment block and the
// entries of blscfg. What asks for the hardware is false.
type grub struct {
	r   *root
	dir string // of the volume that is /boot, as io/fs names it: paths count from it, or from the root
	env map[string]string
	// exported are the variables that an entry or a submenu sees: it has a context of
	// its own.
	exported map[string]bool
	funcs    map[string][]grubCommand

	entries []system.BootEntry
	menus   []string // the submenus that are open
	keys    [][]int  // of each entry: its number in the menu, after those of the submenus that it is in
	titles  []string // of each entry, without those of the submenus
	subs    []grubMenu
	count   []int // entries of the open menus so far

	files   []string                 // that were read
	scripts map[string][]grubCommand // by file; nil of one that is not read
	cut     string                   // why the script is followed no further, or not whole
	looks   map[string]grubFile
	listed  []blsEntry // of blscfg
	isList  bool
	steps   int
	work    int
	depth   int
	args    []string
	saved   string // the file of the environment block
	setLine int    // where the default was set, and in which file
	setFile string
	// current is the entry that is made.
	current *system.BootEntry
}

// A grubFile is what a path of GRUB stands for; info is nil if it is not there.
type grubFile struct {
	at   string
	info fs.FileInfo
}

// A grubMenu is a submenu.
type grubMenu struct {
	key       []int
	title, id string
}

func (r *root) newGrub(dir, config string) *grub {
	g := &grub{r: r, dir: dir, funcs: map[string][]grubCommand{}, scripts: map[string][]grubCommand{}, exported: map[string]bool{}, looks: map[string]grubFile{}, count: []int{0}}
	g.env = map[string]string{"prefix": guest.Shown(path.Dir(config)), "root": "", "grub_platform": "pc", "grub_cpu": "i386", "feature_menuentry_id": "y",
		"feature_menuentry_options": "y", "feature_timeout_style": "y", "feature_default_font_path": "y", "feature_all_video_module": "y", "feature_platform_search_hint": "y", "feature_200_final": "y", "config_file": guest.Shown(config), "?": "0"}
	if strings.Contains(strings.ToLower(config), "efi/") {
		g.env["grub_platform"], g.env["grub_cpu"] = "efi", "x86_64"
	}
	for name := range g.env {
		g.exported[name] = true
	}
	return g
}

// scope opens the context of an entry or a submenu, and returns what closes it.
func (g *grub) scope() func() {
	g.work += 64 * (len(g.env) + len(g.exported))
	env, exported, file, line := g.env, g.exported, g.setFile, g.setLine
	g.env, g.exported = map[string]string{}, maps.Clone(exported)
	for name := range exported {
		if v, ok := env[name]; ok {
			g.env[name] = v
		}
	}
	return func() { g.env, g.exported, g.setFile, g.setLine = env, exported, file, line }
}

// stop notes the first bound that the script meets.
func (g *grub) stop(why string, args ...any) {
	if g.cut == "" {
		g.cut = fmt.Sprintf(why, args...)
	}
}

// look finds the file of the guest that a path of GRUB stands for: without its device,
// from the volume that is /boot or from the root.
func (g *grub) look(name string) grubFile {
	f, ok := g.looks[name]
	if !ok {
		if g.work += grubLook; g.spent() {
			return grubFile{at: guest.Name(noDevice(name))}
		}
		f.at = g.r.bootFile(g.dir, noDevice(name))
		f.info = g.r.Stat(f.at)
		g.looks[name] = f
	}
	return f
}

// find is the name of the file that a path of GRUB stands for. It may not be there.
func (g *grub) find(name string) string { return g.look(name).at }

// source runs a file that is there, as often as the script says; it is read once.
func (g *grub) source(name string) bool {
	list, again := g.scripts[name]
	if !again {
		list = g.read(name)
		g.scripts[name] = list
	}
	if list == nil {
		return false
	}
	g.run(list, name)
	return true
}

// read parses a file; the result is nil if it is not read.
func (g *grub) read(name string) []grubCommand {
	if len(g.files) == maxGrubFiles {
		g.stop("it reads more than %d files", maxGrubFiles)
		return nil
	}
	b, ok := g.r.Text(name)
	if !ok {
		g.stop("/%s is not read", name)
		return nil
	}
	g.files = append(g.files, name)
	list, whole := parseGrub(b)
	if !whole {
		g.stop("/%s has more than %d words, or more than %d levels", name, maxGrubTokens, maxGrubDepth)
	}
	if list == nil {
		list = []grubCommand{} // it is empty, and read
	}
	return list
}

// expand makes words of tokens.
func (g *grub) expand(tokens []grubToken) []string {
	var out []string
	for _, t := range tokens {
		word, some := "", false
		for _, p := range t.parts {
			text := p.text
			if p.variable {
				text = g.value(p.text)
			}
			if g.work += len(word) + len(text) + 32; g.spent() {
				return nil
			}
			some = some || p.quoted || !p.variable
			if p.variable && (!p.quoted || p.text == "@") { // it may be several words, or none
				f := g.args
				if !p.quoted {
					f = strings.Fields(text)
				}
				if len(f) == 0 {
					continue
				}
				if g.work += 64 * len(f); len(out)+len(f) > maxGrubWords {
					g.stop("a command has more than %d words", maxGrubWords)
					return nil
				}
				for _, w := range f[:len(f)-1] {
					out = append(out, word+w)
					word = ""
				}
				text, some = f[len(f)-1], true
			}
			if len(word)+len(text) > maxGrubText {
				g.stop("a word has more than %d bytes", maxGrubText)
				return nil
			}
			word += text
		}
		if some {
			out = append(out, word)
		}
		if g.work += 64; len(out) > maxGrubWords {
			g.stop("a command has more than %d words", maxGrubWords)
			return nil
		}
	}
	return out
}

func (g *grub) value(name string) string {
	if n, err := strconv.Atoi(name); err == nil {
		if n >= 1 && n <= len(g.args) {
			return g.args[n-1]
		}
		return ""
	}
	switch name {
	case "@", "*":
		return strings.Join(g.args, " ")
	case "#":
		return strconv.Itoa(len(g.args))
	}
	return g.env[name]
}

// run runs commands; the result is that of the last.
func (g *grub) run(list []grubCommand, file string) bool {
	if g.depth == 2*maxGrubDepth {
		g.stop("it has more than %d levels", 2*maxGrubDepth)
		return false
	}
	g.depth++
	defer func() { g.depth-- }()
	ok := true
	for i := range list {
		if g.steps++; g.spent() {
			return false
		}
		ok = g.one(&list[i], file)
		g.env["?"] = map[bool]string{true: "0", false: "1"}[ok]
	}
	return ok
}

// spent reports whether the script did all that it may.
func (g *grub) spent() bool {
	if g.steps%16 == 0 && g.r.Ctx.Err() != nil {
		g.steps = maxGrubSteps + 1
	}
	if g.steps <= maxGrubSteps && g.work <= maxGrubWork {
		return false
	}
	g.stop("the script does more than is followed")
	return true
}

func (g *grub) one(c *grubCommand, file string) bool {
	switch c.kind {
	case "if":
		if g.run(c.cond, file) {
			return g.run(c.body, file)
		}
		return g.run(c.other, file)
	case "while", "until":
		for range maxGrubLoop {
			if g.spent() || g.run(c.cond, file) != (c.kind == "while") {
				return true
			}
			g.run(c.body, file)
		}
		g.stop("a loop goes round more than %d times", maxGrubLoop)
		return true
	case "for":
		words := g.expand(c.words)
		if len(words) < 2 || words[1] != "in" {
			return false
		}
		for _, w := range words[2:] {
			if g.spent() {
				break
			}
			g.set(words[0], w, file, c.line)
			g.run(c.body, file)
		}
		return true
	case "function":
		if words := g.expand(c.words); len(words) == 2 {
			g.funcs[words[1]] = c.body
		}
		return true
	}
	words := g.expand(c.words)
	if len(words) == 0 {
		return true
	}
	if body, ok := g.funcs[words[0]]; ok {
		args := g.args
		g.args = words[1:]
		ok := g.run(body, file)
		g.args = args
		return ok
	}
	if name, value, ok := strings.Cut(words[0], "="); ok && name != "" && words[0] != "=" {
		return g.set(name, value, file, c.line)
	}
	switch words[0] {
	case "menuentry":
		g.entry(words[1:], c, file)
	case "submenu":
		g.submenu(words[1:], c, file)
	default:
		return g.builtin(words, file, c.line)
	}
	return true
}

// set sets a variable, within bounds.
func (g *grub) set(name, value, file string, line int) bool {
	if len(g.env) > maxGrubVariables || len(value) > maxGrubText {
		g.stop("it has more than %d variables, or one of more than %d bytes", maxGrubVariables, maxGrubText)
		return false
	}
	if name == "default" {
		g.setFile, g.setLine = file, line
	}
	g.env[name] = value
	return true
}

// builtin runs a command of GRUB itself. Those that are not known did what they
// should; those that look for hardware found nothing.
func (g *grub) builtin(words []string, file string, line int) bool {
	switch name, args := words[0], words[1:]; name {
	case "[", "test":
		if name == "[" && len(args) > 0 && args[len(args)-1] == "]" {
			args = args[:len(args)-1]
		}
		return g.test(args)
	case "!":
		return len(args) == 0 || !g.builtin(args, file, line)
	case "set":
		for _, a := range args {
			if name, value, ok := strings.Cut(a, "="); ok {
				g.set(name, value, file, line)
			}
		}
	case "export":
		for _, a := range args {
			name, value, ok := strings.Cut(a, "=")
			if ok {
				g.set(name, value, file, line)
			}
			g.exported[name] = true
		}
	case "unset":
		for _, a := range args {
			delete(g.env, a)
		}
	case "false", "hwmatch", "keystatus", "sleep", "cpuid", "regexp", "smbios", "getenv", "cmosdump", "cmostest", "probe":
		return false
	case "load_env":
		g.loadEnv(args)
	case "configfile", "normal":
		if g.current != nil { // it has a menu of its own, once it is chosen
			return true
		}
		fallthrough
	case "source", ".", "extract_entries_source":
		for _, a := range args {
			if !strings.HasPrefix(a, "-") {
				f := g.look(a)
				return f.info != nil && f.info.Mode().IsRegular() && g.source(f.at)
			}
		}
	case "blscfg":
		g.blscfg()
	case "linux", "linux16", "linuxefi", "multiboot", "multiboot2", "kernel", "xen_module":
		if g.current != nil && len(args) > 0 && g.current.Kernel == "" {
			for len(args) > 1 && strings.HasPrefix(args[0], "--") {
				args = args[1:]
			}
			g.current.Kernel, g.current.Options = g.r.shownBoot(g.find(args[0])), g.r.Value(strings.Join(args[1:], " "), file, line)
		}
	case "chainloader":
		if g.current != nil && len(args) > 0 && g.current.Kernel == "" {
			if last := args[len(args)-1]; strings.Contains(last, "/") {
				g.current.Kernel = g.r.shownBoot(g.find(last))
			}
		}
	case "initrd", "initrd16", "initrdefi", "module", "module2":
		if g.current != nil && (len(g.current.Initrd) == 0 || name[0] == 'i') {
			g.r.addInitrds(g.current, slices.DeleteFunc(args, func(a string) bool { return strings.HasPrefix(a, "newc:") }), g.find)
		}
	}
	return true
}

// loadEnv reads the environment block, which grub-editenv writes: lines of NAME=VALUE.
func (g *grub) loadEnv(args []string) {
	name := g.env["prefix"] + "/grubenv"
	var only []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case (a == "-f" || a == "--file") && i+1 < len(args):
			i++
			name = args[i]
		case strings.HasPrefix(a, "--file="):
			name = strings.TrimPrefix(a, "--file=")
		case !strings.HasPrefix(a, "-"):
			only = append(only, a)
		}
	}
	f := g.look(name)
	if f.info == nil {
		return
	}
	at := f.at
	b, ok := g.r.Text(at)
	if g.work += grubLook + len(b); !ok {
		g.stop("/%s is not read", at)
		return
	}
	g.saved = at
	for line, text := range guest.Lines(b) {
		if strings.HasPrefix(text, "#") {
			continue
		}
		if k, v, ok := strings.Cut(text, "="); ok && (len(only) == 0 || slices.Contains(only, k)) {
			g.set(k, strings.ReplaceAll(v, `\\`, `\`), at, line)
		}
	}
}

// test is the command "[".
func (g *grub) test(a []string) bool {
	// -a binds stronger than -o.
	if i := slices.Index(a, "-o"); i > 0 {
		return g.test(a[:i]) || g.test(a[i+1:])
	}
	if i := slices.Index(a, "-a"); i > 0 {
		return g.test(a[:i]) && g.test(a[i+1:])
	}
	if len(a) > 0 && a[0] == "!" && len(a) != 3 {
		return !g.test(a[1:])
	}
	switch len(a) {
	case 1:
		return a[0] != ""
	case 2:
		switch a[0] {
		case "-z":
			return a[1] == ""
		case "-n":
			return a[1] != ""
		case "-d":
			fi := g.look(a[1]).info
			return fi != nil && fi.IsDir()
		case "-e", "-f":
			return g.look(a[1]).info != nil
		case "-s":
			fi := g.look(a[1]).info
			return fi != nil && fi.Size() > 0
		}
	case 3:
		x, _ := strconv.Atoi(a[0])
		y, _ := strconv.Atoi(a[2])
		switch a[1] {
		case "=", "==":
			return a[0] == a[2]
		case "!=":
			return a[0] != a[2]
		case "<":
			return a[0] < a[2]
		case ">":
			return a[0] > a[2]
		case "-eq":
			return x == y
		case "-ne":
			return x != y
		case "-lt":
			return x < y
		case "-le":
			return x <= y
		case "-gt":
			return x > y
		case "-ge":
			return x >= y
		}
		if a[0] == "!" {
			return !g.test(a[1:])
		}
	}
	return false
}

// add adds an entry to the open menu.
func (g *grub) add(e system.BootEntry, title string) {
	if g.full() {
		return
	}
	key := slices.Clone(g.count)
	g.count[len(g.count)-1]++
	g.entries, g.keys, g.titles = append(g.entries, e), append(g.keys, key), append(g.titles, title)
}

// full reports whether no more entries are taken.
func (g *grub) full() bool {
	if len(g.entries) < maxBootEntries {
		return false
	}
	g.stop("%s", tooManyEntries)
	return true
}

// entry makes an entry: its title, and of its options the id.
func (g *grub) entry(args []string, c *grubCommand, file string) {
	title, id := menuArgs(args)
	if g.full() {
		return
	}
	e := system.BootEntry{ID: g.r.Value(id, file, c.line), Title: g.r.Value(strings.Join(append(g.menus[:len(g.menus):len(g.menus)], title), ">"), file, c.line), Path: guest.Shown(file), Line: c.line}
	outer, args0 := g.current, g.args
	end := g.scope()
	g.env["chosen"], g.exported["chosen"] = e.Title, true
	g.current, g.args = &e, append([]string{title}, args...)
	g.run(c.body, file)
	end()
	g.current, g.args = outer, args0
	g.add(e, title)
}

// submenu makes the entries of a submenu.
func (g *grub) submenu(args []string, c *grubCommand, file string) {
	title, id := menuArgs(args)
	if len(g.menus) == maxGrubMenus || len(g.subs) == maxBootEntries {
		g.stop("it has more than %d submenus, or more than %d in each other", maxBootEntries, maxGrubMenus)
		return
	}
	g.subs = append(g.subs, grubMenu{slices.Clone(g.count), title, id})
	g.menus, g.count = append(g.menus, title), append(g.count, 0)
	end := g.scope()
	g.run(c.body, file)
	end()
	g.menus, g.count = g.menus[:len(g.menus)-1], g.count[:len(g.count)-1]
	g.count[len(g.count)-1]++
}

// menuArgs finds the title and the id among the arguments of menuentry.
func menuArgs(args []string) (title, id string) {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--id" || a == "--class" || a == "--users" || a == "--hotkey" || a == "--source":
			if i++; i < len(args) && a == "--id" {
				id = args[i]
			}
		case strings.HasPrefix(a, "--id="):
			id = strings.TrimPrefix(a, "--id=")
		case strings.HasPrefix(a, "--"):
		case title == "":
			title = a
		}
	}
	return title, id
}
