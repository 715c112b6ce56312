package auth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxJobs bounds rates and quotas: as many jobs as a server can be told to hold.
const maxJobs = 1_000_000_000

// maxLife bounds how long a key may live in days, which is as good as for ever.
const maxLife = 36500

// Rate is how many jobs may be submitted in a time. The zero value means any number.
type Rate struct {
	Jobs int64         // 1 to 1,000,000,000
	Per  time.Duration // a second, a minute, an hour or a day
}

var errNotRate = fmt.Errorf("a rate is a number of jobs, 1 to %d, for each s, m, h or d, such as 100/s or 6000/m", maxJobs)

func unitOf(name string) time.Duration {
	switch name {
	case "s":
		return time.Second
	case "m":
		return time.Minute
	case "h":
		return time.Hour
	case "d":
		return 24 * time.Hour
	}
	return 0
}

// ParseRate reads a rate such as 100/s, 6000/m, 1/h or 50000/d. Its errors do not quote the text.
func ParseRate(text string) (Rate, error) {
	jobs, unit, _ := strings.Cut(text, "/")
	n, per := parseJobs(jobs), unitOf(unit)
	if n == 0 || per == 0 {
		return Rate{}, errNotRate
	}
	return Rate{Jobs: n, Per: per}, nil
}

// parseJobs reads a number of jobs in plain digits; 0 if it is none.
func parseJobs(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxJobs || strconv.FormatInt(n, 10) != text {
		return 0
	}
	return n
}

// String returns what ParseRate reads, "" for the zero value.
func (r Rate) String() string {
	for _, unit := range []string{"s", "m", "h", "d"} {
		if r.Jobs > 0 && unitOf(unit) == r.Per {
			return strconv.FormatInt(r.Jobs, 10) + "/" + unit
		}
	}
	return ""
}

var errNotLife = fmt.Errorf("a time is a number of days, or a duration, such as 90d, 24h or 1d12h, at most %dd", maxLife)

// ParseDuration reads what time.ParseDuration does, and days before it: 90d, 1d12h, 24h. It takes 0 to
// 36500 days. Its errors do not quote the text.
func ParseDuration(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	days, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		days, rest = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || n > maxLife {
		return 0, errNotLife
	}
	if hasDays && rest == "" {
		return time.Duration(n) * day, nil
	}
	part, err := time.ParseDuration(rest)
	if err != nil || part < 0 || strings.ContainsAny(rest, "+-") || part > (maxLife-time.Duration(n))*day {
		return 0, errNotLife
	}
	return time.Duration(n)*day + part, nil
}

// ParseQuota reads a number of pending jobs, 1 to 1,000,000,000. Its errors do not quote the text.
func ParseQuota(text string) (int64, error) {
	n := parseJobs(text)
	if n == 0 {
		return 0, errNotQuota
	}
	return n, nil
}

var errNotQuota = errors.New("a quota is a number of jobs, 1 to 1000000000")
