package inspect

// A Phase is a part of an inspection.
type Phase string

// An inspection goes through these in this order, the last two by turns.
const (
	PhaseScan     Phase = "scan"     // partition tables, layers of volumes, keys
	PhaseOpen     Phase = "open"     // the filesystems of the volumes
	PhaseSearch   Phase = "search"   // systems on one volume
	PhasePackages Phase = "packages" // the package databases of a system, as a rule what takes longest
)

// Progress says how far an inspection is, before a step is taken and once all are.
type Progress struct {
	Phase  Phase
	Volume string // on which the step is, "" in PhaseScan and at the end
	// Done of Total steps are done: each volume is opened, and each that can be
	// read is searched; Total counts all volumes until that is known. It is 0 in
	// PhaseScan, before the volumes are known.
	Done, Total int
}

// steps counts the steps of one inspection, and tells of them.
type steps struct {
	tell func(Progress)
	at   Progress
}

// total says how many steps there are in all.
func (s *steps) total(n int) { s.at.Total = n }

// next begins a step.
func (s *steps) next(phase Phase, volume string) {
	s.at.Phase, s.at.Volume = phase, volume
	if s.tell != nil {
		s.tell(s.at)
	}
}

// done ends a step.
func (s *steps) done() { s.at.Done++ }

// end tells that all are done.
func (s *steps) end(last Phase) {
	s.next(last, "")
	s.tell = nil
}
