package memory

import "time"

// claimTime says when jobs were claimed: those from first on, up to the first of the next claimTime,
// within a second from at. Their results expire together, which costs no memory per job.
type claimTime struct {
	first int64
	at    int64
}

// expireJobs is how many results are cleared in one hold of the mutex.
const expireJobs = 1024

// noteClaim notes that the jobs from id on are claimed now.
func (e *Engine) noteClaim(id, now int64) {
	last, ok := e.claimTimes.at(e.claimTimes.end() - 1)
	if !ok || now-last.at >= int64(time.Second) {
		e.claimTimes.push(claimTime{first: id, at: now})
	}
}

// nextExpiry returns when all results of the oldest claimTime have been kept for the retention,
// or never.
func (e *Engine) nextExpiry() int64 {
	m, ok := e.claimTimes.at(e.claimTimes.start())
	if !ok {
		return never
	}
	return m.at + int64(time.Second+e.cfg.Retention)
}

// expire erases results past their retention, a bounded number at a time: while there are
// more, the next expiry has already passed.
func (e *Engine) expire(now int64) {
	if e.nextExpiry() > now {
		return
	}
	m, _ := e.claimTimes.at(e.claimTimes.start())
	end := e.head
	if following, ok := e.claimTimes.at(e.claimTimes.start() + 1); ok {
		end = following.first
	}
	for n := 0; n < expireJobs && m.first < end && e.expireJob(m.first); n++ {
		m.first++
	}
	if m.first < end {
		e.claimTimes.set(e.claimTimes.start(), m)
	} else {
		e.claimTimes.pop()
	}
	e.raise()
}

// expireJob erases the job's result if it is still there. It returns false for a job that a
// worker has claimed and not yet published: that one expires later.
func (e *Engine) expireJob(id int64) bool {
	s, i, err := e.find(id)
	if err != nil {
		return true
	}
	m := s.meta(i)
	if m.state() == pending {
		return false
	}
	s.setMeta(i, m.with(gone))
	if m.owed() {
		e.collected(s, i)
	}
	e.erased++
	e.tallies.of(m.tenant()).erased++
	e.retire(s, i)
	return true
}
