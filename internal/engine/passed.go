package engine

// Passed are the last few stretches of ids in which a tenant's cursor has found nothing of theirs, and never will, so
// that one who asks again and again does not have them looked at again: as many as a tenant has cursors at a
// time. The zero value has none. Its owner's lock guards it.
type Passed struct {
	stretches [4]struct{ after, end int64 } // each the ids above after, up to end
	oldest    int
}

// Skip returns how far a cursor may go on from there.
func (p *Passed) Skip(after int64) int64 {
	for moved := true; moved; {
		moved = false
		for _, s := range p.stretches {
			if s.after <= after && after < s.end {
				after, moved = s.end, true
			}
		}
	}
	return after
}

// Note remembers that there is nothing above one id up to another. If that follows no stretch that is known, it is one
// of its own where it has at least so many ids, and the stretch noted longest ago is forgotten for it.
func (p *Passed) Note(after, end, least int64) {
	for n := range p.stretches {
		if s := &p.stretches[n]; s.after <= after && after <= s.end && s.end > 0 {
			s.end = max(s.end, end)
			return
		}
	}
	if end-after >= least {
		p.stretches[p.oldest].after, p.stretches[p.oldest].end = after, end
		p.oldest = (p.oldest + 1) % len(p.stretches)
	}
}
