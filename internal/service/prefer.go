package service

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// preferredWait returns how long the header Prefer asks to wait, and false if it does not ask
// for that: RFC 7240 has a server ignore what it does not understand. The first wait counts.
func preferredWait(prefer *string) (time.Duration, bool) {
	if prefer == nil {
		return 0, false
	}
	quoted := false
	comma := func(c rune) bool {
		quoted = quoted != (c == '"')
		return c == ',' && !quoted
	}
	for preference := range strings.FieldsFuncSeq(*prefer, comma) {
		token, _, _ := strings.Cut(preference, ";") // parameters of a preference mean nothing here
		name, value, ok := strings.Cut(token, "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		n, err := strconv.ParseUint(value, 10, 31) // out of range it is the greatest, which is over any limit
		return time.Duration(n) * time.Second, err == nil || errors.Is(err, strconv.ErrRange)
	}
	return 0, false
}

// location returns the path of the job.
func location(id int64) string {
	var b [26]byte
	return string(strconv.AppendInt(append(b[:0], "/hash/"...), id, 10))
}
