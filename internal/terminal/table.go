package terminal

import (
	"fmt"
	"strings"
	"unicode"
)

// A Table is rows of cells that line up. A cell is any value; a Styled one has
// its style.
type Table struct {
	Indent int    // spaces before each row
	Gap    int    // spaces between columns; 0 means 2
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

// Table prints t.
func (p *Printer) Table(t *Table) {
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
	for _, row := range t.rows {
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
