package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Table is rows of cells that line up. A cell is any value; a Styled one has
// its style.
type Table struct {
	Indent int    // spaces before each row
	Gap    int    // spaces between columns; 0 means 2
	Wide   bool   // it may be wider than the terminal
	Right  string // one letter a column: 'r' aligns it to the right; may be shorter
	rows   [][]any
}

// Head adds a row of titles.
func (t *Table) Head(titles ...string) {
	row := make([]any, len(titles))
	for i, s := range titles {
		row[i] = Dim.In(s)
	}
	t.rows = append(t.rows, row)
}

// Row adds a row.
func (t *Table) Row(cells ...any) { t.rows = append(t.rows, cells) }

// Len returns how many rows there are, titles included.
func (t *Table) Len() int { return len(t.rows) }

// minColumn is how narrow a column gets that has to make room.
const minColumn = 8

// fit makes the widest columns narrower until all fit into width.
func (t *Table) fit(widths []int, gap, width int) {
	total := t.Indent + gap*(len(widths)-1)
	for _, w := range widths {
		total += w
	}
	for ; total > width; total-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= minColumn {
			return
		}
		widths[widest]--
	}
}

// lines breaks a cell into lines of a width, at blanks where it has some.
func lines(c any, width int) []any {
	text, style := fmt.Sprint(c), Plain
	if s, ok := c.(Styled); ok {
		text, style = s.Text, s.Style
	}
	text = Escape(text)
	var out []any
	for Width(text) > width {
		end, blank, n := 0, -1, 0
		for i, r := range text {
			w := Width(string(r))
			if n+w > width {
				break
			}
			n, end = n+w, i+utf8.RuneLen(r)
			if r == ' ' && strings.TrimSpace(text[:i]) != "" {
				blank = i
			}
		}
		if end == 0 {
			break
		}
		if blank > 0 && end < len(text) && text[end] != ' ' {
			end = blank
		}
		out = append(out, Styled{strings.TrimRight(text[:end], " "), style})
		text = strings.TrimLeft(text[end:], " ")
	}
	return append(out, Styled{text, style})
}

// Table prints t. Where the printer knows the width of its terminal, what does
// not fit is broken over several lines, so that columns stay columns.
func (p *Printer) Table(t *Table) {
	if p.width == nil || t.Wide {
		p.table(t, nil)
		return
	}
	p.table(t, p.width)
}

func (p *Printer) table(t *Table, width func() int) {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], cellWidth(c))
		}
	}
	gap := t.Gap
	if gap == 0 {
		gap = 2
	}
	rows := t.rows
	if width != nil {
		if n := width(); n > 0 {
			t.fit(widths, gap, n)
			rows = t.broken(widths)
		}
	}
	for _, row := range rows {
		var b strings.Builder
		blank := t.Indent // owed before the next text, so that no line ends in blanks
		for i, c := range row {
			fill := widths[i] - cellWidth(c)
			right := i < len(t.Right) && t.Right[i] == 'r'
			if right {
				blank, fill = blank+fill, 0
			}
			if cellWidth(c) > 0 {
				b.WriteString(strings.Repeat(" ", blank))
				b.WriteString(p.text(c))
				blank = 0
			}
			blank += fill + gap
		}
		p.write(b.String() + "\n")
	}
}

// broken is the rows with cells broken to the widths of their columns.
func (t *Table) broken(widths []int) [][]any {
	var out [][]any
	for _, row := range t.rows {
		cells, most := make([][]any, len(row)), 1
		for i, c := range row {
			cells[i] = []any{c}
			if cellWidth(c) > widths[i] {
				cells[i] = lines(c, widths[i])
			}
			most = max(most, len(cells[i]))
		}
		for n := range most {
			line := make([]any, len(row))
			for i := range row {
				line[i] = ""
				if n < len(cells[i]) {
					line[i] = cells[i][n]
				}
			}
			out = append(out, line)
		}
	}
	return out
}

func cellWidth(c any) int {
	if s, ok := c.(Styled); ok {
		return Width(Escape(s.Text))
	}
	return Width(Escape(fmt.Sprint(c)))
}

// Width returns how many columns of a terminal a text takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case wide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// wide tells the characters of East Asian scripts and emoji, which take two
// columns.
func wide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115F || r >= 0x2E80 && r <= 0xA4CF || r >= 0xAC00 && r <= 0xD7A3 ||
		r >= 0xF900 && r <= 0xFAFF || r >= 0xFE30 && r <= 0xFE6F || r >= 0xFF00 && r <= 0xFF60 ||
		r >= 0xFFE0 && r <= 0xFFE6 || r >= 0x1F300 && r <= 0x1F64F || r >= 0x1F900 && r <= 0x1F9FF ||
		r >= 0x20000 && r <= 0x3FFFD)
}

// Size writes a number of bytes in the largest binary unit that it reaches,
// with at most one decimal: "512 B", "1.5 GiB".
func Size(n int64) string {
	if n < 0 {
		return "unknown"
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	v, i := float64(n), 0
	for i < len(units)-1 && v >= 1023.95 {
		v /= 1024
		i++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + units[i]
}
