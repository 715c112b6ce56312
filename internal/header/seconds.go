package header

import "time"

// Seconds returns d as Retry-After states it (RFC 9110, section 10.2.3): whole seconds, rounded up, at
// least 1.
func Seconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}
