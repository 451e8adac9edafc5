package terminal

import (
	"fmt"
	"io"
	"sync"
)

// A Printer writes text for people. Whatever is printed through it is escaped;
// the format alone is trusted. What one call prints stays together, whoever else
// prints at the same time.
type Printer struct {
	w     io.Writer
	color bool
	width func() int // nil if it is not known
	words func(error) string
	mu    sync.Mutex
	err   error
	line  []byte // the last that Line printed
}

// NewPrinter makes a Printer; color says whether styles have an effect.
func NewPrinter(w io.Writer, color bool) *Printer { return &Printer{w: w, color: color} }

// SetWords sets what says an error; without it an error says itself.
func (p *Printer) SetWords(words func(error) string) { p.words = words }

// SetWidth tells how many columns the terminal has; it is asked for each table,
// since a terminal may be resized.
func (p *Printer) SetWidth(width func() int) { p.width = width }

// Color reports whether styles have an effect.
func (p *Printer) Color() bool { return p.color }

// Width is how many columns the terminal has, 0 if nobody knows.
func (p *Printer) Width() int {
	if p.width == nil {
		return 0
	}
	return p.width()
}

// Err returns the first error of writing.
func (p *Printer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// A Style is how a piece of text looks on a terminal.
type Style string

// The styles, as SGR parameters.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Blue   Style = "34"
	Cyan   Style = "36"
)

// A Styled is text with a style.
type Styled struct {
	Text  string
	Style Style
}

// In gives a value a style.
func (s Style) In(v any) Styled { return Styled{fmt.Sprint(v), s} }

// Printf formats like fmt.Printf. Numbers and booleans are formatted as they
// are; every other argument is turned into escaped text first.
func (p *Printer) Printf(format string, args ...any) {
	safe := make([]any, len(args))
	for i, a := range args {
		switch a.(type) {
		case int, int32, int64, uint, uint8, uint16, uint32, uint64, float64, bool:
			safe[i] = a
		default:
			safe[i] = p.text(a)
		}
	}
	p.write(fmt.Sprintf(format, safe...))
}

// Line prints a line: what comes first is trusted, the text is escaped. It is for
// commands that print one for each file of a guest.
func (p *Printer) Line(first []byte, text Styled) {
	safe := p.paint(text.Style, Escape(text.Text))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = append(append(append(p.line[:0], first...), safe...), '\n')
	if p.err == nil {
		_, p.err = p.w.Write(p.line)
	}
}

// text is the escaped and coloured form of any value.
func (p *Printer) text(v any) string {
	s, ok := v.(Styled)
	if !ok {
		if err, ok := v.(error); ok && p.words != nil {
			return Escape(p.words(err))
		}
		return Escape(fmt.Sprint(v))
	}
	return p.paint(s.Style, Escape(s.Text))
}

func (p *Printer) paint(style Style, safe string) string {
	if !p.color || style == Plain || safe == "" {
		return safe
	}
	return "\x1b[" + string(style) + "m" + safe + "\x1b[0m"
}

func (p *Printer) write(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}
