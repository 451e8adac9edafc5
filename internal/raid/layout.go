package raid

// A Layout says where a level with parity keeps it.
type Layout int

// The layouts of levels 5 and 6 by the numbers of Linux. Those from
// [RotatingZeroRestart] on are of level 6 alone; the names that end in 6 keep Q
// on the last member and the rest as level 5 does.
const (
	LeftAsymmetric      Layout = 0
	RightAsymmetric     Layout = 1
	LeftSymmetric       Layout = 2
	RightSymmetric      Layout = 3
	ParityFirst         Layout = 4
	ParityLast          Layout = 5
	RotatingZeroRestart Layout = 8  // DDF
	RotatingNRestart    Layout = 9  // DDF
	RotatingNContinue   Layout = 10 // DDF
	LeftAsymmetric6     Layout = 16
	RightAsymmetric6    Layout = 17
	LeftSymmetric6      Layout = 18
	RightSymmetric6     Layout = 19
	ParityFirst6        Layout = 20
)

// layoutNames are those of mdadm.
var layoutNames = map[Layout]string{
	LeftAsymmetric: "left-asymmetric", RightAsymmetric: "right-asymmetric", LeftSymmetric: "left-symmetric", RightSymmetric: "right-symmetric",
	ParityFirst: "parity-first", ParityLast: "parity-last",
	RotatingZeroRestart: "ddf-zero-restart", RotatingNRestart: "ddf-N-restart", RotatingNContinue: "ddf-N-continue",
	LeftAsymmetric6: "left-asymmetric-6", RightAsymmetric6: "right-asymmetric-6", LeftSymmetric6: "left-symmetric-6", RightSymmetric6: "right-symmetric-6",
	ParityFirst6: "parity-first-6",
}

// String returns the name that mdadm has for a layout, "" if there is none.
func (l Layout) String() string { return layoutNames[l] }

// valid reports whether a level has the layout.
func (l Layout) valid(level int) bool {
	switch level {
	case 4:
		return true // which has but one
	case 5:
		return l >= LeftAsymmetric && l <= ParityLast
	}
	return layoutNames[l] != ""
}

// ddf reports whether Q counts the members as they lie, parity and all, as the
// layouts of DDF do.
func (l Layout) ddf() bool { return l >= RotatingZeroRestart && l <= RotatingNContinue }

// A plan maps chunks of an array with parity to its members.
type plan struct {
	level   int
	layout  Layout
	members int
}

// data returns how many members of a row hold data.
func (g *plan) data() int {
	if g.level == 6 {
		return g.members - 2
	}
	return g.members - 1
}

// parity returns the members that hold P and Q of a row, q is -1 at levels 4
// and 5.
func (g *plan) parity(row int64) (p, q int) {
	n := g.members
	turn := int(row % int64(n))
	if g.level == 4 {
		return n - 1, -1
	}
	if g.level == 5 {
		switch g.layout {
		case LeftAsymmetric, LeftSymmetric:
			return n - 1 - turn, -1
		case RightAsymmetric, RightSymmetric:
			return turn, -1
		case ParityFirst:
			return 0, -1
		}
		return n - 1, -1
	}
	switch g.layout {
	case LeftAsymmetric, LeftSymmetric:
		p = n - 1 - turn
	case RightAsymmetric, RightSymmetric, RotatingZeroRestart:
		p = turn
	case RotatingNRestart:
		p = n - 1 - int((row+1)%int64(n))
	case RotatingNContinue:
		p = n - 1 - turn
		return p, (p + n - 1) % n
	case ParityFirst:
		p = 0
	case ParityLast:
		return n - 2, n - 1
	case ParityFirst6:
		return 0, n - 1
	case LeftAsymmetric6, LeftSymmetric6:
		return n - 2 - int(row%int64(n-1)), n - 1
	case RightAsymmetric6, RightSymmetric6:
		return int(row % int64(n-1)), n - 1
	}
	return p, (p + 1) % n
}

// member returns which member holds the k-th data chunk of a row.
func (g *plan) member(k, p, q int) int {
	n := g.members
	if q < 0 {
		switch g.layout {
		case LeftSymmetric, RightSymmetric:
			if g.level == 5 {
				return (p + 1 + k) % n
			}
		}
		return past(k, p)
	}
	switch g.layout {
	case LeftSymmetric, RightSymmetric:
		return (p + 2 + k) % n
	case RotatingNContinue:
		return (p + 1 + k) % n
	case LeftSymmetric6, RightSymmetric6:
		return (p + 1 + k) % (n - 1)
	}
	// The rest counts members in their order and leaves out the parity.
	return past(past(k, min(p, q)), max(p, q))
}

// past counts on where a member is left out.
func past(k, skip int) int {
	if k >= skip {
		return k + 1
	}
	return k
}

// factor returns the factor of a member's block in Q: Linux counts from the
// member behind Q on and leaves parity out, DDF counts all from the first.
func (g *plan) factor(i, p, q int) byte {
	if g.layout.ddf() {
		return Power(i)
	}
	n := g.members
	first := (q + 1) % n
	at, pAt := (i-first+n)%n, (p-first+n)%n
	if at > pAt {
		at--
	}
	return Power(at)
}
