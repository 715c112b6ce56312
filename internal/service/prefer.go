package service

import (
	"errors"
	"strconv"
	"time"

	"github.com/hashd-project/hashd/v2/internal/header"
)

// preferredWait returns how long the header Prefer asks to wait, and false if it does not ask
// for that: RFC 7240 has a server ignore what it does not understand.
func preferredWait(prefer *string) (time.Duration, bool) {
	if prefer == nil {
		return 0, false
	}
	value, ok := header.Preference(*prefer, "wait")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(value, 10, 31) // out of range it is the greatest, which is over any limit
	return time.Duration(n) * time.Second, err == nil || errors.Is(err, strconv.ErrRange)
}

// preference is what a request prefers of waiting.
type preference struct {
	prefers bool          // that the answer waits
	wait    time.Duration // how long at most
	applied *string       // what Preference-Applied says
}

// preferred reads the header Prefer, within the server's limit.
func (s *Service) preferred(prefer *string) preference {
	wait, ok := preferredWait(prefer)
	if !ok {
		return preference{}
	}
	wait = min(wait, s.cfg.MaxWait)
	applied := "wait=" + strconv.FormatInt(int64(wait/time.Second), 10)
	return preference{prefers: true, wait: wait, applied: &applied}
}

// location returns the path of the job.
func location(id int64) string {
	var b [26]byte
	return string(strconv.AppendInt(append(b[:0], "/hash/"...), id, 10))
}

// batchLocation returns the path of a batch's results.
func batchLocation(first int64, count int) string {
	b := strconv.AppendInt([]byte("/hash/batch?first="), first, 10)
	return string(strconv.AppendInt(append(b, "&count="...), int64(count), 10))
}
