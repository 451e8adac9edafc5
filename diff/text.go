package diff

import (
	"bytes"
	"fmt"
)

// maxEdits bounds the lines that are looked for one by one, and with them time and
// memory: what differs in more is told as replaced.
const maxEdits = 2000

// context is how many lines are shown around a change.
const contextLines = 3

// Unified is the difference of two texts in the unified format of diff -u, empty if
// they are the same. The names stand in its head.
func Unified(nameA, nameB string, a, b []byte) []byte {
	if bytes.Equal(a, b) {
		return nil
	}
	la, lb := lines(a), lines(b)
	ops := edits(la, lb)
	out := fmt.Appendf(nil, "--- %s\n+++ %s\n", nameA, nameB)
	for i := 0; i < len(ops); {
		// A hunk holds edits with at most twice the context between them.
		j := i + 1
		for j < len(ops) && ops[j].a-ops[j-1].endA <= 2*contextLines {
			j++
		}
		out = hunk(out, la, lb, ops[i:j])
		i = j
	}
	return out
}

// lines parts a text behind its line ends.
func lines(b []byte) [][]byte {
	return bytes.SplitAfter(b, []byte("\n"))[:bytes.Count(b, []byte("\n"))+tail(b)]
}

// tail is 1 if a text does not end with a line's end.
func tail(b []byte) int {
	if len(b) > 0 && b[len(b)-1] != '\n' {
		return 1
	}
	return 0
}

// An edit replaces the lines from a to endA of the first text by those from b to endB
// of the second.
type edit struct{ a, endA, b, endB int }

// edits finds what to change (Myers, "An O(ND) Difference Algorithm", 1986).
func edits(a, b [][]byte) []edit {
	start := 0
	for start < len(a) && start < len(b) && bytes.Equal(a[start], b[start]) {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && bytes.Equal(a[endA-1], b[endB-1]) {
		endA--
		endB--
	}
	x, y := a[start:endA], b[start:endB]
	out := myers(x, y)
	if out == nil {
		out = []edit{{0, len(x), 0, len(y)}}
	}
	for i := range out {
		out[i] = edit{out[i].a + start, out[i].endA + start, out[i].b + start, out[i].endB + start}
	}
	return out
}

// myers returns nil if there are more edits than are looked for.
func myers(a, b [][]byte) []edit {
	most := min(len(a)+len(b), maxEdits)
	v := make([]int32, 2*most+2) // the furthest x on diagonal k, at k+most
	var trace [][]int32
	for d := 0; d <= most; d++ {
		// Of round d-1 only the diagonals from -d to d are used.
		trace = append(trace, append([]int32(nil), v[max(0, most-d):min(len(v), most+d+2)]...))
		for k := -d; k <= d; k += 2 {
			x := int32(0)
			switch {
			case d == 0:
			case k == -d || k != d && v[most+k-1] < v[most+k+1]:
				x = v[most+k+1]
			default:
				x = v[most+k-1] + 1
			}
			for int(x) < len(a) && int(x)-k < len(b) && int(x)-k >= 0 && bytes.Equal(a[x], b[int(x)-k]) {
				x++
			}
			v[most+k] = x
			if int(x) >= len(a) && int(x)-k >= len(b) {
				return back(trace, d, len(a), len(b))
			}
		}
	}
	return nil
}

// back follows the rounds from the end to the start.
func back(trace [][]int32, d, x, y int) []edit {
	var out []edit
	add := func(e edit) {
		if n := len(out); n > 0 && out[n-1].a == e.endA && out[n-1].b == e.endB {
			out[n-1].a, out[n-1].b = e.a, e.b
			return
		}
		out = append(out, e)
	}
	for ; d > 0; d-- {
		v := trace[d] // of round d-1, from diagonal -d on
		at := func(k int) int { return int(v[k+d]) }
		k := x - y
		prev := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			prev = k + 1
		}
		px := at(prev)
		py := px - prev
		if prev == k-1 {
			add(edit{px, px + 1, py, py})
		} else {
			add(edit{px, px, py, py + 1})
		}
		x, y = px, py
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// hunk writes edits with the lines around them.
func hunk(out []byte, a, b [][]byte, ops []edit) []byte {
	first, last := ops[0], ops[len(ops)-1]
	startA := max(0, first.a-contextLines)
	startB := first.b - (first.a - startA)
	endA := min(len(a), last.endA+contextLines)
	endB := last.endB + (endA - last.endA)
	out = fmt.Appendf(out, "@@ -%s +%s @@\n", span(startA, endA), span(startB, endB))
	line := func(mark byte, text []byte) {
		out = append(append(out, mark), text...)
		if tail(text) == 1 {
			out = append(out, "\n\\ No newline at end of file\n"...)
		}
	}
	at := startA
	for _, e := range ops {
		for ; at < e.a; at++ {
			line(' ', a[at])
		}
		for ; at < e.endA; at++ {
			line('-', a[at])
		}
		for i := e.b; i < e.endB; i++ {
			line('+', b[i])
		}
	}
	for ; at < endA; at++ {
		line(' ', a[at])
	}
	return out
}

// span is a range of lines as the head of a hunk has it.
func span(start, end int) string {
	switch n := end - start; n {
	case 0:
		return fmt.Sprintf("%d,0", start)
	case 1:
		return fmt.Sprint(start + 1)
	default:
		return fmt.Sprintf("%d,%d", start+1, n)
	}
}
