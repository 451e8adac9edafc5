package linux

import "strings"

// Bounds of a script of GRUB: the largest that grub-mkconfig writes have some
// thousand commands in four levels.
const (
	maxGrubTokens = 1 << 17
	maxGrubDepth  = 24
)

// A grubPart is a part of a word: text, or the name of a variable.
type grubPart struct {
	text     string
	variable bool
	quoted   bool // it is one word, whatever is in it
}

// A grubToken is a word of a script (GRUB manual, 6.2 "Shell-like scripting"), or
// an operator: a newline, ";", "{" or "}".
type grubToken struct {
	op    byte // 0 for a word
	parts []grubPart
	line  int
}

// plain is the text of a word that is not quoted and has no variable, "" for others.
func (t grubToken) plain() string {
	if t.op != 0 || len(t.parts) != 1 || t.parts[0].variable || t.parts[0].quoted {
		return ""
	}
	return t.parts[0].text
}

// grubTokens parts a script. Of one with more words than the bound it reports that it is
// not whole.
func grubTokens(b []byte) (out []grubToken, whole bool) {
	var word []grubPart
	var text []byte
	inWord := false
	line := 1
	flush := func(quoted bool) {
		if len(text) > 0 || quoted {
			word = append(word, grubPart{text: string(text), quoted: quoted})
			text = text[:0]
		}
	}
	end := func() {
		flush(false)
		if inWord {
			out = append(out, grubToken{parts: word, line: line})
		}
		word, inWord = nil, false
	}
	variable := func(i int, quoted bool) int {
		name, next := grubVariable(b, i)
		if name == "" {
			text = append(text, '$')
			return i
		}
		flush(quoted)
		word = append(word, grubPart{name, true, quoted})
		return next
	}
	for i := 0; i < len(b); i++ {
		if len(out) >= maxGrubTokens {
			return out, false
		}
		switch c := b[i]; c {
		case ' ', '\t', '\r':
			end()
		case '\n', ';':
			end()
			out = append(out, grubToken{op: c, line: line})
			if c == '\n' {
				line++
			}
		case '{', '}':
			if inWord { // a part of the word
				text = append(text, c)
				continue
			}
			out = append(out, grubToken{op: c, line: line})
		case '#':
			if inWord {
				text = append(text, c)
				continue
			}
			for i+1 < len(b) && b[i+1] != '\n' {
				i++
			}
		case '\\':
			if i++; i < len(b) && b[i] != '\n' {
				inWord = true
				text = append(text, b[i])
			} else {
				line++
			}
		case '\'':
			inWord = true
			flush(false)
			for i++; i < len(b) && b[i] != '\''; i++ {
				if b[i] == '\n' {
					line++
				}
				text = append(text, b[i])
			}
			flush(true)
		case '"':
			inWord = true
			flush(false)
			for i++; i < len(b) && b[i] != '"'; i++ {
				switch {
				case b[i] == '\\' && i+1 < len(b) && strings.IndexByte(`$"\`, b[i+1]) >= 0:
					i++
					text = append(text, b[i])
				case b[i] == '$':
					i = variable(i, true)
				default:
					if b[i] == '\n' {
						line++
					}
					text = append(text, b[i])
				}
			}
			flush(true)
		case '$':
			inWord = true
			i = variable(i, false)
		default:
			inWord = true
			text = append(text, c)
		}
	}
	end()
	return out, true
}

// grubVariable returns the name of the variable whose "$" is at i, and where it
// ends.
func grubVariable(b []byte, i int) (string, int) {
	if i+1 < len(b) && b[i+1] == '{' {
		for j := i + 2; j < len(b) && j < i+256; j++ {
			if b[j] == '}' {
				return string(b[i+2 : j]), j
			}
		}
		return "", i
	}
	j := i + 1
	for j < len(b) && (b[j] == '_' || b[j]|0x20 >= 'a' && b[j]|0x20 <= 'z' || b[j] >= '0' && b[j] <= '9') {
		j++
	}
	if j == i+1 && j < len(b) && strings.IndexByte("?@*#", b[j]) >= 0 {
		j++
	}
	return string(b[i+1 : j]), j - 1
}

// A grubCommand is a command of a script: a simple one of words, or "if", "for",
// "while" and "function".
type grubCommand struct {
	kind  string // "" for a simple one
	line  int
	words []grubToken
	cond  []grubCommand // of "if" and "while"
	body  []grubCommand // what follows it; of "menuentry" what it runs
	other []grubCommand // of "if": else
}

// A grubParser makes commands of tokens. A script that is not whole is taken as far
// as it goes.
type grubParser struct {
	tokens []grubToken
	depth  int
	cut    bool // what is deeper was left out
}

func (p *grubParser) peek() *grubToken {
	if len(p.tokens) == 0 {
		return nil
	}
	return &p.tokens[0]
}

// deeper goes down a level, and returns what leaves it.
func (p *grubParser) deeper() func() {
	if p.depth++; p.depth > maxGrubDepth {
		p.tokens, p.cut = nil, true
	}
	return func() { p.depth-- }
}

// list reads commands up to one of the words, or a "}", which it takes and returns.
func (p *grubParser) list(ends ...string) (out []grubCommand, end string) {
	defer p.deeper()()
	for len(p.tokens) > 0 {
		t := p.tokens[0]
		if t.op != 0 {
			p.tokens = p.tokens[1:]
			if t.op == '}' && (len(ends) == 0 || ends[0] == "}") {
				return out, "}"
			}
			continue
		}
		word := t.plain()
		for _, e := range ends {
			if word == e && word != "" {
				p.tokens = p.tokens[1:]
				return out, e
			}
		}
		out = append(out, p.command(word))
	}
	return out, ""
}

func (p *grubParser) command(word string) grubCommand {
	c := grubCommand{line: p.tokens[0].line}
	switch word {
	case "if":
		p.tokens = p.tokens[1:]
		p.condition(&c)
		return c
	case "while", "until":
		p.tokens = p.tokens[1:]
		c.kind = word
		c.cond, _ = p.list("do")
		c.body, _ = p.list("done")
		return c
	case "for":
		p.tokens = p.tokens[1:]
		c.kind = word
		c.words = p.words()
		c.cond, _ = p.list("do")
		c.body, _ = p.list("done")
		return c
	}
	c.words = p.words()
	if t := p.peek(); t != nil && t.op == '{' {
		p.tokens = p.tokens[1:]
		c.body, _ = p.list("}")
	}
	if word == "function" {
		c.kind = word
	}
	return c
}

// condition reads what follows "if" or "elif", which is an if of its own that ends
// the one that it is in.
func (p *grubParser) condition(c *grubCommand) {
	defer p.deeper()()
	c.kind = "if"
	c.cond, _ = p.list("then")
	var end string
	c.body, end = p.list("elif", "else", "fi")
	switch end {
	case "elif":
		next := grubCommand{line: c.line}
		p.condition(&next)
		c.other = []grubCommand{next}
	case "else":
		c.other, _ = p.list("fi")
	}
}

// words takes the words up to the end of a command.
func (p *grubParser) words() []grubToken {
	n := 0
	for n < len(p.tokens) && p.tokens[n].op == 0 {
		n++
	}
	out := p.tokens[:n]
	p.tokens = p.tokens[n:]
	return out
}

// parseGrub reads a script, and reports whether that is all of it.
func parseGrub(b []byte) (out []grubCommand, whole bool) {
	tokens, whole := grubTokens(b)
	p := &grubParser{tokens: tokens}
	for len(p.tokens) > 0 { // a "}" too many ends nothing
		more, _ := p.list()
		out = append(out, more...)
	}
	return out, whole && !p.cut
}
